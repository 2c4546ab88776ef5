from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.money import Money
from sync_server.payments.books import MovementSort
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.matching import Movement, fees_not_booked, statement_agrees
from sync_server.reconciliation.rules import ItemFinding, Severity

WHO = UUID(int=7)
NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)
K, F = LineKind, ItemFinding
BEFORE = StatementLine(
    "old", K.SETTLEMENT, None, None, Money(1, "UGX"), Money(0, "UGX"), NOON - timedelta(days=5)
)
AFTER = StatementLine(
    "new", K.SETTLEMENT, None, None, Money(1, "UGX"), Money(0, "UGX"), NOON + timedelta(days=5)
)


def _line(
    reference: str | None = "ours",
    theirs: str | None = "T1",
    amount: int = 100,
    currency: str = "UGX",
    kind: LineKind = K.COLLECTION,
    key: str = "1",
    fee: int = 0,
) -> StatementLine:
    return StatementLine(
        key, kind, reference, theirs, Money(amount, currency), Money(fee, currency), NOON
    )


def _movement(
    names: tuple[str, ...] = ("ours", "T1"),
    kind: LineKind = K.COLLECTION,
    moved_at: datetime = NOON,
    *,
    is_done: bool = True,
    fee: int = 0,
) -> Movement:
    return Movement(
        organizer_id=WHO,
        id=UUID(int=9),
        sort=MovementSort.PAYMENT if kind is K.COLLECTION else MovementSort.PAYOUT,
        kind=kind,
        names=frozenset(names),
        amount=Money(100, "UGX"),
        is_done=is_done,
        moved_at=moved_at,
        fee=fee,
    )


@pytest.mark.parametrize(
    ("lines", "movements", "findings"),
    [
        ([_line()], [_movement()], []),
        ([_line(reference=None)], [_movement()], []),
        ([_line(theirs=None, reference="OURS")], [_movement()], []),
        ([_line(theirs="other")], [_movement()], []),
        ([_line()], [], [F.ONLY_AT_PROVIDER]),
        ([_line(theirs=None, reference=None)], [], [F.ONLY_AT_PROVIDER]),
        ([_line()], [_movement(), _movement(("more",))], [F.MISSING_AT_PROVIDER]),
        ([_line()], [_movement(), _movement(("more",), is_done=False)], []),
        ([_line()], [_movement(is_done=False)], [F.STATE_DIFFERS]),
        ([_line(amount=99)], [_movement()], [F.AMOUNT_DIFFERS]),
        ([_line(currency="KES")], [_movement()], [F.CURRENCY_DIFFERS]),
        ([_line(), _line(key="2")], [_movement()], [F.TWICE_AT_PROVIDER]),
        ([_line(kind=K.FEE)], [], []),
        # Of disbursements this statement has none at all: it is another account's.
        ([_line()], [_movement(), _movement(("PO1",), K.DISBURSEMENT)], []),
        (
            [_line(kind=K.DISBURSEMENT)],
            [_movement(kind=K.DISBURSEMENT), _movement(("PO1",), K.DISBURSEMENT)],
            [F.MISSING_AT_PROVIDER],
        ),
        # What was booked at once is what the statement says, or less, or more than it.
        ([_line(kind=K.DISBURSEMENT, fee=9)], [_movement(kind=K.DISBURSEMENT, fee=9)], []),
        ([_line(kind=K.DISBURSEMENT, fee=9)], [_movement(kind=K.DISBURSEMENT, fee=4)], []),
        ([_line(kind=K.DISBURSEMENT)], [_movement(kind=K.DISBURSEMENT, fee=4)], []),
        (
            [_line(kind=K.DISBURSEMENT, fee=4)],
            [_movement(kind=K.DISBURSEMENT, fee=9)],
            [F.FEE_DIFFERS],
        ),
        # A payment and its refund have the same name at some providers.
        ([_line(kind=K.REFUND)], [_movement()], [F.ONLY_AT_PROVIDER]),
    ],
)
def test_lines_and_movements(
    lines: list[StatementLine], movements: list[Movement], findings: list[ItemFinding]
) -> None:
    found = statement_agrees("mtn", [BEFORE, *lines, AFTER], movements)
    assert [item.finding for item in found] == findings
    assert {item.severity for item in found} <= {Severity.DRIFT}


@pytest.mark.parametrize(
    ("days", "missed"),
    [(-5, False), (-4.5, False), (-3, True), (3, True), (4.5, False), (6, False)],
)
def test_near_the_ends_of_a_statement_nothing_is_missed_yet(days: float, missed: bool) -> None:
    movement = _movement(("more",), moved_at=NOON + timedelta(days=days))
    found = statement_agrees("mtn", [BEFORE, _line(), AFTER], [_movement(), movement])
    assert bool(found) is missed


def test_without_a_statement_nothing_is_missed() -> None:
    assert statement_agrees("mtn", [], [_movement()]) == []


@pytest.mark.parametrize(
    ("kept", "booked", "differs"),
    [
        ({}, {}, []),
        ({"UGX": 5}, {"UGX": 5}, []),
        ({"UGX": 0}, {}, []),
        ({"UGX": 5}, {}, [(5, 0)]),
        ({"UGX": 5, "KES": 2}, {"UGX": 4, "KES": 2}, [(5, 4)]),
    ],
)
def test_fees(kept: dict[str, int], booked: dict[str, int], differs: list[tuple[int, int]]) -> None:
    found = fees_not_booked("mtn", kept, booked)
    assert [(item.expected, item.found) for item in found] == differs
    assert {item.severity for item in found} <= {Severity.NOTE}
