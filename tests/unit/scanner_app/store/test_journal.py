from pathlib import Path
from uuid import UUID

import pytest
from sqlcipher3 import dbapi2

from scanner_app.gate.ports import JournalUnwritableError
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.ids import DeviceId
from shared.journal.chain import Head, verify_chain
from tests.factories.credentials import TICKET_ID
from tests.factories.kiosk_store import STORE_KEY, a_draft, an_enrolment, make_store

FULL = 2
OTHER = DeviceId(UUID("018f0000-0000-7000-8000-0000000000dc"))


def test_entries_are_numbered_and_linked(store: KioskStore, side: SyncSide) -> None:
    entries = [store.journal.append(a_draft(number)) for number in range(1, 6)]
    kept = side.outbox.entries_between(1, 5)
    assert [item.entry for item in kept] == entries
    assert verify_chain(kept) == store.journal.head == store.verify()
    assert store.journal.head.seq == 5


def test_a_restart_goes_on_where_the_chain_ended(tmp_path: Path) -> None:
    make_store(tmp_path)
    store = KioskStore.open(tmp_path, STORE_KEY)
    for number in range(1, 300):
        store.journal.append(a_draft(number))
    head = store.journal.head
    store.close()
    reopened = KioskStore.open(tmp_path, STORE_KEY)
    entry = reopened.journal.append(a_draft(300))
    reopened.close()
    assert (entry.seq, entry.prev_hash) == (300, head.entry_hash)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET canonical = x'00'",
        "DELETE FROM entries",
        "REPLACE INTO entries SELECT * FROM entries",
        "UPDATE passages SET at_ms = 0",
        "DELETE FROM passages",
    ],
)
def test_what_was_written_can_neither_be_changed_nor_deleted(
    store: KioskStore, statement: str
) -> None:
    store.journal.append(a_draft())
    with pytest.raises(dbapi2.IntegrityError, match="never"):
        store._databases.journal.run(statement)
    assert store.verify().seq == 1


def test_a_commit_waits_for_the_disk(store: KioskStore) -> None:
    journal = store._databases.journal
    assert journal.one("PRAGMA journal_mode") == ("wal",)
    assert journal.number("PRAGMA synchronous") == FULL


def test_a_scan_id_used_twice_is_a_bug_and_leaves_the_chain_whole(store: KioskStore) -> None:
    store.journal.append(a_draft(1))
    with pytest.raises(dbapi2.IntegrityError):
        store.journal.append(a_draft(1))
    assert store.journal.append(a_draft(2)).seq == 2
    assert store.verify().seq == 2


def test_only_admissions_become_passages(store: KioskStore) -> None:
    store.journal.append(a_draft(1, admitted=False, verdict="UNPAID"))
    assert store.passages.passages(TICKET_ID) == ()
    store.journal.append(a_draft(2))
    assert [passage.scan_id for passage in store.passages.passages(TICKET_ID)] == [
        a_draft(2).scan_id
    ]


def test_another_device_begins_a_chain_of_its_own(store: KioskStore, side: SyncSide) -> None:
    store.journal.append(a_draft(1))
    side.enrolment.save_enrolment(an_enrolment(device_id=OTHER))
    store.knowledge()
    entry = store.journal.append(a_draft(2))
    assert (entry.seq, entry.device_id) == (1, OTHER)
    assert side.outbox.head_seq() == 1
    side.enrolment.save_enrolment(an_enrolment())
    store.knowledge()
    assert store.journal.append(a_draft(3)).seq == 2


def test_without_an_enrolment_nobody_is_admitted(tmp_path: Path) -> None:
    store = KioskStore.open(tmp_path, STORE_KEY)
    with pytest.raises(JournalUnwritableError, match="enrol it"):
        store.journal.append(a_draft())
    assert store.verify() == store.journal.head == Head()
    store.close()


def test_a_journal_that_turned_read_only_refuses_the_scan(store: KioskStore) -> None:
    store._databases.journal.run("PRAGMA query_only = ON")
    with pytest.raises(JournalUnwritableError):
        store.journal.append(a_draft(1))
    store._databases.journal.run("PRAGMA query_only = OFF")
    assert store.journal.append(a_draft(1)).seq == 1
