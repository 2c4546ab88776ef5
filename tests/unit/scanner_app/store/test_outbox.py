from uuid import UUID

import pytest

from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.wire.scans import EntryAnswer, EntryResult, Finding
from tests.factories.kiosk_store import a_draft

SCANS = 7


@pytest.fixture(autouse=True)
def _scans(store: KioskStore) -> None:
    for number in range(1, SCANS + 1):
        store.journal.append(a_draft(number))


def answers(*numbers: int, result: EntryResult = EntryResult.ACCEPTED) -> tuple[EntryAnswer, ...]:
    return tuple(EntryAnswer(seq=number, result=result) for number in numbers)


def waiting_numbers(side: SyncSide, limit: int = 100) -> list[int]:
    return [item.entry.seq for item in side.outbox.unacknowledged(limit)]


@pytest.mark.parametrize(
    ("answered", "expected"),
    [
        ((), [1, 2, 3, 4, 5, 6, 7]),
        ((1, 2, 3), [4, 5, 6, 7]),
        ((3, 5), [1, 2, 4, 6, 7]),
        ((2, 1, 4), [3, 5, 6, 7]),
        ((1, 2, 3, 4, 5, 6, 7), []),
    ],
)
def test_what_has_no_answer_waits(
    side: SyncSide, answered: tuple[int, ...], expected: list[int]
) -> None:
    side.outbox.record_answers(answers(*answered), ())
    assert waiting_numbers(side) == expected
    assert side.outbox.waiting() == len(expected)
    assert waiting_numbers(side, limit=2) == expected[:2]
    assert side.outbox.head_seq() == SCANS


@pytest.mark.parametrize("result", list(EntryResult))
def test_every_kind_of_answer_ends_the_wait(side: SyncSide, result: EntryResult) -> None:
    side.outbox.record_answers(answers(1, result=result), ())
    side.outbox.record_answers(answers(1, result=EntryResult.DUPLICATE), ())
    assert side.outbox.waiting() == SCANS - 1


def test_answers_in_pieces_close_their_gaps(side: SyncSide) -> None:
    side.outbox.record_answers(answers(4, 5), ())
    side.outbox.record_answers(answers(1, 2), ())
    side.outbox.record_answers(answers(3), ())
    assert waiting_numbers(side) == [6, 7]


def test_the_same_conflict_counts_once(side: SyncSide) -> None:
    finding = Finding(kind="same_ticket_twice", scan_ids=(UUID(int=1), UUID(int=2)))
    turned = Finding(kind="same_ticket_twice", scan_ids=(UUID(int=2), UUID(int=1)))
    side.outbox.record_answers((), (finding, turned))
    assert side.outbox.conflict_count() == 1


def test_without_an_enrolment_nothing_waits(side: SyncSide) -> None:
    side.enrolment.forget_enrolment()
    side.outbox.record_answers(answers(1), ())
    assert side.outbox.unacknowledged(10) == side.outbox.entries_between(1, 10) == ()
    assert side.outbox.head_seq() == side.outbox.waiting() == 0
