import pytest

from scanner_app.gate.ports import SnapshotUnreadableError
from scanner_app.store.errors import ReplicaUnreadableError
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.admission.facts import MediumDemand, TicketStatus
from shared.journal.entry import Cursor
from shared.wire.changes import RulesChanged
from shared.wire.rules import PolicyChanges, RuleBookDocument, RuleDocument
from tests.factories.admission import GATE, a_scan_id
from tests.factories.credentials import TICKET_ID
from tests.factories.kiosk_store import install_snapshot
from tests.factories.snapshots import SnapshotContent, SnapshotTicket
from tests.factories.sync_changes import a_page, a_passage_elsewhere, a_ticket_change, heard

WRONG_WINDOW = {"from_ms": 2, "until_ms": 1}
CAPACITY = RuleBookDocument(rules=(RuleDocument(set=PolicyChanges(capacity=7)),))


def status_of(store: KioskStore) -> TicketStatus | None:
    row = store.tickets.find(TICKET_ID)
    return None if row is None else row.status


def test_a_changed_ticket_replaces_the_snapshots_row(store: KioskStore, side: SyncSide) -> None:
    change = a_ticket_change(
        status=TicketStatus.BLOCKED,
        generation=3,
        medium="nfc",
        attention=True,
        holder_name="Wanjiku",
        seat="A1",
    )
    side.changes.apply(a_page(change))
    row = store.tickets.find(TICKET_ID)
    assert row is not None
    assert (row.status, row.generation, row.medium) == (TicketStatus.BLOCKED, 3, MediumDemand.NFC)
    assert (row.attention, row.holder_name, row.seat) == (True, "Wanjiku", "A1")


def test_a_ticket_sold_after_the_snapshot_is_found(store: KioskStore, side: SyncSide) -> None:
    assert store.tickets.find(a_ticket_change().ticket_id) is not None
    new = a_ticket_change(ticket_id=2**64 - 1, holder_algorithm=None, holder_key=None)
    assert store.tickets.find(new.ticket_id) is None
    side.changes.apply(a_page(new))
    row = store.tickets.find(new.ticket_id)
    assert row is not None
    assert row.holder is None


def test_the_gate_knows_the_cursor_it_decides_with(store: KioskStore, side: SyncSide) -> None:
    known = store.knowledge()
    assert known is not None
    assert known.cursor == side.changes.cursor() == Cursor(100, 0)
    side.changes.apply(a_page(cursor=(120, 5)))
    known = store.knowledge()
    assert known is not None
    assert known.cursor == side.changes.cursor() == Cursor(120, 5)


@pytest.mark.parametrize("cursor", [(101, 0), (100, 9), (1, 0)])
def test_a_page_that_was_applied_before_changes_nothing(
    store: KioskStore, side: SyncSide, cursor: tuple[int, int]
) -> None:
    side.changes.apply(a_page(cursor=(101, 0)))
    side.changes.apply(a_page(a_ticket_change(status=TicketStatus.BLOCKED), cursor=cursor))
    assert status_of(store) is TicketStatus.VALID
    assert side.changes.cursor() == (101, 0)


def test_new_rules_hold_without_a_new_snapshot(store: KioskStore, side: SyncSide) -> None:
    side.changes.apply(a_page(RulesChanged(rules=CAPACITY)))
    known = store.knowledge()
    assert known is not None
    assert known.rule_book.policy_for(GATE, None).capacity == 7


def test_rules_that_contradict_themselves_leave_those_of_the_snapshot(
    store: KioskStore, side: SyncSide
) -> None:
    wrong = RuleBookDocument.model_construct(
        version=1,
        rules=(RuleDocument(set=PolicyChanges.model_validate({"windows": [WRONG_WINDOW]})),),
    )
    side.changes.apply(a_page(RulesChanged(rules=wrong)))
    known = store.knowledge()
    assert known is not None
    assert known.cursor == (101, 0)


def test_a_page_is_applied_whole_or_not_at_all(store: KioskStore, side: SyncSide) -> None:
    beyond_sqlite = a_passage_elsewhere(at_ms=2**70)
    page = a_page(a_ticket_change(status=TicketStatus.BLOCKED), heard(beyond_sqlite))
    with pytest.raises(ReplicaUnreadableError):
        side.changes.apply(page)
    assert status_of(store) is TicketStatus.VALID
    assert side.changes.cursor() == (100, 0)


def test_a_newer_snapshot_outweighs_older_changes(store: KioskStore, side: SyncSide) -> None:
    side.changes.apply(a_page(a_ticket_change(status=TicketStatus.BLOCKED), cursor=(150, 0)))
    unblocked = SnapshotContent(version=2, cursor=(200, 0))
    install_snapshot(side, unblocked)
    store.knowledge()
    assert status_of(store) is TicketStatus.VALID
    assert side.changes.cursor() == (200, 0)


def test_changes_after_a_snapshot_outweigh_it(store: KioskStore, side: SyncSide) -> None:
    side.changes.apply(a_page(a_ticket_change(status=TicketStatus.BLOCKED), cursor=(250, 0)))
    install_snapshot(side, SnapshotContent(version=2, cursor=(200, 0)))
    store.knowledge()
    assert status_of(store) is TicketStatus.BLOCKED
    assert side.changes.cursor() == (250, 0)


def test_a_gate_that_has_not_seen_the_new_snapshot_keeps_every_change(
    store: KioskStore, side: SyncSide
) -> None:
    side.changes.apply(a_page(a_ticket_change(status=TicketStatus.BLOCKED), cursor=(150, 0)))
    blocked = (SnapshotTicket(status=TicketStatus.BLOCKED),)
    install_snapshot(side, SnapshotContent(tickets=blocked, version=2, cursor=(200, 0)))
    assert status_of(store) is TicketStatus.BLOCKED
    store.knowledge()
    assert status_of(store) is TicketStatus.BLOCKED


def test_a_row_that_makes_no_ticket_stops_the_gate(store: KioskStore, side: SyncSide) -> None:
    side.changes.apply(a_page(a_ticket_change(core=b"short")))
    with pytest.raises(SnapshotUnreadableError):
        store.tickets.find(TICKET_ID)


def test_a_passage_heard_twice_counts_once(store: KioskStore, side: SyncSide) -> None:
    passage = heard(a_passage_elsewhere(scan_id=a_scan_id(9)))
    side.changes.apply(a_page(passage, cursor=(101, 0)))
    side.changes.apply(a_page(passage, passage, cursor=(102, 0)))
    assert len(store.passages.passages(TICKET_ID)) == 1
