"""What happens at a venue: cables, power cuts, wrong codes, files that somebody has touched.

Each must show a clear screen and lose nothing.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from attendee import Wallet
from processes import KioskPlace, KioskProcess
from shared.wire.enrolment_code import EnrolmentCode
from stage import Stage
from tests.journeys.conftest import NO_CAMERA, READY_SECONDS, Kiosks, Venue

pytestmark = [pytest.mark.journey, pytest.mark.timeout(240)]

_ADMITTED = {"ADMIT", "ADMIT_PROVISIONAL"}


@dataclass(frozen=True)
class Gate:
    """A kiosk at work, and the view of its camera."""

    venue: Venue
    place: KioskPlace
    kiosk: KioskProcess
    stage: Stage
    deployment_id: str
    visitors: tuple[Wallet, ...]
    """Two phones with tickets in the list that the kiosk has."""

    def judge(self, wallet: Wallet) -> str:
        verdict, _ = self.stage.present(wallet.code_at, self.kiosk)
        return str(verdict["verdict"])

    def await_status(self, **wanted: object) -> None:
        self.kiosk.wait_for_status(READY_SECONDS, **wanted)

    def await_time(self) -> None:
        """Wait until the kiosk knows how exact its time is."""

        def knows() -> bool:
            return self.kiosk.status.get("clock_uncertainty_ms") is not None

        self.kiosk.wait_for("an exact time", knows, READY_SECONDS)


@pytest.fixture
def gate(venue: Venue, kiosks: Kiosks, stage: Stage) -> Gate:
    deployment_id, visitors = venue.deployment(), venue.wallets(2)
    place = kiosks.place(stage.camera_url)
    kiosk = kiosks.make(place)
    kiosk.start(venue.enrolment_code(deployment_id))
    gate = Gate(venue, place, kiosk, stage, deployment_id, tuple(visitors))
    gate.await_status(phase="scanning", online=True, camera="working")
    return gate


def test_a_camera_that_comes_back_is_found_without_a_restart(gate: Gate) -> None:
    visitor, _ = gate.visitors
    gate.stage.unplug()
    gate.await_status(camera="lost", phase="scanning")
    gate.stage.plug_in()
    gate.await_status(camera="working")
    assert gate.judge(visitor) in _ADMITTED


def test_a_power_cut_while_offline_loses_no_scan_and_no_time(gate: Gate) -> None:
    first, second = gate.visitors
    assert gate.judge(first) == "ADMIT"
    gate.await_status(waiting_scans=0)
    gate.await_time()
    gate.venue.server.stop()
    gate.kiosk.pull_the_plug()
    gate.kiosk.start()
    gate.await_status(phase="scanning", online=False, camera="working")
    gate.await_time()
    assert gate.judge(second) == "ADMIT_PROVISIONAL"
    assert gate.judge(first) == "ALREADY_INSIDE_HERE"
    gate.venue.server.start()
    gate.await_status(online=True, waiting_scans=0)
    assert gate.venue.seqs_arrived(gate.deployment_id) == [1, 2, 3]


def test_a_server_that_was_killed_is_found_again(gate: Gate) -> None:
    visitor, _ = gate.visitors
    gate.venue.server.pull_the_plug()
    gate.await_status(online=False, phase="scanning")
    assert gate.judge(visitor) == "ADMIT_PROVISIONAL"
    gate.venue.server.start()
    gate.await_status(online=True, waiting_scans=0)
    assert gate.venue.seqs_arrived(gate.deployment_id) == [1]


def test_a_key_file_open_to_others_stops_the_gate_until_it_is_closed(gate: Gate) -> None:
    key_file = gate.place.state / "store.key"
    gate.kiosk.stop()
    key_file.chmod(0o644)
    gate.kiosk.start()
    gate.await_status(phase="fault", fault="key_file_exposed")
    key_file.chmod(0o600)
    gate.await_status(phase="scanning", fault=None)


def test_another_key_is_told_from_damage_and_the_right_one_helps(gate: Gate) -> None:
    key_file = gate.place.state / "store.key"
    key = key_file.read_bytes()
    gate.kiosk.stop()
    key_file.write_bytes(secrets.token_bytes(len(key)))
    gate.kiosk.start()
    gate.await_status(phase="fault", fault="wrong_key")
    key_file.write_bytes(key)
    gate.await_status(phase="scanning", fault=None)


def test_a_ticket_list_damaged_on_disk_is_fetched_again(gate: Gate) -> None:
    visitor, _ = gate.visitors
    gate.kiosk.stop()
    _damage(gate.place.state)
    gate.venue.server.stop()
    gate.kiosk.start()
    gate.await_status(phase="fault", fault="snapshot_corrupt")
    gate.venue.server.start()
    gate.await_status(phase="scanning", fault=None, online=True)
    assert gate.judge(visitor) == "ADMIT"


def test_a_strange_code_before_the_camera_is_journaled_once(gate: Gate) -> None:
    visitor, _ = gate.visitors
    gate.stage.show(lambda _now_ms: "HTTPS://EXAMPLE.ORG/POSTER")
    gate.kiosk.wait_for("a verdict", lambda: gate.kiosk.verdicts, READY_SECONDS)
    gate.stage.clear()
    assert gate.judge(visitor) == "ADMIT"
    assert [verdict["seq"] for verdict in gate.kiosk.verdicts] == [1, 2]


def test_a_phone_that_corrects_its_clock_in_view_is_admitted(gate: Gate) -> None:
    visitor, _ = gate.visitors
    slow = visitor.with_slow_clock(45_000)
    gate.stage.show(slow.code_at)
    gate.kiosk.wait_for("a refusal", lambda: gate.kiosk.verdicts, READY_SECONDS)
    gate.stage.show(visitor.code_at)
    gate.kiosk.wait_for(
        "an admission",
        lambda: gate.kiosk.verdicts[-1]["verdict"] in _ADMITTED,
        READY_SECONDS,
    )
    assert gate.kiosk.verdicts[0]["verdict"] == "PHONE_CLOCK"


_WRONG_CODES: dict[str, Callable[[EnrolmentCode], EnrolmentCode]] = {
    "code_unknown": lambda code: replace(code, secret=secrets.token_bytes(len(code.secret))),
    "server_untrusted": lambda code: replace(code, fingerprint=bytes(32)),
}


@pytest.mark.parametrize("problem", _WRONG_CODES)
def test_a_setup_code_that_does_not_work_says_why_and_the_next_one_may(
    venue: Venue, kiosks: Kiosks, problem: str
) -> None:
    deployment_id = venue.deployment()
    right = EnrolmentCode.from_text(venue.enrolment_code(deployment_id))
    kiosk = kiosks.make(kiosks.place(NO_CAMERA))
    kiosk.start(_WRONG_CODES[problem](right).to_text())
    kiosk.wait_for_status(
        READY_SECONDS, phase="awaiting_enrolment", enrolment_problem=problem, camera="lost"
    )
    kiosk.stop()
    kiosk.start(venue.enrolment_code(deployment_id))
    kiosk.wait_for_status(READY_SECONDS, phase="scanning", enrolment_problem=None)


def test_a_setup_code_serves_one_kiosk_only(venue: Venue, kiosks: Kiosks) -> None:
    code = venue.enrolment_code(venue.deployment())
    first, second = (kiosks.make(kiosks.place(NO_CAMERA)) for _ in range(2))
    first.start(code)
    first.wait_for_status(READY_SECONDS, phase="scanning")
    second.start(code)
    second.wait_for_status(READY_SECONDS, phase="awaiting_enrolment", enrolment_problem="code_used")


def _damage(state: Path) -> None:
    """Overwrite the middle of the snapshot, as a dying disk does."""
    (snapshot,) = (state / "snapshots").glob("*.db")
    with snapshot.open("r+b") as file:
        file.seek(snapshot.stat().st_size // 2)
        file.write(secrets.token_bytes(4_096))
