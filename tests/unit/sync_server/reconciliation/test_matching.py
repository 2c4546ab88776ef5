from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from shared.money import Money
from sync_server.ledger.books import PostedAmount
from sync_server.payments.books import MovementSort
from sync_server.payments.statements import Direction, LineKind, StatementLine
from sync_server.reconciliation.matching import Movement, fees_not_booked, statement_agrees
from sync_server.reconciliation.rules import ItemFinding, Severity

WHO = UUID(int=7)
NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)
K, F, S = LineKind, ItemFinding, Severity
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
    direction: Direction | None = None,
) -> StatementLine:
    money, kept = Money(amount, currency), Money(fee, currency)
    return StatementLine(key, kind, reference, theirs, money, kept, NOON, direction)


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
    ("line", "movements", "severities"),
    [
        # What nobody knows is said, and what it took from us is a drift.
        (_line(kind=K.OTHER), [], [S.NOTE]),
        (_line(kind=K.OTHER, direction=Direction.CREDIT), [], [S.NOTE]),
        (_line(kind=K.OTHER, amount=0, direction=Direction.DEBIT), [], []),
        (_line(kind=K.OTHER, direction=Direction.DEBIT), [], [S.DRIFT]),
        (_line(kind=K.OTHER, direction=Direction.DEBIT), [_movement()], [S.DRIFT]),
        (_line(kind=K.OTHER, direction=Direction.CREDIT), [_movement(kind=K.DISBURSEMENT)], []),
        (_line(kind=K.OTHER, direction=Direction.DEBIT), [_movement(kind=K.REVERSAL)], []),
        (
            _line(kind=K.OTHER, direction=Direction.DEBIT),
            [_movement(kind=K.REVERSAL, is_done=False)],
            [S.DRIFT],
        ),
        # A payment that we hold was taken back, one that we do not, and nobody's.
        (_line(kind=K.REVERSAL), [_movement(), _movement(kind=K.REVERSAL)], []),
        (_line(kind=K.REVERSAL), [_movement(kind=K.REVERSAL, is_done=False)], [S.DRIFT]),
        (_line(kind=K.REVERSAL, amount=99), [_movement(kind=K.REVERSAL)], [S.DRIFT]),
        (_line(kind=K.REVERSAL), [], [S.DRIFT]),
        # A payout was reversed, and came back.
        (_line(kind=K.REVERSAL), [_movement(kind=K.DISBURSEMENT, is_done=False)], []),
        (_line(kind=K.REVERSAL), [_movement(kind=K.REVERSAL), _movement(("P9",), K.REVERSAL)], []),
    ],
)
def test_what_is_of_no_kind_and_what_was_taken_back(
    line: StatementLine, movements: list[Movement], severities: list[Severity]
) -> None:
    found = statement_agrees("mtn", [BEFORE, line, AFTER], movements)
    assert [item.severity for item in found] == severities


@pytest.mark.parametrize(
    ("days", "amount", "unexplained"), [(0, 100, 1), (7, 100, 1), (8, 100, 2), (0, 99, 2)]
)
def test_a_transfer_between_our_accounts_explains_one_line(
    days: int, amount: int, unexplained: int
) -> None:
    posted = PostedAmount("float_top_up:mtn:A", Money(amount, "UGX"), NOON + timedelta(days=days))
    lines = [_line(None, key, kind=K.OTHER, key=key, direction=Direction.DEBIT) for key in "ab"]
    found = statement_agrees("bank", lines, [], [posted])
    assert [item.severity for item in found] == [S.DRIFT] * unexplained


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
