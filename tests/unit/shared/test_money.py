import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MoneyError
from shared.money import (
    CURRENCY_EXPONENTS,
    CurrencyMismatchError,
    Money,
    UnknownCurrencyError,
    allocate,
)

AMOUNTS = st.integers(-(2**63), 2**63).map(lambda units: Money(units, "UGX"))
WEIGHTS = st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any)


@given(AMOUNTS, WEIGHTS)
def test_the_parts_sum_to_the_whole(amount: Money, weights: list[int]) -> None:
    parts = allocate(amount, weights)
    assert len(parts) == len(weights)
    assert sum(part.minor_units for part in parts) == amount.minor_units
    assert {part.currency for part in parts} == {"UGX"}


@given(AMOUNTS, WEIGHTS)
def test_each_part_is_its_share_to_within_one_unit(amount: Money, weights: list[int]) -> None:
    total = sum(weights)
    for part, weight in zip(allocate(amount, weights), weights, strict=True):
        assert abs(part.minor_units * total - amount.minor_units * weight) < total


@pytest.mark.parametrize(
    ("units", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-33, -33, -34]),
        (10, [0, 1], [0, 10]),
        (1, [1, 2], [0, 1]),
        (0, [3, 4], [0, 0]),
        (5, [97, 3], [5, 0]),
    ],
)
def test_what_is_left_over_goes_to_the_largest_remainder(
    units: int, weights: list[int], parts: list[int]
) -> None:
    assert [part.minor_units for part in allocate(Money(units, "KES"), weights)] == parts


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [2, -1], [-1]])
def test_weights_that_share_nothing_out_are_refused(weights: list[int]) -> None:
    with pytest.raises(MoneyError):
        allocate(Money(100, "KES"), weights)


def test_amounts_of_one_currency_add_up() -> None:
    assert Money(5, "KES") + Money(7, "KES") == Money(12, "KES")
    assert Money(5, "KES") - Money(7, "KES") == Money(-2, "KES")
    assert -Money(5, "KES") == Money(-5, "KES")


def test_currencies_are_never_mixed() -> None:
    with pytest.raises(CurrencyMismatchError):
        Money(5, "KES") + Money(7, "UGX")
    with pytest.raises(CurrencyMismatchError):
        Money(5, "KES") - Money(7, "UGX")


@pytest.mark.parametrize("currency", ["", "kes", "ABC"])
def test_a_currency_nobody_trades_in_is_refused(currency: str) -> None:
    with pytest.raises(UnknownCurrencyError):
        Money(1, currency)


def test_minor_units_are_those_of_iso_4217() -> None:
    without = {code for code, digits in CURRENCY_EXPONENTS.items() if digits == 0}
    assert without == {"BIF", "RWF", "UGX", "XTS"}
    assert set(CURRENCY_EXPONENTS.values()) == {0, 2}
