from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.orders.rules import (
    Bearer,
    FeeKind,
    FeeRule,
    PricedTicket,
    Quote,
    QuoteFault,
    quote,
)

_TYPE = UUID(int=1)
_RULE = UUID(int=2)
K, B = FeeKind, Bearer


def ugx(amount: int) -> Money:
    return Money(amount, "UGX")


def tickets(*prices: int) -> list[PricedTicket]:
    return [PricedTicket(_TYPE, ugx(price)) for price in prices]


def rule(
    kind: FeeKind, bearer: Bearer, basis_points: int, fixed: int = 0, cap: int | None = None
) -> FeeRule:
    return FeeRule(_RULE, 1, kind, bearer, basis_points, fixed, cap)


_FEE = rule(K.PLATFORM_FEE, B.ORGANIZER, 500)
_TAX = rule(K.TAX_ON_FEES, B.ORGANIZER, 1_800)


def quoted(prices: list[int], rules: list[FeeRule], discount: int = 0) -> Quote:
    made = quote(tickets(*prices), ugx(discount), rules)
    assert isinstance(made, Quote)
    return made


_RULES = st.lists(
    st.builds(
        FeeRule,
        id=st.uuids(),
        version=st.integers(1, 9),
        kind=st.sampled_from(FeeKind),
        bearer=st.sampled_from(Bearer),
        basis_points=st.integers(0, 3_000),
        fixed_minor_units=st.integers(0, 2_000),
        cap_minor_units=st.none() | st.integers(0, 5_000),
    ),
    max_size=6,
)


@pytest.mark.parametrize(
    ("prices", "rules", "total", "organizer", "fee", "tax"),
    [
        ([100_000], [_FEE, _TAX], 100_000, 94_100, 5_000, 900),
        ([100_000], [_TAX, _FEE], 100_000, 94_100, 5_000, 900),
        ([100_000], [rule(K.PLATFORM_FEE, B.BUYER, 500)], 105_000, 100_000, 5_000, 0),
        ([100_000], [rule(K.PLATFORM_FEE, B.BUYER, 500, 300)], 105_300, 100_000, 5_300, 0),
        ([100_000] * 3, [rule(K.PLATFORM_FEE, B.BUYER, 500, 0, 9_000)], 309_000, 300_000, 9_000, 0),
        ([0, 0], [rule(K.PLATFORM_FEE, B.BUYER, 500, 300)], 0, 0, 0, 0),
        ([0, 10_000], [rule(K.PLATFORM_FEE, B.BUYER, 0, 300)], 10_300, 10_000, 300, 0),
        ([10], [rule(K.PLATFORM_FEE, B.ORGANIZER, 500)], 10, 9, 1, 0),
        ([9], [rule(K.PLATFORM_FEE, B.ORGANIZER, 500)], 9, 9, 0, 0),
        ([100_000], [], 100_000, 100_000, 0, 0),
    ],
)
def test_what_an_order_costs(
    prices: list[int], rules: list[FeeRule], total: int, organizer: int, fee: int, tax: int
) -> None:
    made = quoted(prices, rules)
    assert (made.total, made.organizer) == (ugx(total), ugx(organizer))
    assert (made.sum_of(K.PLATFORM_FEE), made.sum_of(K.TAX_ON_FEES)) == (ugx(fee), ugx(tax))


def test_a_tax_inside_the_price_is_eighteen_of_a_hundred_and_eighteen() -> None:
    made = quoted([100_000], [rule(K.TAX_ON_TICKETS, B.ORGANIZER, 1_800)])
    assert (made.total, made.organizer) == (ugx(100_000), ugx(84_746))
    assert made.sum_of(K.TAX_ON_TICKETS) == ugx(15_254)


def test_a_tax_on_top_is_eighteen_of_a_hundred() -> None:
    made = quoted([100_000], [rule(K.TAX_ON_TICKETS, B.BUYER, 1_800)])
    assert (made.total, made.organizer) == (ugx(118_000), ugx(100_000))


def test_a_discount_lowers_what_fees_are_asked_of() -> None:
    made = quoted([60_000, 40_000], [_FEE], discount=10_000)
    assert (made.price, made.total) == (ugx(90_000), ugx(90_000))
    assert [ticket.price.minor_units for ticket in made.tickets] == [54_000, 36_000]
    assert made.sum_of(K.PLATFORM_FEE) == ugx(4_500)


def test_two_charges_that_are_all_of_a_tiny_price_take_no_more_of_a_ticket_than_it_costs() -> None:
    within = [rule(kind, B.ORGANIZER, 0, 1, 1) for kind in (K.PLATFORM_FEE, K.TAX_ON_TICKETS)]
    made = quoted([1, 1], within)
    assert [ticket.organizer for ticket in made.tickets] == [ugx(0), ugx(0)]
    assert [ticket.total for ticket in made.tickets] == [ugx(1), ugx(1)]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), _RULES)
def test_no_ticket_leaves_its_organizer_less_than_nothing(
    prices: list[int], rules: list[FeeRule]
) -> None:
    tiny = [replace(each, fixed_minor_units=1, bearer=B.ORGANIZER) for each in rules]
    made = quote(tickets(*prices), ugx(0), tiny)
    shares = made.tickets if isinstance(made, Quote) else ()
    assert all(ticket.organizer.minor_units >= 0 for ticket in shares)
    assert made is QuoteFault.FEES_EXCEED_PRICE or len(shares) == len(prices)


def test_a_quote_says_which_version_of_which_rule_made_what() -> None:
    made = quoted([100_000], [FeeRule(_RULE, 7, K.PLATFORM_FEE, B.BUYER, 100)])
    (charge,) = made.charges
    assert (charge.rule_id, charge.version, charge.amount) == (_RULE, 7, ugx(1_000))


@pytest.mark.parametrize(
    ("ordered", "discount", "rules", "fault"),
    [
        ([], ugx(0), [], QuoteFault.EMPTY),
        (tickets(*[1] * 101), ugx(0), [], QuoteFault.TOO_MANY_TICKETS),
        (tickets(1), Money(0, "KES"), [], QuoteFault.CURRENCIES_MIXED),
        (tickets(5), ugx(6), [], QuoteFault.DISCOUNT_TOO_LARGE),
        (tickets(5), ugx(-1), [], QuoteFault.DISCOUNT_TOO_LARGE),
        (
            tickets(5),
            ugx(0),
            [rule(K.PLATFORM_FEE, B.ORGANIZER, 0, 6)],
            QuoteFault.FEES_EXCEED_PRICE,
        ),
    ],
)
def test_why_there_is_no_quote(
    ordered: list[PricedTicket], discount: Money, rules: list[FeeRule], fault: QuoteFault
) -> None:
    assert quote(ordered, discount, rules) is fault


@given(st.lists(st.integers(0, 500_000), min_size=1, max_size=12), _RULES, st.integers(0, 100))
def test_the_parts_always_sum_to_the_whole(
    prices: list[int], rules: list[FeeRule], percent_off: int
) -> None:
    discount = sum(prices) * percent_off // 100
    made = quote(tickets(*prices), ugx(discount), rules)
    quotes = [made] if isinstance(made, Quote) else []
    for item in quotes:
        on_top = [charge.amount for charge in item.charges if charge.bearer is B.BUYER]
        within = [charge.amount for charge in item.charges if charge.bearer is B.ORGANIZER]
        assert item.price == ugx(sum(prices) - discount)
        assert item.total == sum(on_top, item.price)
        assert item.organizer + sum(within, ugx(0)) == item.price
        assert all(ticket.organizer.minor_units >= 0 for ticket in item.tickets)
        for kind in FeeKind:
            shared = (getattr(ticket, kind) for ticket in item.tickets)
            assert sum(shared, ugx(0)) == item.sum_of(kind)
    assert made in {*QuoteFault, *quotes}
