"""The main job from end to end, on one machine: sell tickets, admit everybody who should be.

A server with embedded PostgreSQL, an event of 2,000 tickets, providers of payments as sandboxes and
buyers who pay at them, two kiosks that enrol themselves at their cameras, visitors with phones, a
refund, an outage, and a revocation. Ends with tables of what held, what was sold, and what stands
in the books; the exit code is 0 only if everything held and the books balance. Usage: journey.py
[FOLDER] [--close]; what FOLDER holds of an earlier run is replaced.
"""

import argparse
import errno
import shutil
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from attendee import Wallet, WalletKey
from books import close_books
from organizer import IssuedTicket, Organizer
from page import PAGE, write_page
from payout import pay_out
from processes import KioskProcess, NotInTimeError, has_display
from report import Report, Step
from sales import TITLES, Sales, Way, sell, sell_late
from scene import MAIN, Scene, everything, say
from stage import ShownText, Stage

TICKETS: Final = 2_000
_DEFAULT_FOLDER: Final = Path(".demo")
_EXIT_INTERRUPTED: Final = 130
_TERMINATING: Final = (signal.SIGTERM, signal.SIGHUP)
_SCREENSHOT_AGE_MS: Final = 40_000
_SLOW_CLOCK_MS: Final = 45_000
_SETTLING_SECONDS: Final = 30
_LOOKS_AWAY: Final = 3


@dataclass(frozen=True)
class Visit:
    """Somebody who steps in front of a camera, and what should come of it."""

    name: str
    expected: str
    text: ShownText
    dark_mode: bool = False


@dataclass(frozen=True)
class Visitors:
    """Tickets and phones, by what will happen to them."""

    sales: Sales
    by_reference: tuple[Wallet, ...]
    late_buyer: IssuedTicket
    paper: IssuedTicket
    vip: Wallet
    refunded: Wallet


def main() -> int:
    parser = argparse.ArgumentParser(description="Show the whole of ZERAKET Gate on one machine.")
    parser.add_argument("folder", nargs="?", type=Path, default=_DEFAULT_FOLDER)
    parser.add_argument("--close", action="store_true", help="close the windows at the end")
    options = parser.parse_args()
    folder: Path = options.folder.absolute()
    try:
        _make_room(folder, ours=options.folder == _DEFAULT_FOLDER)
    except OSError as error:
        parser.error(f"{folder} cannot be used: {error.strerror}")
    for number in _TERMINATING:
        signal.signal(number, signal.default_int_handler)
    try:
        return _run(folder, close=options.close)
    except KeyboardInterrupt:
        say("Interrupted; everything that was started has been stopped.")
        return _EXIT_INTERRUPTED


def _make_room(folder: Path, *, ours: bool) -> None:
    """Begin with an empty folder; never empty one that holds somebody's things."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()) and not (ours or (folder / PAGE).exists()):
        raise FileExistsError(errno.EEXIST, "it holds something else; name a new folder")
    shutil.rmtree(folder)
    folder.mkdir()
    (folder / PAGE).touch()


def _run(folder: Path, *, close: bool) -> int:
    report = Report()
    try:
        with everything(folder, report) as scene:
            _play(scene)
            _tell(report, folder)
            _leave_open(scene, close=close)
    except NotInTimeError as late:
        report.check(str(late), sys.stdout, held=False)
        _tell(report, folder)
    return 0 if report.all_held else 1


def _tell(report: Report, folder: Path) -> None:
    report.write(folder / "report.json")
    write_page(report, folder)
    tables = "".join(f"\n{table}\n" for table in report.tables)
    say(f"\n{report.table()}\n{tables}\n{report.summary()}\n")
    say(f"All of it with pictures: {(folder / PAGE).as_uri()}")


def _play(scene: Scene) -> None:
    visitors = _sell(scene)
    _enrol_kiosks(scene)
    _admit(scene, visitors)
    _refuse(scene, visitors)
    _admit_late(scene, visitors.sales)
    _outage(scene, visitors)
    _revoke(scene, visitors)
    say("Some days later the organizer is paid")
    pay_out(scene.organizer, scene.accountant, scene.server, scene.report)
    say("And what stands in the books")
    close_books(scene.organizer, scene.server, scene.report)


def _sell(scene: Scene) -> Visitors:
    """Sell tickets every way there is, and issue the others as an organizer may."""
    organizer = scene.organizer
    kinds = organizer.ticket_types()
    say("Selling tickets, over every rail in its sandbox")
    sales = sell(scene.box_office, quantity=TICKETS)
    say(f"Issuing the other {TICKETS - sales.tickets:,} of {TICKETS:,} tickets")
    issued = organizer.issue(kinds["Regular"], TICKETS - sales.tickets - 1, "Visitor")[0]
    vip = organizer.issue(kinds["VIP"], 1, "Guest")[0]
    of = {way: sold.tickets for way, sold in sales.sold.items()}
    early = [of[way][0] for way in (Way.MTN, Way.AIRTEL, Way.PESAPAL, Way.CARD, Way.FREE)]
    # What a wallet shows by reference is the same before and after the snapshot is frozen.
    wallets = [_wallet(organizer, ticket) for ticket in (*early, issued)]
    return Visitors(
        sales=sales,
        by_reference=tuple(wallets),
        late_buyer=of[Way.PESAPAL][1],
        paper=of[Way.CASH][0],
        vip=_wallet(organizer, vip),
        refunded=_wallet(organizer, of[Way.MTN][1]),
    )


def _wallet(organizer: Organizer, ticket: IssuedTicket) -> Wallet:
    return organizer.wallet(ticket, organizer.bind(ticket), "R")


def _enrol_kiosks(scene: Scene) -> None:
    """Show each kiosk its enrolment code, as an organizer would on a phone."""
    gates = scene.organizer.gates()
    for kiosk, stage in ((scene.main, scene.main_stage), (scene.north, scene.north_stage)):
        say(f"The kiosk at the {kiosk.name} enrols itself")
        kiosk.wait_for_status(60, phase="awaiting_enrolment", camera="working")
        text = scene.organizer.enrolment_code(scene.deployment_id, gates[kiosk.name])
        stage.show(_always(text))
        kiosk.wait_for_status(60, phase="scanning", online=True)
        stage.clear()
        scene.report.check(f"kiosk at the {kiosk.name} enrolled itself", sys.stdout, held=True)


def _admit(scene: Scene, visitors: Visitors) -> None:
    say("Visitors come")
    first, second, third = visitors.by_reference[:3]
    _visit(scene, "rotating code, paid by MTN MoMo", first.code_at, "ADMIT")
    _visit(
        scene,
        "rotating code, dark screen, paid by Airtel Money",
        second.code_at,
        "ADMIT",
        dark_mode=True,
    )
    _pass_the_time(scene)
    _visit(scene, "the same ticket again", first.code_at, "ALREADY_INSIDE_HERE")
    key = scene.organizer.bind(visitors.late_buyer)
    late = scene.organizer.wallet(visitors.late_buyer, key)
    _visit(
        scene, f"bought after the snapshot (form {late.ticket.form.letter})", late.code_at, "ADMIT"
    )
    paper = scene.organizer.wallet_ticket(visitors.paper)["static_text"]
    _visit(scene, "printed ticket, from the box office", _always(paper), "ADMIT")
    _pass_the_time(scene)
    _visit(scene, "its photocopy", _always(paper), "ALREADY_INSIDE_HERE")
    _visit(scene, "rotating code, a third phone", third.code_at, "ADMIT")


def _refuse(scene: Scene, visitors: Visitors) -> None:
    say("And some who should not get in")
    scene.organizer.refund(visitors.sales.sold[Way.MTN].order_id, line=2)
    fourth, fifth = visitors.by_reference[3:5]
    old_picture = fourth.code_at(scene.clock.now_ms() - _SCREENSHOT_AGE_MS)
    _visit(scene, "a screenshot 40 s old", _always(old_picture), "STALE_CODE")
    slow = fourth.with_slow_clock(_SLOW_CLOCK_MS)
    _visit(scene, "a phone 45 s slow, never synced", slow.code_at, "PHONE_CLOCK")
    forged = replace(fourth, key=WalletKey())
    _visit(scene, "a forgery", forged.code_at, "BAD_SIGNATURE")
    _visit(scene, "somebody's web address", _always("HTTPS://EXAMPLE.ORG/1"), "NOT_A_TICKET")
    _visit(scene, "a VIP ticket at the main gate", visitors.vip.code_at, "WRONG_GATE")
    scene.organizer.change_status(fifth.ticket_id, "cancelled")
    _pass_the_time(scene)  # A change takes about a second to reach a gate, on a busy machine more.
    _visit(scene, "a cancelled ticket", fifth.code_at, "CANCELLED")
    _refuse_returned(scene, visitors)


def _refuse_returned(scene: Scene, visitors: Visitors) -> None:
    """One of two tickets is given back by the rail that it was paid over; the other was used."""
    seen = scene.organizer.wait_for_refund(visitors.sales.sold[Way.MTN].order_id)
    scene.report.add(Step("a ticket is given back by MTN MoMo", "succeeded", seen), sys.stdout)
    _pass_the_time(scene)
    _visit(scene, "the ticket that was given back", visitors.refunded.code_at, "REFUNDED")


def _admit_late(scene: Scene, sales: Sales) -> None:
    """Admit those whose money a bank told of while the gates were open."""
    for way, sold in sell_late(scene.box_office, sales).items():
        ticket = sold.tickets[0]
        late = scene.organizer.wallet(ticket, scene.organizer.bind(ticket))
        _visit(scene, f"paid by {TITLES[way]} with the gates open", late.code_at, "ADMIT")


def _outage(scene: Scene, visitors: Visitors) -> None:
    """Stop the server, let two gates admit the same ticket, bring it back, and count."""
    say("The server goes away")
    fourth, sixth = visitors.by_reference[3], visitors.by_reference[5]
    scene.server.stop()
    for kiosk in (scene.main, scene.north):
        kiosk.wait_for_status(_SETTLING_SECONDS, online=False)
    _visit(scene, "offline, main gate", sixth.code_at, "ADMIT_PROVISIONAL")
    _visit(scene, "offline, main gate, another", fourth.code_at, "ADMIT_PROVISIONAL")
    twin = Visit("offline, north gate, the first one's ticket", "ADMIT_PROVISIONAL", sixth.code_at)
    _visit_at(scene.north, scene.north_stage, scene.report, twin)
    say("The server comes back")
    scene.server.start()
    for kiosk in (scene.main, scene.north):
        kiosk.wait_for_status(_SETTLING_SECONDS, online=True, waiting_scans=0)
    _count_scans(scene)


def _count_scans(scene: Scene) -> None:
    by_gate = {
        device["gate_id"]: device["id"] for device in scene.organizer.devices(scene.deployment_id)
    }
    gates = scene.organizer.gates()
    scans = scene.organizer.scans(scene.deployment_id)
    for kiosk in (scene.main, scene.north):
        device_id = by_gate[gates[kiosk.name]]
        arrived = sorted(scan["seq"] for scan in scans if scan["device_id"] == device_id)
        name = f"{len(arrived)} scans of the {kiosk.name} arrived, each once"
        held = arrived == sorted(kiosk.journaled_seqs)
        scene.report.check(name, sys.stdout, held=held)
    kinds = [conflict["kind"] for conflict in scene.organizer.conflicts(scene.deployment_id)]
    held = kinds == ["same_ticket_twice"]
    scene.report.check("the ticket admitted twice is a conflict", sys.stdout, held=held)


def _revoke(scene: Scene, visitors: Visitors) -> None:
    say("The organizer revokes the main gate's kiosk")
    gates = scene.organizer.gates()
    devices = scene.organizer.devices(scene.deployment_id)
    revoked = next(device for device in devices if device["gate_id"] == gates[MAIN])
    scene.organizer.revoke_device(scene.deployment_id, revoked["id"])
    scene.main.wait_for_status(_SETTLING_SECONDS, phase="revoked")
    before = len(scene.main.verdicts)
    scene.main_stage.show(visitors.vip.code_at)
    scene.main_stage.clear()
    held = len(scene.main.verdicts) == before
    scene.report.check("the revoked kiosk judges nobody", sys.stdout, held=held)


def _visit(
    scene: Scene, name: str, text: ShownText, expected: str, *, dark_mode: bool = False
) -> None:
    """Let somebody step in front of the main gate's camera, once it knows how the network is."""
    scene.main.wait_for_status(_SETTLING_SECONDS, online=scene.server.is_running)
    visit = Visit(name, expected, text, dark_mode)
    _visit_at(scene.main, scene.main_stage, scene.report, visit)


def _visit_at(kiosk: KioskProcess, stage: Stage, report: Report, visit: Visit) -> None:
    verdict, total_ms = stage.present(visit.text, kiosk, dark_mode=visit.dark_mode)
    latency = verdict["latency_ms"]
    verdict_ms = latency if isinstance(latency, float) else None
    seen = str(verdict["verdict"])
    step = Step(visit.name, visit.expected, seen, verdict_ms, total_ms, kiosk.picture_of(seen))
    report.add(step, sys.stdout)


def _leave_open(scene: Scene, *, close: bool) -> None:
    if close or not has_display():
        return
    say("The window stays open to look at; close it to end the demonstration")
    scene.main.wait_until_closed()


def _pass_the_time(scene: Scene) -> None:
    """Let the four seconds pass in which a second look at a phone is the same presentation."""
    for _ in range(_LOOKS_AWAY):
        scene.main_stage.clear()


def _always(text: str) -> ShownText:
    return lambda _now_ms: text


if __name__ == "__main__":
    sys.exit(main())
