from datetime import UTC, datetime, timedelta

import pytest

from shared.money import Money
from sync_server.payments.statements import KnownLines, LineKind, StatementLine
from sync_server.reconciliation.lines import NewLine, new_lines

NOON = datetime(2026, 12, 10, 12, tzinfo=UTC)


def _line(
    amount: int = 5_000,
    fee: int = 0,
    reference: str | None = "ours",
    currency: str = "UGX",
    hours: int = 0,
    key: str = "collection:77",
) -> StatementLine:
    return StatementLine(
        key,
        LineKind.COLLECTION,
        reference,
        "77",
        Money(amount, currency),
        Money(fee, currency),
        NOON + timedelta(hours=hours),
    )


@pytest.mark.parametrize(
    ("second", "differs_from"),
    [
        (_line(amount=9_000), "collection:77"),
        (_line(currency="KES"), "collection:77"),
        (_line(fee=50), "collection:77"),
        (_line(reference="other"), "collection:77"),
        (_line(amount=9_000, key="collection:78"), None),
        (_line(key="collection:78"), None),
    ],
)
def test_the_same_key_with_other_content_is_kept_beside_the_first(
    second: StatementLine, differs_from: str | None
) -> None:
    first = _line()
    expected = [NewLine(first), NewLine(second, differs_from)]
    assert new_lines(KnownLines(), [first, second, second])[:2] == expected
    known = KnownLines[StatementLine]()
    assert [new_lines(known, [each]) for each in (first, second)] == [[each] for each in expected]


@pytest.mark.parametrize("second", [_line(), _line(hours=3)])
def test_the_same_line_again_is_nothing_new(second: StatementLine) -> None:
    assert new_lines(KnownLines(), [_line(), second]) == [NewLine(_line())]


def test_what_says_otherwise_has_a_key_of_its_own_content() -> None:
    said = [NewLine(_line(amount=amount), "collection:77") for amount in (9_000, 9_001, 9_000)]
    assert len({each.key for each in said}) == 2
    assert NewLine(_line()).key == "collection:77"


def test_a_notice_of_a_bank_that_says_less_contradicts_nothing() -> None:
    whole = StatementLine(
        "k",
        LineKind.COLLECTION,
        "ours",
        "RF1",
        Money(1, "UGX"),
        Money(5, "UGX"),
        NOON,
        former_key="old",
    )
    less = StatementLine(
        "k",
        LineKind.SETTLEMENT,
        None,
        None,
        Money(1, "UGX"),
        Money(0, "UGX"),
        NOON,
        former_key="older",
    )
    assert new_lines(KnownLines(), [whole, less]) == [NewLine(whole)]
