import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.passages import StoredPassages
from scanner_app.store.sync_side import SyncSide
from shared.admission.facts import Direction, Passage
from shared.admission.reconcile import merge_passages
from shared.ids import TicketId
from tests.factories.admission import NOW_MS, a_passage, a_scan_id
from tests.factories.credentials import TICKET_ID
from tests.factories.kiosk_store import STORE_KEY, a_draft, install_snapshot, make_store
from tests.factories.snapshots import DEPLOYMENT, SnapshotContent
from tests.factories.sync_changes import a_page, a_passage_elsewhere, heard

TICKETS = [TicketId(number) for number in (1, 2, 2**63, 2**64 - 1)]


def test_passages_of_snapshot_changes_and_journal_stand_together_oldest_first(
    store: KioskStore, side: SyncSide
) -> None:
    known = a_passage_elsewhere(scan_id=a_scan_id(1), at_ms=NOW_MS - 3)
    later = a_passage_elsewhere(scan_id=a_scan_id(2), at_ms=NOW_MS - 2)
    install_snapshot(side, SnapshotContent(passages=((TICKET_ID, known),), version=2))
    side.changes.apply(a_page(heard(later)))
    store.knowledge()
    own = store.journal.append(a_draft(3))
    assert [passage.scan_id for passage in store.passages.passages(TICKET_ID)] == [
        known.scan_id,
        later.scan_id,
        own.scan_id,
    ]


def test_the_gates_own_word_wins_for_its_own_scan(store: KioskStore, side: SyncSide) -> None:
    own = store.journal.append(a_draft(3))
    echo = a_passage(scan_id=own.scan_id, at_ms=NOW_MS + 900_000, direction=Direction.EXIT)
    side.changes.apply(a_page(heard(echo)))
    (kept,) = store.passages.passages(TICKET_ID)
    assert (kept.at_ms, kept.direction) == (own.gate_time_ms, Direction.ENTRY)
    assert store.passages.inside_count() == 1


def test_people_in_the_snapshot_are_counted(store: KioskStore, side: SyncSide) -> None:
    assert store.passages.inside_count() == 0
    inside = ((ticket, a_passage_elsewhere(scan_id=a_scan_id(ticket % 97))) for ticket in TICKETS)
    install_snapshot(side, SnapshotContent(passages=tuple(inside), version=2))
    store.knowledge()
    assert store.passages.inside_count() == 4


steps = st.lists(
    st.tuples(
        st.sampled_from(["own", "elsewhere", "echo", "snapshot", "count"]),
        st.sampled_from(TICKETS),
        st.sampled_from(list(Direction)),
        st.integers(-50, 50),
    ),
    max_size=12,
)


class Story:
    """Scans here and elsewhere, told to the store and noted beside it."""

    def __init__(self, store: KioskStore, side: SyncSide) -> None:
        self.store, self.side = store, side
        self.number = 100
        self.own: dict[TicketId, list[Passage]] = {}
        self.heard: dict[TicketId, list[Passage]] = {}

    def tell(self, kind: str, ticket: TicketId, direction: Direction, offset_ms: int) -> None:
        self.number += 1
        at_ms = NOW_MS + self.number + offset_ms
        passage = a_passage(scan_id=a_scan_id(self.number), at_ms=at_ms, direction=direction)
        {
            "own": self._admit,
            "elsewhere": self._hear,
            "echo": self._hear_echo,
            "snapshot": self._change_snapshot,
            "count": self._count,
        }[kind](ticket, passage)

    def _admit(self, ticket: TicketId, passage: Passage) -> None:
        self.store.journal.append(
            a_draft(
                self.number,
                ticket_id=ticket,
                direction=passage.direction.value,
                gate_time_ms=passage.at_ms,
            )
        )
        self.own.setdefault(ticket, []).append(passage)

    def _hear(self, ticket: TicketId, passage: Passage) -> None:
        self.side.changes.apply(a_page(heard(passage, ticket), cursor=(1_000, self.number)))
        self.heard.setdefault(ticket, []).append(passage)

    def _hear_echo(self, ticket: TicketId, passage: Passage) -> None:
        for own in self.own.get(ticket, [])[-1:]:
            echo = a_passage(scan_id=own.scan_id, at_ms=passage.at_ms)
            self.side.changes.apply(a_page(heard(echo, ticket), cursor=(1_000, self.number)))

    def _change_snapshot(self, _ticket: TicketId, _passage: Passage) -> None:
        known = tuple((ticket, item) for ticket, list_ in self.heard.items() for item in list_)
        version = self.side.shelf.highest_version_seen() + 1
        content = SnapshotContent(version=version, passages=known, cursor=(1_000, self.number))
        install_snapshot(self.side, content)
        self.store.knowledge()

    def _count(self, _ticket: TicketId, _passage: Passage) -> None:
        self.store.passages.inside_count()


@settings(max_examples=40)
@given(story=steps)
def test_any_interleaving_gives_the_merge_and_never_loses_an_own_admission(
    tmp_path_factory: pytest.TempPathFactory,
    story: list[tuple[str, TicketId, Direction, int]],
) -> None:
    directory = tmp_path_factory.mktemp("store")
    make_store(directory)
    store = KioskStore.open(directory, STORE_KEY)
    side = store.sync_side()
    told = Story(store, side)
    for step in story:
        told.tell(*step)
    for ticket in TICKETS:
        expected = merge_passages(told.own.get(ticket, []), told.heard.get(ticket, []))
        assert store.passages.passages(ticket) == expected
    counted_anew = StoredPassages(store._databases.journal, store._databases.replica)
    counted_anew.look_at(store._snapshot, DEPLOYMENT)
    assert store.passages.inside_count() == counted_anew.inside_count()
    assert store.verify().seq == sum(len(own) for own in told.own.values())
    side.close()
    store.close()
