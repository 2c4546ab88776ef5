import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scanner_app.bootstrap.gate_worker import (
    WAITED_MS_MAX,
    WAITING_CODES_MAX,
    GateOutlook,
    GateWorker,
    JudgedCode,
    NetworkConditions,
)
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.gate.ports import GateError
from scanner_app.peripherals.code_source import ShownCode
from scanner_app.store.files import StoreFiles
from scanner_app.store.keyring import KEY_FILE, load_store_key
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from scanner_app.sync.ports import Machine
from shared.admission.facts import Direction
from shared.clock import SettableClock
from tests.factories.admission import NOW_MS
from tests.factories.credentials import EventKeys, P256Holder, a_core
from tests.factories.journal import BOOT_ID
from tests.factories.kiosk_parts import BOOTED_NS, GateAudience, a_standing_machine
from tests.factories.kiosk_store import STORE_KEY, make_store
from tests.factories.snapshots import SnapshotContent
from tests.factories.visitors import visitor_codes, visitor_tickets

VISITORS = 20
CODES = visitor_codes(VISITORS)
ONLINE = NetworkConditions(online=True, has_peers=True)


def shown(text: str, seen_at_ns: int = BOOTED_NS) -> ShownCode:
    return ShownCode(text, seen_at_ns, "camera")


def at_the_gate(worker: GateWorker, audience: GateAudience, text: str) -> str:
    """Show one code and give the verdict on it."""
    known = len(audience.judgements)
    worker.submit(shown(text))
    audience.log.wait_until(lambda: len(audience.judgements) > known)
    return audience.judgements[known].verdict.code


def keep_time(directory: Path) -> None:
    side = SyncSide(StoreFiles(directory, STORE_KEY))
    side.times.save_anchor(TimeAnchor(NOW_MS, BOOTED_NS, 0, BOOT_ID))
    side.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make_store(tmp_path / "store", SnapshotContent(tickets=visitor_tickets(VISITORS)))
    keep_time(tmp_path / "store")
    return tmp_path / "store"


@pytest.fixture
def audience() -> GateAudience:
    return GateAudience(ONLINE)


@pytest.fixture
def machine() -> Machine:
    return a_standing_machine()


Start = Callable[[Callable[[], KioskStore]], GateWorker]


@pytest.fixture
def start(audience: GateAudience, machine: Machine) -> Iterator[Start]:
    started: list[GateWorker] = []

    def start_one(open_store: Callable[[], KioskStore]) -> GateWorker:
        worker = GateWorker(open_store, audience, machine)
        started.append(worker)
        worker.start()
        return worker

    yield start_one
    for worker in started:
        worker.stop()


@pytest.fixture
def worker(start: Start, directory: Path) -> GateWorker:
    return start(lambda: KioskStore.open(directory, STORE_KEY))


def test_a_visitor_is_admitted_once_and_the_scan_is_in_the_journal(
    worker: GateWorker, audience: GateAudience, directory: Path
) -> None:
    assert at_the_gate(worker, audience, CODES[0]) == "ADMIT"
    assert at_the_gate(worker, audience, CODES[0]) == "ADMIT"
    first, again = audience.judgements
    assert first.entry is not None
    assert again.entry is None, "the same presentation is not journaled twice"
    worker.stop()
    store = KioskStore.open(directory, STORE_KEY)
    assert store.verify().seq == 1
    store.close()


def test_a_used_ticket_is_refused_later(
    worker: GateWorker, audience: GateAudience, machine: Machine
) -> None:
    assert at_the_gate(worker, audience, CODES[0]) == "ADMIT"
    assert isinstance(machine.clock, SettableClock)
    machine.clock.advance(4_500)
    assert at_the_gate(worker, audience, CODES[0]) == "ALREADY_INSIDE_HERE"


def test_rotating_codes_follow_the_gates_own_clock(
    start: Start, audience: GateAudience, tmp_path: Path
) -> None:
    make_store(tmp_path / "rotating")
    keep_time(tmp_path / "rotating")
    worker = start(lambda: KioskStore.open(tmp_path / "rotating", STORE_KEY))
    holder, event = P256Holder(), EventKeys()
    old = event.reference_code(a_core(), holder, counter=118_000_000 - 9)
    assert at_the_gate(worker, audience, old) == "STALE_CODE"
    assert at_the_gate(worker, audience, event.reference_code(a_core(), holder)) == "ADMIT"


def test_without_a_signed_time_no_rotating_code_is_admitted(
    start: Start, audience: GateAudience, tmp_path: Path
) -> None:
    make_store(tmp_path / "timeless")
    worker = start(lambda: KioskStore.open(tmp_path / "timeless", STORE_KEY))
    code = EventKeys().reference_code(a_core(), P256Holder())
    assert at_the_gate(worker, audience, code) == "TIME_UNTRUSTED"


@pytest.mark.parametrize(
    ("network", "verdict"),
    [
        (NetworkConditions(online=True, has_peers=True), "ADMIT"),
        (NetworkConditions(online=False, has_peers=True), "ADMIT_PROVISIONAL"),
        (NetworkConditions(online=False, has_peers=False), "ADMIT"),
        (NetworkConditions(), "ADMIT_PROVISIONAL"),
    ],
)
def test_whom_no_other_gate_can_vouch_for_is_admitted_provisionally(
    worker: GateWorker, audience: GateAudience, network: NetworkConditions, verdict: str
) -> None:
    audience.conditions = network
    assert at_the_gate(worker, audience, CODES[0]) == verdict


@pytest.mark.parametrize("network", [None, NetworkConditions(online=True, revoked=True)])
def test_a_kiosk_that_is_revoked_or_does_not_know_yet_judges_nobody(
    worker: GateWorker, audience: GateAudience, network: NetworkConditions | None
) -> None:
    audience.conditions = network
    worker.submit(shown(CODES[0]))
    audience.log.wait_for(ShownCode, lambda code: code.text == CODES[0])
    assert audience.judgements == []
    audience.conditions = ONLINE
    assert at_the_gate(worker, audience, CODES[0]) == "ADMIT"


def test_a_kiosk_without_a_snapshot_hands_codes_back(
    start: Start, audience: GateAudience, tmp_path: Path
) -> None:
    worker = start(lambda: KioskStore.open(tmp_path / "new", STORE_KEY))
    outlook = audience.log.wait_for(GateOutlook, lambda _: True)
    assert (outlook.knowledge, outlook.enrolment, outlook.snapshot_problem) == (None, None, None)
    worker.submit(shown("TKE1:ABC"))
    audience.log.wait_for(ShownCode, lambda code: code.text == "TKE1:ABC")
    assert audience.judgements == []


def test_an_exposed_key_file_is_told_and_mended_by_a_person(
    start: Start, audience: GateAudience, tmp_path: Path, machine: Machine
) -> None:
    key_file = tmp_path / KEY_FILE
    load_store_key(tmp_path, machine.randomness)
    key_file.chmod(0o644)
    start(lambda: KioskStore.open(tmp_path, load_store_key(tmp_path, machine.randomness)))
    error = audience.log.wait_for(GateError, lambda _: True)
    assert error.code == "key_file_exposed"
    key_file.chmod(0o600)
    audience.log.wait_for(KioskStore, lambda _: True)
    assert audience.judgements == []


def test_a_wrong_key_is_told_until_the_right_one_is_back(
    start: Start, audience: GateAudience, directory: Path
) -> None:
    keys = [STORE_KEY, bytes(32)]
    worker = start(lambda: KioskStore.open(directory, keys[-1]))
    error = audience.log.wait_for(GateError, lambda _: True)
    assert error.code == "wrong_store_key"
    keys.pop()
    audience.log.wait_for(KioskStore, lambda _: True)
    assert at_the_gate(worker, audience, CODES[0]) == "ADMIT"


def test_codes_shown_while_the_store_was_shut_are_not_judged_when_it_opens(
    start: Start, audience: GateAudience, directory: Path
) -> None:
    keys = [STORE_KEY, bytes(32)]
    worker = start(lambda: KioskStore.open(directory, keys[-1]))
    audience.log.wait_for(GateError, lambda _: True)
    long_ago_ns = BOOTED_NS - (WAITED_MS_MAX + 1) * 1_000_000
    worker.submit(shown(CODES[0], long_ago_ns))
    keys.pop()
    assert at_the_gate(worker, audience, CODES[1]) == "ADMIT"
    assert len(audience.judgements) == 1


def test_a_journal_that_takes_nothing_is_a_device_error_until_it_does(
    start: Start, audience: GateAudience, directory: Path
) -> None:
    def open_small() -> KioskStore:
        store = KioskStore.open(directory, STORE_KEY)
        journal = store._databases.journal
        journal.run(f"PRAGMA max_page_count = {journal.number('PRAGMA page_count')}")
        return store

    worker = start(open_small)
    verdicts = [at_the_gate(worker, audience, code) for code in CODES]
    assert verdicts[-1] == "DEVICE_ERROR"
    fault = audience.judgements[-1].fault
    assert fault is not None
    assert fault.code == "disk_full"
    assert audience.judgements[-1].entry is None


def test_more_codes_than_can_wait_are_dropped_and_nobody_waits_for_them(
    start: Start, audience: GateAudience, directory: Path
) -> None:
    may_open = threading.Event()

    def open_late() -> KioskStore:
        may_open.wait()
        return KioskStore.open(directory, STORE_KEY)

    worker = start(open_late)
    for code in CODES:
        worker.submit(shown(code))
    may_open.set()
    audience.log.wait_until(lambda: len(audience.judgements) == WAITING_CODES_MAX)
    worker.stop()
    assert len(audience.judgements) == WAITING_CODES_MAX


def test_a_gate_that_was_never_started_or_never_opened_stops_at_once(
    start: Start, audience: GateAudience, machine: Machine, directory: Path
) -> None:
    GateWorker(lambda: KioskStore.open(directory, STORE_KEY), audience, machine).stop()
    locked = KioskStore.open(directory, STORE_KEY)
    worker = start(lambda: KioskStore.open(directory, STORE_KEY))
    assert audience.log.wait_for(GateError, lambda _: True).code == "store_in_use"
    worker.stop()
    locked.close()
    assert not worker._thread.is_alive()


def test_where_people_leave_nobody_leaves_who_did_not_enter(
    audience: GateAudience, machine: Machine, directory: Path
) -> None:
    worker = GateWorker(
        lambda: KioskStore.open(directory, STORE_KEY), audience, machine, Direction.EXIT
    )
    worker.start()
    assert at_the_gate(worker, audience, CODES[0]) == "NOT_INSIDE"
    worker.stop()


def test_every_verdict_comes_with_its_circumstances(
    worker: GateWorker, audience: GateAudience
) -> None:
    at_the_gate(worker, audience, CODES[3])
    judged = audience.log.wait_for(JudgedCode, lambda _: True)
    assert judged.code == shown(CODES[3])
    assert judged.judged_at_ns >= judged.code.seen_at_ns
    assert judged.knowledge.event_name == "Nyege Nyege"
