"""Hundreds of buyers at once on the last tickets: not one too many is held, and every one is."""

import asyncio
from collections import Counter

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.catalog import service as catalog
from sync_server.catalog.schemas import NewTicketType
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.orders import offers, service
from sync_server.orders.schemas import (
    BuyerGiven,
    NewOrder,
    NewPromoCode,
    OfferWanted,
    WantedTickets,
)
from tests.factories.orders import (
    an_order,
    expire,
    place,
    put_on_sale,
    states_of_orders,
    taken,
    tickets_by_status,
)
from tests.factories.tenants import Tenant, founder_caller

BUYERS = 300


async def _outcome(services: Services, tenant: Tenant, event_id: EventId, wanted: NewOrder) -> str:
    try:
        return (await place(services, tenant, event_id, wanted)).state.value
    except ProblemError as refused:
        return refused.code


async def _outcomes(
    services: Services, tenant: Tenant, event_id: EventId, orders: list[NewOrder]
) -> dict[str, int]:
    each = (_outcome(services, tenant, event_id, wanted) for wanted in orders)
    return dict(Counter(await asyncio.gather(*each)))


async def test_hundreds_of_buyers_on_the_last_tickets(
    services: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id, quantity=17)
    crowd = [an_order(type_id) for _ in range(BUYERS)]
    outcomes = await _outcomes(services, tenant, event_id, crowd)
    assert outcomes == {"held": 17, "sold_out": BUYERS - 17}
    assert await taken(services, event_id) == 17
    clock.advance(16 * 60_000)
    await asyncio.gather(*(service.expire_holds(services, 5) for _ in range(8)))
    await expire(services)
    assert (await taken(services, event_id), await states_of_orders(services, event_id)) == (
        0,
        {"expired": 17},
    )


async def test_orders_of_several_kinds_in_any_order_never_wait_for_each_other_for_ever(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    first = await put_on_sale(services, tenant, event_id, quantity=30, price=0)
    async with services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        wanted = NewTicketType(name="VIP")
        second = (await catalog.create_ticket_type(caller, services, event_id, wanted)).id
        terms = OfferWanted(currency="UGX", price=0, quantity=20)
        await offers.put_offer(caller, services, event_id, second, terms)
    pairs = [[first, second], [second, first]]
    crowd = [
        NewOrder(
            tickets=[WantedTickets(ticket_type_id=each, count=1) for each in pairs[number % 2]],
            buyer=BuyerGiven(address=f"buyer{number}@example.org"),
        )
        for number in range(60)
    ]
    outcomes = await _outcomes(services, tenant, event_id, crowd)
    assert outcomes == {"paid": 20, "sold_out": 40}
    assert await tickets_by_status(services, event_id) == {"valid": 40}


async def test_one_buyer_with_many_hands(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id, quantity=100, per_buyer_max=4)
    buyer = BuyerGiven(phone="+256701234567")
    crowd = [an_order(type_id, buyer=buyer) for _ in range(40)]
    outcomes = await _outcomes(services, tenant, event_id, crowd)
    assert outcomes == {"held": 4, "buyer_limit_reached": 36}


async def test_a_code_for_three_and_forty_who_have_it(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id, quantity=100)
    async with services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        promo = NewPromoCode(code="FRIENDS", basis_points=5_000, uses_max=3)
        await offers.create_promo_code(caller, services, event_id, promo)
    crowd = [an_order(type_id, promo_code="friends") for _ in range(40)]
    outcomes = await _outcomes(services, tenant, event_id, crowd)
    assert outcomes == {"held": 3, "promo_code_invalid": 37}


async def test_one_request_that_comes_forty_times_at_once(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(services, tenant, event_id)
    wanted, key = an_order(type_id, 2), "fedcba9876543210"
    placed = await asyncio.gather(
        *(place(services, tenant, event_id, wanted, key) for _ in range(40))
    )
    assert len({(order.id, order.token) for order in placed}) == 1
    assert await taken(services, event_id) == 2


@pytest.mark.parametrize("wrong", [11, -1])
async def test_the_table_itself_refuses_to_take_too_many(
    services: Services,
    administrator: AsyncConnection,
    tenant: Tenant,
    event_id: EventId,
    wrong: int,
) -> None:
    await put_on_sale(services, tenant, event_id, quantity=10)
    query = text("UPDATE ticket_offers SET taken = :taken WHERE event_id = :id")
    with pytest.raises(IntegrityError, match="ck_ticket_offers_taken"):
        await administrator.execute(query, {"taken": wrong, "id": event_id})
