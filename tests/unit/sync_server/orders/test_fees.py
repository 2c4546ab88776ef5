"""Which rule counts, how long tickets are held, and what a code takes off."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.orders.fees import FeeRuleVersion, rules_in_force
from sync_server.orders.holding import (
    AFTERWARDS,
    NUMBER_BYTES,
    PAID_WITHIN,
    Discount,
    OrderState,
    Outcome,
    discount_of,
    held_while_paying,
    on_capture,
    order_number,
    paid_until,
)
from sync_server.orders.rules import Bearer, FeeKind, FeeRule
from sync_server.payments.rules import Provider

NOW = datetime(2026, 12, 1, tzinfo=UTC)
ORGANIZER, EVENT = UUID(int=1), UUID(int=2)


def version(
    basis_points: int,
    number: int = 1,
    *,
    scope: str = "platform",
    currency: str | None = None,
    days: int = -1,
    name: str = "service_fee",
) -> FeeRuleVersion:
    return FeeRuleVersion(
        rule=FeeRule(
            UUID(int=9), number, FeeKind.PLATFORM_FEE, Bearer.BUYER, basis_points=basis_points
        ),
        name=name,
        organizer_id=None if scope == "platform" else ORGANIZER,
        event_id=EVENT if scope == "event" else None,
        currency=currency,
        valid_from=NOW + timedelta(days=days),
    )


@pytest.mark.parametrize(
    ("versions", "rates"),
    [
        ([], []),
        ([version(500)], [500]),
        ([version(500, 1), version(600, 2)], [600]),
        ([version(500, 1), version(600, 2, days=1)], [500]),
        ([version(500, 1, days=-1), version(600, 2, days=-3)], [500]),
        ([version(500), version(300, scope="organizer")], [300]),
        ([version(500), version(200, scope="event"), version(300, scope="organizer")], [200]),
        ([version(500, 9), version(300, 1, scope="organizer")], [300]),
        ([version(500), version(400, currency="UGX")], [400]),
        ([version(500), version(400, currency="KES")], [500]),
        ([version(500), version(0, scope="event")], []),
        ([version(500), version(100, name="levy")], [100, 500]),
    ],
)
def test_the_nearest_and_newest_rule_counts(
    versions: list[FeeRuleVersion], rates: list[int]
) -> None:
    for ordered in (versions, versions[::-1]):
        found = rules_in_force(ordered, "UGX", NOW)
        assert [rule.basis_points for rule in found] == rates


@pytest.mark.parametrize("provider", set(Provider) - {Provider.BANK})
def test_a_hold_outlives_its_rail(provider: Provider) -> None:
    soon = NOW + timedelta(minutes=1)
    assert paid_until(NOW, provider) == NOW + PAID_WITHIN[provider]
    assert held_while_paying(soon, NOW, provider) == paid_until(NOW, provider) + AFTERWARDS


@pytest.mark.parametrize("provider", Provider)
def test_a_hold_is_never_cut_short(provider: Provider) -> None:
    late = NOW + timedelta(days=9)
    assert held_while_paying(late, NOW, provider) == late


@pytest.mark.parametrize(
    ("begun", "until", "held"),
    [
        # Thursday, Friday, a Friday that is Saturday in East Africa, Sunday, Monday and Tuesday.
        ("2026-11-26T09:00", "2026-11-30T09:00", "2026-12-02T09:00"),
        ("2026-11-27T15:00", "2026-12-01T15:00", "2026-12-03T15:00"),
        ("2026-11-27T22:00", "2026-12-01T22:00", "2026-12-03T22:00"),
        ("2026-11-29T09:00", "2026-12-02T09:00", "2026-12-04T09:00"),
        ("2026-11-30T09:00", "2026-12-02T09:00", "2026-12-04T09:00"),
        ("2026-12-01T09:00", "2026-12-03T09:00", "2026-12-07T09:00"),
    ],
)
def test_a_bank_is_given_working_days_and_more_of_them_than_its_payer(
    begun: str, until: str, held: str
) -> None:
    """Whoever transfers on the last day, as they were told, gets their tickets."""
    now, told, end = (
        datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (begun, until, held)
    )
    assert paid_until(now, Provider.BANK) == told
    assert held_while_paying(now, now, Provider.BANK) == end + AFTERWARDS


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (OrderState.HELD, Outcome.ISSUE),
        (OrderState.EXPIRED, Outcome.RESERVE_ANEW),
        (OrderState.PAID, Outcome.GIVE_BACK),
        (OrderState.CANCELLED, Outcome.GIVE_BACK),
        (OrderState.REVERSED, Outcome.GIVE_BACK),
    ],
)
def test_what_becomes_of_money(state: OrderState, outcome: Outcome) -> None:
    assert on_capture(state) is outcome


@given(st.integers(0, 10**12), st.integers(1, 10_000), st.integers(1, 10**12))
def test_a_discount_is_never_more_than_the_price(price: int, rate: int, amount: int) -> None:
    whole = Money(price, "UGX")
    for promised in (Discount(rate, None), Discount(None, Money(amount, "UGX"))):
        assert 0 <= discount_of(promised, whole).minor_units <= price
    assert discount_of(Discount(None, Money(amount, "KES")), whole) == Money(0, "UGX")


def test_a_rate_is_rounded_half_up() -> None:
    found = [
        discount_of(Discount(50, None), Money(price, "UGX")).minor_units for price in (99, 100)
    ]
    assert found == [0, 1]


def test_numbers_are_read_out_to_one_another() -> None:
    assert order_number(bytes(NUMBER_BYTES)) == "ZG-00000-00000"
    assert order_number(b"\xff" * NUMBER_BYTES) == "ZG-ZZZZZ-ZZZZZ"
    assert order_number(bytes([0, 0, 0, 0, 0, 0, 33])) == "ZG-00000-00011"
