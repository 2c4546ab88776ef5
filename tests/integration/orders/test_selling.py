"""Offers, quotes, holds, limits and codes, at the services."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.catalog.errors import EventNotFoundError
from sync_server.kit.idempotency import IdempotencyKeyReusedError
from sync_server.kit.instants import instant
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.orders import offers, service
from sync_server.orders.errors import (
    BuyerLimitError,
    NotOnSaleError,
    OfferConflictError,
    OfferNotFoundError,
    OrderTokenInvalidError,
    PriceChangedError,
    PromoCodeExistsError,
    PromoCodeInvalidError,
    SoldOutError,
)
from sync_server.orders.holding import OrderState
from sync_server.orders.rules import Bearer, FeeKind
from sync_server.orders.schemas import (
    BuyerGiven,
    NewCashOrder,
    NewFeeRule,
    NewQuote,
    WantedTickets,
)
from sync_server.orders.service import OrderCall
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    a_request,
    add_fees,
    add_promo_code,
    an_order,
    expire,
    place,
    put_on_sale,
    taken,
    tickets_by_status,
)
from tests.factories.tenants import Tenant, founder_caller, make_event

MINUTE_MS = 60_000


async def test_tickets_are_held_and_let_go(
    services: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    placed = await place(services, tenant, event_id, an_order(type_id, 3))
    assert (placed.state, placed.total, len(placed.tickets)) == (OrderState.HELD, 3 * PRICE, 3)
    assert await taken(services, event_id) == 3
    clock.advance(14 * MINUTE_MS)
    await expire(services)
    assert await taken(services, event_id) == 3
    clock.advance(2 * MINUTE_MS)
    await expire(services)
    await expire(services)
    assert await taken(services, event_id) == 0
    own = await service.read_own_order(OrderCall(services, placed.token))
    assert (own.state, own.ways_to_pay) == (OrderState.EXPIRED, [])


async def test_a_buyer_may_give_up_once(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    placed = await place(services, tenant, event_id, an_order(type_id, 2))
    caller = OrderCall(services, placed.token)
    states = [(await service.cancel_own_order(caller)).state for _ in range(2)]
    assert (states, await taken(services, event_id)) == ([OrderState.CANCELLED] * 2, 0)


async def test_what_costs_nothing_is_there_at_once(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id, price=0)
    placed = await place(services, tenant, event_id, an_order(type_id, 2))
    assert placed.state is OrderState.PAID
    assert all("/wallet#zgw_" in (line.wallet_link or "") for line in placed.tickets)
    assert await tickets_by_status(services, event_id) == {"valid": 2}
    assert await balances(services, tenant) == {}


async def test_a_box_office_keeps_the_cash_and_owes_the_fees(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    await add_fees(services, tenant)
    wanted = NewCashOrder(tickets=[WantedTickets(ticket_type_id=type_id, count=2)])
    request = a_request(services)
    async with services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        placed = [
            await service.place_cash_order(caller, request, event_id, wanted) for _ in range(2)
        ]
    assert placed[0] == placed[1]
    assert await tickets_by_status(services, event_id) == {"valid": 2}
    assert await balances(services, tenant) == {
        "box_office_cash": 0,
        "organizer_receivable": 5_900,
        f"organizer_pending:{event_id}": 0,
        "platform_fee": -5_000,
        "tax_on_fees": -900,
    }


async def test_an_order_keeps_the_rules_it_was_quoted(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    await add_fees(services, tenant)
    before = await place(services, tenant, event_id, an_order(type_id))
    raised = NewFeeRule(
        name="service_fee",
        organizer_id=tenant.organizer_id,
        kind=FeeKind.PLATFORM_FEE,
        bearer=Bearer.BUYER,
        basis_points=1_000,
    )
    await offers.add_fee_rule(services, tenant.founder.user_id, raised)
    after = await place(services, tenant, event_id, an_order(type_id))
    assert [(charge.version, charge.amount) for charge in before.charges] == [
        (1, 2_500),
        (1, 450),
    ]
    assert [(charge.version, charge.amount) for charge in after.charges] == [(2, 5_000), (1, 900)]
    assert (before.total, after.total) == (PRICE, PRICE + 5_000)


async def test_the_rule_of_an_event_goes_before_its_organizers(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    other_event = await make_event(services, tenant, "Night Two")
    type_id = await put_on_sale(services, tenant, event_id)
    other_type = await put_on_sale(services, tenant, other_event)
    await add_fees(services, tenant)
    none = NewFeeRule(
        name="service_fee",
        organizer_id=tenant.organizer_id,
        event_id=event_id,
        kind=FeeKind.PLATFORM_FEE,
        bearer=Bearer.ORGANIZER,
    )
    await offers.add_fee_rule(services, tenant.founder.user_id, none)
    kinds = []
    for event, each in ((event_id, type_id), (other_event, other_type)):
        wanted = NewQuote(tickets=[WantedTickets(ticket_type_id=each, count=1)])
        quoted = await service.quote(services, (tenant.organizer_id, event), wanted)
        kinds.append({charge.kind: charge.amount for charge in quoted.charges})
    assert kinds == [
        {FeeKind.TAX_ON_FEES: 0},
        {FeeKind.PLATFORM_FEE: 2_500, FeeKind.TAX_ON_FEES: 450},
    ]


async def test_a_code_is_used_as_often_as_it_may_be(
    services: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    await add_promo_code(services, tenant, event_id)
    placed = await place(services, tenant, event_id, an_order(type_id, 2, promo_code="EARLY-2026"))
    assert (placed.discount, placed.total) == (PRICE // 5, 2 * PRICE - PRICE // 5)
    again = an_order(type_id, promo_code="Early-2026")
    with pytest.raises(PromoCodeInvalidError):
        await place(services, tenant, event_id, again)
    clock.advance(16 * MINUTE_MS)
    await expire(services)
    assert (await place(services, tenant, event_id, again)).discount == PRICE // 10


async def test_a_code_that_takes_off_all_makes_a_free_order(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    await add_promo_code(
        services, tenant, event_id, basis_points=None, currency="UGX", fixed_minor_units=PRICE * 2
    )
    placed = await place(services, tenant, event_id, an_order(type_id, promo_code="early-2026"))
    assert (placed.total, placed.state) == (0, OrderState.PAID)


async def test_codes_that_count_for_nothing(
    services: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    made = await add_promo_code(services, tenant, event_id)
    await add_promo_code(
        services,
        tenant,
        event_id,
        code="OVER",
        valid_until=instant(clock.now_ms()) - timedelta(days=1),
    )
    with pytest.raises(PromoCodeExistsError):
        await add_promo_code(services, tenant, event_id)
    async with services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        await offers.withdraw_promo_code(caller, services, event_id, made.id)
    for code in ("EARLY-2026", "OVER", "UNKNOWN"):
        with pytest.raises(PromoCodeInvalidError):
            await place(services, tenant, event_id, an_order(type_id, promo_code=code))


async def test_the_same_key_makes_one_order(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    wanted, key = an_order(type_id), "0123456789abcdef"
    first, second = [await place(services, tenant, event_id, wanted, key) for _ in range(2)]
    assert first == second
    assert await taken(services, event_id) == 1
    other = a_request(services, key, "another body")
    with pytest.raises(IdempotencyKeyReusedError):
        await service.place_order(other, (tenant.organizer_id, event_id), wanted, None)
    stranger = an_order(type_id)
    assert (await place(services, tenant, event_id, stranger, key)).id != first.id


@pytest.mark.parametrize(
    ("terms", "count", "refusal"),
    [
        ({"quantity": 2}, 3, SoldOutError),
        ({"quantity": 0}, 1, SoldOutError),
        ({"per_buyer_max": 2}, 3, BuyerLimitError),
        ({"sales_from": "2100-01-01T00:00:00Z"}, 1, NotOnSaleError),
        ({"sales_until": "2020-01-01T00:00:00Z"}, 1, NotOnSaleError),
    ],
)
async def test_what_is_refused_holds_nothing(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    terms: dict[str, Any],
    count: int,
    refusal: type[ProblemError],
) -> None:
    type_id = await put_on_sale(services, tenant, event_id, **terms)
    with pytest.raises(refusal):
        await place(services, tenant, event_id, an_order(type_id, count))
    assert await taken(services, event_id) == 0


async def test_one_buyer_cannot_come_back_for_more(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id, per_buyer_max=2)
    buyer = BuyerGiven(address="Moses@example.org")
    await place(services, tenant, event_id, an_order(type_id, 2, buyer=buyer))
    again = BuyerGiven(address="moses@EXAMPLE.org", name="Somebody else")
    with pytest.raises(BuyerLimitError):
        await place(services, tenant, event_id, an_order(type_id, buyer=again))


async def test_whoever_was_quoted_another_price_is_told(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    with pytest.raises(PriceChangedError):
        await place(services, tenant, event_id, an_order(type_id, total=PRICE - 1))
    placed = await place(services, tenant, event_id, an_order(type_id, total=PRICE))
    assert placed.total == PRICE


async def test_what_is_not_on_sale_is_not_found(
    services: Services, tenant: Tenant, other_tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    with pytest.raises(OfferNotFoundError):
        await place(services, tenant, event_id, an_order(services.new_id()))
    with pytest.raises(EventNotFoundError):
        await place(services, other_tenant, event_id, an_order(type_id))
    with pytest.raises(OrderTokenInvalidError):
        await service.read_own_order(OrderCall(services, "zgo_" + "A" * 43))


async def test_nothing_is_sold_of_an_event_that_was_cancelled(
    services: Services, administrator: AsyncConnection, tenant: Tenant, event_id: EventId
) -> None:
    cancelled = text("UPDATE events SET status = 'cancelled' WHERE id = :id")
    await administrator.execute(cancelled, {"id": event_id})
    with pytest.raises(NotOnSaleError):
        await place(services, tenant, event_id, an_order(services.new_id()))
    type_id = await put_on_sale(services, tenant, event_id)
    with pytest.raises(NotOnSaleError):
        await place(services, tenant, event_id, an_order(type_id))


async def test_nothing_is_found_where_nothing_was_put_on_sale(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    with pytest.raises(OfferNotFoundError):
        await place(services, tenant, event_id, an_order(services.new_id()))


async def test_no_fewer_are_on_sale_than_are_taken(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    await place(services, tenant, event_id, an_order(type_id, 4))
    with pytest.raises(OfferConflictError):
        await put_on_sale(services, tenant, event_id, quantity=3)
    await put_on_sale(services, tenant, event_id, quantity=4, price=PRICE * 2)
    with pytest.raises(SoldOutError):
        await place(services, tenant, event_id, an_order(type_id))
