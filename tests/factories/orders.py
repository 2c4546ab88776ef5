"""A shop to test with: tickets on sale, buyers, and rails that they pay over."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from secrets import token_hex
from typing import Any
from uuid import UUID

from sqlalchemy import text

from shared.ids import EventId
from sync_server.catalog import service as catalog
from sync_server.kit.claims import WORKER
from sync_server.kit.idempotency import RepeatableRequest
from sync_server.kit.services import Services
from sync_server.orders import offers, service
from sync_server.orders.rules import Bearer, FeeKind
from sync_server.orders.schemas import (
    BuyerGiven,
    NewFeeRule,
    NewOrder,
    NewPromoCode,
    OfferWanted,
    PaymentWanted,
    PlacedOrder,
    PromoCodeShown,
    WantedTickets,
)
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from tests.factories.rails import PHONE, RunningRail
from tests.factories.tenants import Tenant, founder_caller

PRICE = 50_000


def over(services: Services, *rails: RunningRail) -> Services:
    """Services that offer these rails; callbacks go to the test's own merchant."""
    collectors = {rail.collector.provider: rail.collector for rail in rails}
    return replace(services, parts={PaymentRails: PaymentRails(collectors)})


async def type_of(services: Services, tenant: Tenant, event_id: EventId) -> UUID:
    """The event's first ticket type."""
    async with services.database.reading(tenant.claims) as session:
        floor = await catalog.load_event_floor(session, tenant.organizer_id, event_id)
    return floor.ticket_types[0].id


async def put_on_sale(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    **changes: Any,  # noqa: ANN401 - fields of an offer
) -> UUID:
    """Put the event's first ticket type on sale, and name it."""
    type_id = await type_of(services, tenant, event_id)
    terms: dict[str, Any] = {"currency": "UGX", "price": PRICE, "quantity": 10, **changes}
    async with services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        await offers.put_offer(caller, services, event_id, type_id, OfferWanted(**terms))
    return type_id


async def add_fees(services: Services, tenant: Tenant) -> None:
    """Five of a hundred out of the price, and 18 % tax on that: an organizer's own rules."""
    for name, kind, basis_points in (
        ("service_fee", FeeKind.PLATFORM_FEE, 500),
        ("vat_on_fee", FeeKind.TAX_ON_FEES, 1_800),
    ):
        wanted = NewFeeRule(
            name=name,
            organizer_id=tenant.organizer_id,
            kind=kind,
            bearer=Bearer.ORGANIZER,
            basis_points=basis_points,
        )
        await offers.add_fee_rule(services, tenant.founder.user_id, wanted)


def a_request(services: Services, key: str | None = None, about: str = "") -> RepeatableRequest:
    """A request under a key of its own, unless it repeats another."""
    return RepeatableRequest(services, key or token_hex(16), about.encode().rjust(32, b"\0")[:32])


def an_order(type_id: UUID, count: int = 1, **changes: Any) -> NewOrder:  # noqa: ANN401 - fields
    wanted: dict[str, Any] = {
        "tickets": [WantedTickets(ticket_type_id=type_id, count=count)],
        "buyer": BuyerGiven(name="Grace", address=f"{token_hex(6)}@example.org", phone=PHONE),
        **changes,
    }
    return NewOrder(**wanted)


async def place(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    wanted: NewOrder,
    key: str | None = None,
) -> PlacedOrder:
    event = (tenant.organizer_id, event_id)
    return await service.place_order(a_request(services, key), event, wanted, None)


async def place_and_pay(
    services: Services, tenant: Tenant, event_id: EventId, type_id: UUID, count: int = 1
) -> PlacedOrder:
    """An order whose payment was begun with it."""
    payment = PaymentWanted(provider=Provider.MTN)
    return await place(services, tenant, event_id, an_order(type_id, count, payment=payment))


async def add_promo_code(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    **changes: Any,  # noqa: ANN401 - fields of a code
) -> PromoCodeShown:
    """A code for a tenth off, good once."""
    terms: dict[str, Any] = {"code": "early-2026", "basis_points": 1_000, "uses_max": 1, **changes}
    async with services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        return await offers.create_promo_code(caller, services, event_id, NewPromoCode(**terms))


async def sell(services: Services, tenant: Tenant, event_id: EventId) -> PlacedOrder:
    """One order, and a code beside it."""
    type_id = await put_on_sale(services, tenant, event_id)
    await add_promo_code(services, tenant, event_id)
    return await place(services, tenant, event_id, an_order(type_id))


async def expire(services: Services) -> None:
    """Let go of whatever is due, of other tests as well."""
    while await service.expire_holds(services, 200):
        pass


async def taken(services: Services, event_id: EventId) -> int:
    """How many tickets of an event are held or sold, as offers count them."""
    return await _number(
        services, "SELECT sum(taken) FROM ticket_offers WHERE event_id = :id", event_id
    )


async def tickets_by_status(services: Services, event_id: EventId) -> dict[str, int]:
    async with services.database.reading(WORKER) as session:
        query = text("SELECT status FROM tickets WHERE event_id = :id")
        return dict(Counter(await session.scalars(query, {"id": event_id})))


async def states_of_orders(services: Services, event_id: EventId) -> dict[str, int]:
    async with services.database.reading(WORKER) as session:
        query = text("SELECT state FROM orders WHERE event_id = :id")
        return dict(Counter(await session.scalars(query, {"id": event_id})))


async def references(services: Services, order_id: UUID) -> Sequence[str]:
    """Our references of an order's payments, as its providers know them; the oldest first."""
    async with services.database.reading(WORKER) as session:
        query = text("SELECT reference::text FROM payments WHERE order_id = :id ORDER BY id")
        return list(await session.scalars(query, {"id": order_id}))


async def _number(services: Services, query: str, event_id: EventId) -> int:
    async with services.database.reading(WORKER) as session:
        return int(await session.scalar(text(query), {"id": event_id}) or 0)
