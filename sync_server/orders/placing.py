"""Placing orders: everything that is the order's stands in one transaction, and the offers, for
which many buyers wait, are locked last.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.claims import token_hash
from sync_server.kit.idempotency import IdempotencyKeyReusedError, Repeat
from sync_server.kit.instants import instant
from sync_server.kit.outbox import publish
from sync_server.kit.prepared import entity
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.ledger.shares import share_columns
from sync_server.orders import offers_repository, repository
from sync_server.orders.buyers import (
    Buyer,
    OrderToken,
    buyer_hash,
    new_token,
    open_token,
    seal_buyer,
    seal_token,
)
from sync_server.orders.errors import (
    BuyerLimitError,
    NotOnSaleError,
    PriceChangedError,
    PromoCodeInvalidError,
    SoldOutError,
)
from sync_server.orders.fulfilment import issue, sell_for_cash
from sync_server.orders.holding import (
    CHOOSING,
    NUMBER_BYTES,
    Channel,
    OrderState,
    held_while_paying,
    order_number,
)
from sync_server.orders.models import Order, OrderLine, TicketOffer
from sync_server.orders.offers_repository import key_of
from sync_server.orders.paying import WayToPay, new_payment, payment_flow, require_payable
from sync_server.orders.quoting import (
    Basket,
    Priced,
    kept_charges,
    price,
    shares_of,
)
from sync_server.orders.repository import OrderedTicket
from sync_server.payments.flow import Begun


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """Who wants what, by which request; `quoted_total` is what they were told it costs."""

    basket: Basket
    buyer: Buyer
    repeat: Repeat
    quoted_total: int | None = None
    way: WayToPay | None = None
    sold_by: UUID | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """An order, its token, and its payment if one was begun; without lines the request was a
    repeat.
    """

    order: Order
    token: OrderToken
    lines: tuple[OrderLine, ...] = ()
    begun: Begun | None = None

    @property
    def is_new(self) -> bool:
        return bool(self.lines)


async def place(session: AsyncSession, services: Services, wanted: OrderRequest) -> Placed:
    """Hold tickets for a buyer, or sell them at once where there is nothing to wait for; needs the
    worker's transaction, which any refusal leaves to be rolled back.
    """
    try:
        priced = await price(session, services, wanted.basket)
        total = priced.quote.total.minor_units
        if wanted.quoted_total not in {None, total}:
            raise PriceChangedError(extra={"total": total})
        if wanted.way is not None and total > 0:
            require_payable(services, wanted.way, wanted.buyer, priced.quote.total)
    except ProblemError:
        # What a repeat asks for may not be on sale any more; it was sold before.
        repeated = await _repeated(session, services, wanted)
        if repeated is None:
            raise
        return repeated
    columns, token = _new_order(services, wanted, priced)
    order, rows = entity(Order, columns), _lines(columns["id"], priced)
    if not await repository.add_order(session, columns, rows):
        repeated = await _repeated(session, services, wanted)
        if repeated is None:
            raise IdempotencyKeyReusedError
        return repeated
    begun: Begun | None = None
    if wanted.way is not None and total > 0:
        wanted_payment = new_payment(services, order, token, wanted.buyer, wanted.way)
        begun = await payment_flow(services).begin(session, wanted_payment)
    await _reserve(session, services, priced, columns["buyer_hash"])
    ordered = [OrderedTicket(row["line_no"], row["ticket_type_id"]) for row in rows]
    await _sell_at_once(session, services, order, ordered)
    return Placed(order, token, tuple(entity(OrderLine, row) for row in rows), begun)


async def _sell_at_once(
    session: AsyncSession, services: Services, order: Order, lines: Sequence[OrderedTicket]
) -> None:
    if order.channel == Channel.BOX_OFFICE:
        await sell_for_cash(session, services, order, lines)
    elif order.amount == 0:
        await publish(session, *await issue(session, services, order, lines))


async def _repeated(
    session: AsyncSession, services: Services, wanted: OrderRequest
) -> Placed | None:
    """Give the order that was placed under the same key, if one was."""
    place = (wanted.basket.organizer_id, wanted.repeat.repeat_hash)
    known = await repository.find_repeated(session, *place)
    if known is None:
        return None
    sealed = await repository.sealed_of(session, known)
    wanted.repeat.require_same(sealed.request_hash)
    return Placed(known, open_token(services, known.id, sealed.sealed_token))


def _new_order(
    services: Services, wanted: OrderRequest, priced: Priced
) -> tuple[dict[str, Any], OrderToken]:
    basket, quoted = wanted.basket, priced.quote
    now = instant(services.clock.now_ms())
    order_id, token = services.new_id(), new_token(services)
    shares = shares_of(quoted.tickets, quoted.price.currency)
    order = {
        "organizer_id": basket.organizer_id,
        "id": order_id,
        "event_id": basket.event_id,
        "number": order_number(services.randomness(NUMBER_BYTES)),
        "channel": basket.channel.value,
        "state": OrderState.HELD.value,
        "currency": quoted.price.currency,
        "price": quoted.price.minor_units,
        "discount": quoted.discount.minor_units,
        **share_columns(shares),
        "charges": kept_charges(quoted),
        "promo_code_id": None if priced.promo is None else priced.promo.id,
        "buyer_hash": buyer_hash(services, basket.organizer_id, wanted.buyer),
        "sealed_buyer": seal_buyer(services, order_id, wanted.buyer),
        "token_hash": token_hash(token),
        "sealed_token": seal_token(services, order_id, token),
        "repeat_hash": wanted.repeat.repeat_hash,
        "request_hash": wanted.repeat.request_hash,
        "payment_id": None,
        "sold_by": wanted.sold_by,
        "created_at": now,
        "hold_expires_at": _held_until(now, wanted.way),
        "state_changed_at": now,
    }
    return order, token


def _held_until(now: datetime, way: WayToPay | None) -> datetime:
    chosen_by = now + CHOOSING
    return chosen_by if way is None else held_while_paying(chosen_by, now, way.provider)


def _lines(order_id: UUID, priced: Priced) -> list[dict[str, Any]]:
    currency = priced.quote.price.currency
    return [
        {
            "organizer_id": priced.basket.organizer_id,
            "order_id": order_id,
            "line_no": number,
            "ticket_type_id": ticket.ticket_type_id,
            "price": ticket.price.minor_units,
            **share_columns(shares_of([ticket], currency)),
            "ticket_id": None,
            "refund_id": None,
            "returned_at": None,
        }
        for number, ticket in enumerate(priced.quote.tickets, start=1)
    ]


async def _reserve(session: AsyncSession, services: Services, priced: Priced, buyer: bytes) -> None:
    """Each step is one conditional statement; what it locks is let go at commit."""
    basket, promo = priced.basket, priced.promo
    if promo is not None and not await offers_repository.use_promo_code(
        session, basket.organizer_id, promo.id
    ):
        raise PromoCodeInvalidError
    for type_id in sorted(basket.counts):
        offer, count = priced.offers[type_id], basket.counts[type_id]
        now = instant(services.clock.now_ms())
        if not await offers_repository.take(session, offer, count, now):
            await _refuse(session, services, priced, type_id)
        if basket.channel is Channel.ONLINE:
            await _require_within_limit(session, offer, buyer)


async def _refuse(session: AsyncSession, services: Services, priced: Priced, type_id: UUID) -> None:
    """Say why an offer gave nothing, by what it is now."""
    offers = await offers_repository.offers_of(session, priced.basket.event)
    offer = next(each for each in offers if each.ticket_type_id == type_id)
    now = instant(services.clock.now_ms())
    if offer.sales_from is not None and now < offer.sales_from:
        raise NotOnSaleError(extra={"sales_from": offer.sales_from.isoformat()})
    if offer.sales_until is not None and now >= offer.sales_until:
        raise NotOnSaleError
    left = offer.quantity - offer.taken
    if left < priced.basket.counts[type_id]:
        raise SoldOutError(extra={"ticket_type_id": str(type_id), "left": left})
    raise PriceChangedError


async def _require_within_limit(session: AsyncSession, offer: TicketOffer, buyer: bytes) -> None:
    """The offer is locked by now, so two orders of one buyer are counted one after the other."""
    if offer.per_buyer_max is None:
        return
    if await repository.count_of_buyer(session, key_of(offer), buyer) > offer.per_buyer_max:
        raise BuyerLimitError(extra={"per_buyer_max": offer.per_buyer_max})
