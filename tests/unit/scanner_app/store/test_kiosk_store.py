from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest
from sqlcipher3 import dbapi2

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.ports import EventKnowledge, GatePost
from scanner_app.gate.session import GateSession, Judgement
from scanner_app.store.files import StoreFiles
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.admission.facts import TicketStatus
from shared.clock import SettableClock
from tests.factories.admission import DEVICE, GATE, NOW_MS, OTHER_GATE, SECOND_MS, a_scan_id
from tests.factories.credentials import COUNTER, TICKET_ID, EventKeys, P256Holder, a_core
from tests.factories.journal import BOOT_ID
from tests.factories.kiosk_store import STORE_KEY, a_draft, an_enrolment, install_snapshot
from tests.factories.snapshots import TIER, SnapshotContent
from tests.factories.sync_changes import a_page, a_passage_elsewhere, a_ticket_change, heard


class NoLamp:
    """Moves nothing."""

    def actuate(self, judgement: Judgement) -> None:
        """Do nothing."""


class Bytes:
    """Ten bytes, other ones each time."""

    def __init__(self) -> None:
        self._count = 0

    def __call__(self, length: int) -> bytes:
        self._count += 1
        return self._count.to_bytes(length, "big")


def scan(store: KioskStore, seconds: int = 0) -> str:
    """Show the factory's ticket some seconds into its window, and give the verdict's code."""
    session = GateSession(
        GatePost(DEVICE, GATE, BOOT_ID), store.gate_store(), NoLamp(), SettableClock(0), Bytes()
    )
    code = EventKeys().reference_code(a_core(), P256Holder(), COUNTER)
    conditions = GateConditions(TimeReading(NOW_MS + seconds * SECOND_MS, 20))
    return session.judge(code, known(store), conditions).verdict.code


def known(store: KioskStore) -> EventKnowledge:
    knowledge = store.knowledge()
    assert knowledge is not None
    return knowledge


def in_another_thread(work: Callable[[], object]) -> BaseException | None:
    caught: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except dbapi2.ProgrammingError as error:
            caught.append(error)

    thread = Thread(target=run)
    thread.start()
    thread.join()
    return caught[0] if caught else None


def test_a_whole_scan_is_admitted_once(store: KioskStore) -> None:
    assert scan(store) == "ADMIT"
    assert scan(store, seconds=2) == "ADMIT"
    assert scan(store, seconds=8) == "ALREADY_INSIDE_HERE"
    assert store.verify().seq == 2


@pytest.mark.parametrize(
    ("status", "verdict"),
    [(TicketStatus.CANCELLED, "CANCELLED"), (TicketStatus.REVOKED, "REVOKED")],
)
def test_a_change_counts_from_the_next_scan(
    store: KioskStore, side: SyncSide, status: TicketStatus, verdict: str
) -> None:
    side.changes.apply(a_page(a_ticket_change(status=status)))
    assert scan(store) == verdict


def test_an_admission_elsewhere_counts_here(store: KioskStore, side: SyncSide) -> None:
    side.changes.apply(a_page(heard(a_passage_elsewhere(scan_id=a_scan_id(77)))))
    assert scan(store) == "ALREADY_INSIDE_OTHER_GATE"


def test_what_is_known_of_the_event_comes_from_snapshot_and_manifest(store: KioskStore) -> None:
    knowledge = known(store)
    assert (knowledge.event_name, knowledge.timezone) == ("Nyege Nyege", "Africa/Nairobi")
    assert set(knowledge.gates) == {GATE, OTHER_GATE}
    assert knowledge.tiers[TIER].name == "Regular"
    assert store.snapshot_problem() is None


def test_knowledge_is_read_again_only_when_something_was_written(
    store: KioskStore, side: SyncSide
) -> None:
    first = known(store)
    assert known(store) is first
    side.times.raise_time_seen(5)
    assert known(store) == first


def test_a_kiosk_without_enrolment_or_snapshot_knows_nothing(tmp_path: Path) -> None:
    store = KioskStore.open(tmp_path, STORE_KEY)
    side = store.sync_side()
    assert (store.knowledge(), store.enrolment(), store.manifest()) == (None, None, None)
    side.enrolment.save_enrolment(an_enrolment())
    assert store.knowledge() is None
    install_snapshot(side, SnapshotContent())
    assert known(store).snapshot_version == 1
    side.close()
    store.close()


def test_the_gates_connections_refuse_other_threads(store: KioskStore) -> None:
    attempts: tuple[Callable[[], object], ...] = (
        store.knowledge,
        lambda: store.tickets.find(TICKET_ID),
        lambda: store.passages.passages(TICKET_ID),
        lambda: store.journal.append(a_draft()),
    )
    for attempt in attempts:
        assert isinstance(in_another_thread(attempt), dbapi2.ProgrammingError)


def test_syncs_threads_take_turns_while_the_gate_admits(store: KioskStore) -> None:
    side = store.sync_side()

    def hear(first: int) -> None:
        for number in range(first, first + 40):
            passage = a_passage_elsewhere(scan_id=a_scan_id(number))
            cursor = side.changes.cursor()
            side.changes.apply(a_page(heard(passage), cursor=(cursor.xid + 1, 0)))
            side.outbox.waiting()

    def work() -> None:
        threads = [Thread(target=hear, args=(first,)) for first in (1_000, 2_000)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    sync = Thread(target=work)
    sync.start()
    entries = [store.journal.append(a_draft(number)) for number in range(1, 101)]
    sync.join()
    assert [entry.seq for entry in entries] == list(range(1, 101))
    assert store.verify().seq == side.outbox.waiting() == 100
    side.close()


def test_the_keys_are_not_shown(tmp_path: Path) -> None:
    assert STORE_KEY.hex() not in repr(StoreFiles(tmp_path, STORE_KEY))
    assert repr(STORE_KEY) not in repr(StoreFiles(tmp_path, STORE_KEY))
