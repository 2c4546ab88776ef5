"""The store fits what gate and sync ask for; the type checker reads this file to prove it."""

from pathlib import Path

from scanner_app.gate.ports import PassageRecord, ScanJournal, TicketDirectory
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.sync.ports import (
    ChangeSink,
    DeviceKeys,
    EnrolmentRecord,
    Outbox,
    RevocationRecord,
    SnapshotShelf,
    TimeRecord,
)
from tests.factories.kiosk_store import STORE_KEY


def test_the_store_fits_the_protocols_of_gate_and_sync(tmp_path: Path) -> None:
    store = KioskStore.open(tmp_path, STORE_KEY)
    side = store.sync_side()
    tickets: TicketDirectory = store.tickets
    passages: PassageRecord = store.passages
    journal: ScanJournal = store.journal
    times: TimeRecord = side.times
    enrolments: EnrolmentRecord = side.enrolment
    revocations: RevocationRecord = side.revocations
    shelf: SnapshotShelf = side.shelf
    changes: ChangeSink = side.changes
    outbox: Outbox = side.outbox
    keys: DeviceKeys = side.keys
    mine = (tickets, passages, journal)
    theirs = (enrolments, times, revocations, shelf, changes, outbox, keys)
    assert len({id(part) for part in (*mine, *theirs)}) == 10
    side.close()
    store.close()
