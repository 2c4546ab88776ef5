from datetime import UTC, datetime, timedelta

import pytest

from shared.money import Money
from sync_server.ledger.books import PostedAmount
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation.rules import ItemFinding, Severity
from sync_server.reconciliation.settlements import settlements_agree, settlements_arrived
from sync_server.reconciliation.transfers import settled_by

NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)
K, F = LineKind, ItemFinding
D, N = Severity.DRIFT, Severity.NOTE


def _line(
    reference: str | None = "S1",
    amount: int = 96_500,
    currency: str = "UGX",
    *,
    kind: LineKind = K.SETTLEMENT,
    days: float = 0,
    key: str = "settlement:S1",
) -> StatementLine:
    money, nothing = Money(amount, currency), Money(0, currency)
    return StatementLine(key, kind, None, reference, money, nothing, NOON + timedelta(days=days))


def _posted(key: str = "settlement:pesapal:S1", days: float = 0) -> PostedAmount:
    return PostedAmount(key, Money(96_500, "UGX"), NOON + timedelta(days=days))


EDGES = [_line(None, kind=K.OTHER, days=days, key=f"edge {days}") for days in (-20, 20)]
OTHER = _line("S0", days=-9, key="settlement:S0")
OTHER_POSTED = _posted("settlement:pesapal:S0", days=-9)


@pytest.mark.parametrize(
    ("lines", "posted", "found"),
    [
        ([_line()], [_posted()], []),
        ([_line("s1")], [_posted()], []),
        # Whenever an operator says that it came, it is the same.
        ([_line()], [_posted(days=12)], []),
        # What was booked anew, after a posting that was taken back.
        ([_line()], [_posted("settlement:pesapal:S1:2")], []),
        ([_line(amount=9)], [_posted("settlement:pesapal:S1:2")], [(F.AMOUNT_DIFFERS, D)]),
        ([OTHER], [OTHER_POSTED, _posted("settlement:pesapal:S1:2")], [(F.MISSING_AT_PROVIDER, D)]),
        ([OTHER], [OTHER_POSTED, _posted("settlement:pesapal:OLD:2")], []),
        ([_line()], [], [(F.MISSING_IN_BOOKS, N)]),
        ([_line()], [_posted("settlement:mtn:S1")], [(F.MISSING_IN_BOOKS, N)]),
        ([_line(amount=96_499)], [_posted()], [(F.AMOUNT_DIFFERS, D)]),
        ([_line(currency="KES")], [_posted()], [(F.CURRENCY_DIFFERS, D)]),
        ([_line(), _line()], [_posted()], [(F.TWICE_AT_PROVIDER, D)]),
        ([OTHER], [OTHER_POSTED, _posted()], [(F.MISSING_AT_PROVIDER, D)]),
        ([OTHER], [OTHER_POSTED, _posted("settlement:mtn:S1")], []),
        # The next statement may name it.
        ([OTHER], [OTHER_POSTED, _posted(days=19.5)], []),
        ([OTHER], [OTHER_POSTED, _posted(days=-19.5)], []),
        # One of long ago had named it.
        ([OTHER], [OTHER_POSTED, _posted("settlement:pesapal:OLD")], []),
        # Of settlements this statement has none at all.
        ([_line(kind=K.COLLECTION)], [_posted()], []),
        ([], [_posted()], []),
    ],
)
def test_settlements_of_a_statement_and_those_of_the_books(
    lines: list[StatementLine],
    posted: list[PostedAmount],
    found: list[tuple[ItemFinding, Severity]],
) -> None:
    items = settlements_agree("pesapal", [*EDGES, *lines], posted, ["old"])
    assert [(item.finding, item.severity) for item in items] == found


def test_both_sides_of_a_difference_are_told() -> None:
    (item,) = settlements_agree("pesapal", [_line(amount=9)], [_posted()], [])
    assert (item.subject, item.expected, item.found) == ("settlement:pesapal:S1", 9, 96_500)


@pytest.mark.parametrize(
    ("lines", "posted", "missed"),
    [
        ([_line("SB1")], [_posted()], 0),
        ([_line("SB1", days=7)], [_posted()], 0),
        ([_line("SB1", days=-7)], [_posted()], 0),
        ([_line("SB1", days=7.1)], [_posted()], 1),
        ([_line("SB1", days=-7.1)], [_posted()], 1),
        ([_line("SB1", amount=96_499)], [_posted()], 1),
        ([_line("SB1", currency="KES")], [_posted()], 1),
        # What left our account, or a buyer paid, has not been settled.
        ([_line("SB1", kind=K.OTHER)], [_posted()], 1),
        ([_line("SB1", kind=K.COLLECTION)], [_posted()], 1),
        # A credit is of one settlement.
        ([_line("SB1")], [_posted(), _posted("settlement:mtn:S2")], 1),
        ([_line("SB1"), _line("SB2")], [_posted(), _posted("settlement:mtn:S2")], 0),
        # It may be on its way, or have come before there were statements.
        ([], [_posted(days=13.1)], 0),
        ([], [_posted(days=-13.1)], 0),
        ([], [_posted(days=12.9)], 1),
    ],
)
def test_settlements_arrive_at_our_bank(
    lines: list[StatementLine], posted: list[PostedAmount], missed: int
) -> None:
    items = settlements_arrived(posted, [*EDGES, *lines])
    assert [(item.finding, item.severity) for item in items] == [
        (F.MISSING_AT_PROVIDER, N)
    ] * missed
    assert {item.subject.split(":")[0] for item in items} <= {"bank credit of settlement"}


def test_without_a_bank_s_statement_no_arrival_is_missed() -> None:
    assert settlements_arrived([_posted()], []) == []


@pytest.mark.parametrize(
    ("provider", "line", "is_one"),
    [
        (Provider.PESAPAL, _line(), True),
        (Provider.BANK, _line(), False),
        (Provider.PESAPAL, _line(kind=K.COLLECTION), False),
        (Provider.PESAPAL, _line(None), False),
        (Provider.PESAPAL, _line("S 1"), False),
        (Provider.PESAPAL, _line(amount=0), False),
    ],
)
def test_what_a_statement_lets_be_booked(
    provider: Provider, line: StatementLine, is_one: bool
) -> None:
    assert (settled_by(provider, line) is not None) is is_one
