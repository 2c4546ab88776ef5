"""Buying: quotes, orders and what their owners see of them; what organizers see of their sales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId, from_signed_64
from shared.money import Money
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import service as catalog
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.idempotency import RepeatableRequest
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.orders import repository
from sync_server.orders.buyers import Buyer, OrderToken, open_claim
from sync_server.orders.errors import (
    OrderNotFoundError,
    OrderTokenInvalidError,
    PaymentUnderWayError,
)
from sync_server.orders.fulfilment import let_go
from sync_server.orders.holding import Channel, OrderState
from sync_server.orders.models import Order, OrderLine
from sync_server.orders.paying import WayToPay, begin_payment, how_to_pay, payment_flow
from sync_server.orders.placing import OrderRequest, Placed, place
from sync_server.orders.quoting import Basket, price, quote_shown
from sync_server.orders.refunding import of_payment, refund_shown
from sync_server.orders.schemas import (
    ChargeShown,
    LineShown,
    NewCashOrder,
    NewOrder,
    NewQuote,
    OrderDetails,
    OrderShown,
    OwnOrder,
    OwnRefundShown,
    PaymentShown,
    PaymentWanted,
    PlacedOrder,
    QuoteShown,
    TransferShown,
)
from sync_server.organizers.callers import OrganizerCaller
from sync_server.payments import refunds
from sync_server.payments import service as payments
from sync_server.payments.flow import Begun
from sync_server.payments.ports import TransferInstructions
from sync_server.payments.rails import rails_of
from sync_server.payments.refund_accounts import wants_account
from sync_server.payments.rules import CAPTURED, OPEN, Provider, carries
from sync_server.payments.views import PaymentFacts, RefundFacts
from sync_server.tickets.rules import ClaimToken, wallet_link

Event = tuple[OrganizerId, EventId]


_NO_SELLER: Final = "box office"
"""Stands where a member's id does when they sell, so that keys of the shop never meet theirs."""


@dataclass(frozen=True, slots=True)
class OrderCall:
    """Somebody with an order's token."""

    services: Services
    token: str = field(repr=False)


async def quote(services: Services, event: Event, wanted: NewQuote) -> QuoteShown:
    basket = Basket(*event, wanted.tickets, wanted.promo_code, Channel.ONLINE)
    async with services.database.reading(WORKER) as session:
        priced = await price(session, services, basket)
    return quote_shown(priced.quote)


async def place_order(
    request: RepeatableRequest, event: Event, wanted: NewOrder, user_id: UUID | None
) -> PlacedOrder:
    """Hold tickets, write down the payment that was chosen, and ask its provider."""
    services, given = request.services, wanted.buyer
    # The order's key is no payment's: what asks for one later may come under the same.
    with_order = replace(request, key="with the order")
    buyer = Buyer(given.name, given.address or "", given.phone or "", given.language.value, user_id)
    placing = OrderRequest(
        basket=Basket(*event, wanted.tickets, wanted.promo_code, Channel.ONLINE),
        buyer=buyer,
        # A key is one buyer's: nobody meets another's order by chance.
        repeat=request.repeat_of(_NO_SELLER, buyer.contact),
        quoted_total=wanted.total,
        way=None if wanted.payment is None else _way(wanted.payment, with_order),
    )
    async with services.database.transaction(WORKER) as session:
        placed = await place(session, services, placing)
    if placed.begun is None:
        return await _placed_order(services, placed)
    payment = await payment_flow(services).send(placed.begun)
    own = _own_order(services, placed.order, placed.lines, [payment], {})
    return PlacedOrder(**own.model_dump(), token=placed.token)


async def place_cash_order(
    caller: OrganizerCaller, request: RepeatableRequest, event_id: EventId, wanted: NewCashOrder
) -> PlacedOrder:
    """Sell at the box office: the money is in the till, so the tickets are there at once."""
    services, organizer_id, buyer = request.services, caller.organizer_id, Buyer()
    placing = OrderRequest(
        basket=Basket(
            organizer_id, event_id, wanted.tickets, wanted.promo_code, Channel.BOX_OFFICE
        ),
        buyer=buyer,
        repeat=request.repeat_of(caller.user_id, buyer.contact),
        quoted_total=wanted.total,
        sold_by=caller.user_id,
    )
    async with services.database.transaction(WORKER) as session:
        placed = await place(session, services, placing)
        if placed.is_new:
            await _record_sale(session, services, placed.order, caller.user_id)
    return await _placed_order(services, placed)


async def _record_sale(
    session: AsyncSession, services: Services, order: Order, seller: UUID
) -> None:
    subject = Subject("order", str(order.id), order.organizer_id)
    after = {"amount": order.amount, "currency": order.currency, "number": order.number}
    action = Action("order.sell", subject, after=after, actor_id=seller)
    await audit.record_action(session, services, action)


def _waits(order: Order) -> bool:
    return OrderState(order.state) is OrderState.HELD and order.amount > 0


def _way(wanted: PaymentWanted, request: RepeatableRequest) -> WayToPay:
    return WayToPay(wanted.provider, wanted.phone or "", request)


async def _placed_order(services: Services, placed: Placed) -> PlacedOrder:
    own = await read_own_order(OrderCall(services, placed.token))
    return PlacedOrder(**own.model_dump(), token=placed.token)


async def read_own_order(caller: OrderCall) -> OwnOrder:
    """Show an order to whoever has its token, with what opens its tickets."""
    services = caller.services
    async with services.database.reading(WORKER) as session:
        order = await own_order(session, caller)
        lines = await repository.lines_of(session, [order])
        sealed = await repository.sealed_claims(session, order)
        organizer_id = OrganizerId(order.organizer_id)
        made = await payments.payments_of_order(session, organizer_id, order.id)
        given_back: list[RefundFacts] = []
        if any(payment.state in CAPTURED for payment in made):
            given_back = await refunds.refunds_of_order(session, organizer_id, order.id)
    own = _own_order(services, order, lines, made, sealed)
    return own.model_copy(update={"refunds": _own_refunds(services, given_back)})


def _own_order(
    services: Services,
    order: Order,
    lines: Sequence[OrderLine],
    made: Sequence[PaymentFacts],
    sealed: Mapping[int, bytes],
) -> OwnOrder:
    links = {
        number: wallet_link(services.public_url, ClaimToken(open_claim(services, order.id, each)))
        for number, each in sealed.items()
    }
    return OwnOrder(
        **_shown(order).model_dump(),
        tickets=[_line_shown(line, links.get(line.line_no)) for line in lines],
        payments=[_payment_shown(payment, how_to_pay(services, payment)) for payment in made],
        refunds=[],
        ways_to_pay=_ways_to_pay(services, order) if _waits(order) else [],
    )


def _ways_to_pay(services: Services, order: Order) -> list[Provider]:
    total = Money(order.amount, order.currency)
    return [rail for rail in rails_of(services).offered if carries(rail, total)]


def _own_refunds(services: Services, given_back: Sequence[RefundFacts]) -> list[OwnRefundShown]:
    """One that was asked for again is shown by what followed it."""
    retried = {refund.retry_of for refund in given_back}
    return [
        OwnRefundShown(
            state=refund.state,
            amount=refund.amount.minor_units,
            requested_at=refund.requested_at,
            wants_account=wants_account(services, refund),
        )
        for refund in given_back
        if refund.id not in retried
    ]


async def pay_own_order(
    caller: OrderCall, request: RepeatableRequest, wanted: PaymentWanted
) -> OwnOrder:
    """Begin a payment for an order, and ask its provider."""
    services = caller.services
    async with services.database.transaction(WORKER) as session:
        order = await own_order(session, caller)
        way = _way(wanted, request)
        begun = await begin_payment(session, services, order, way)
    if isinstance(begun, Begun):
        await payment_flow(services).send(begun)
    return await read_own_order(caller)


async def cancel_own_order(caller: OrderCall) -> OwnOrder:
    """Let the tickets go; while a payment is open nobody knows whether the money comes."""
    services = caller.services
    async with services.database.transaction(WORKER) as session:
        seen = await own_order(session, caller)
        organizer_id = OrganizerId(seen.organizer_id)
        order = await repository.find_order(session, organizer_id, seen.id, for_change=True)
        tries = await payments.payments_of_order(session, organizer_id, seen.id)
        if order is None or any(payment.state in OPEN for payment in tries):
            raise PaymentUnderWayError
        if OrderState(order.state) is OrderState.HELD:
            await let_go(session, services, [order], OrderState.CANCELLED)
    return await read_own_order(caller)


async def own_order(session: AsyncSession, caller: OrderCall) -> Order:
    """Find the order that a token opens, else raise OrderTokenInvalidError."""
    order = await repository.find_by_token(session, token_hash(OrderToken(caller.token)))
    if order is None:
        raise OrderTokenInvalidError
    return order


async def list_orders(
    caller: OrganizerCaller, event_id: EventId, page: PageRequest
) -> Page[OrderShown]:
    event = (caller.organizer_id, event_id)
    await catalog.find_event(caller.session, *event)
    rows = await repository.list_orders(caller.session, event, page)
    return page_of(rows, page, _shown, lambda row: row.id)


async def read_order(caller: OrganizerCaller, services: Services, order_id: UUID) -> OrderDetails:
    """Show an order with its payments and refunds; who bought is not in it."""
    order = await repository.find_order(caller.session, caller.organizer_id, order_id)
    if order is None:
        raise OrderNotFoundError
    lines = await repository.lines_of(caller.session, [order])
    async with services.database.reading(WORKER) as session:
        made = await payments.payments_of_order(session, caller.organizer_id, order_id)
        given_back = [
            refund
            for payment in made
            for refund in await refunds.refunds_of_payment(session, caller.organizer_id, payment.id)
        ]
    return _details(order, lines, made, given_back)


async def expire_holds(services: Services, limit: int) -> int:
    """Let go of what was held too long, and say of how many orders; any number of processes may do
    so.
    """
    async with services.database.transaction(WORKER) as session:
        now = instant(services.clock.now_ms())
        orders = await repository.due_holds(session, now, limit)
        if orders:
            await let_go(session, services, orders, OrderState.EXPIRED)
    return len(orders)


def _shown(order: Order) -> OrderShown:
    return OrderShown(
        id=order.id,
        event_id=order.event_id,
        number=order.number,
        channel=Channel(order.channel),
        state=OrderState(order.state),
        currency=order.currency,
        price=order.price,
        discount=order.discount,
        total=order.amount,
        charges=[ChargeShown.model_validate(charge) for charge in order.charges],
        created_at=order.created_at,
        hold_expires_at=order.hold_expires_at,
    )


def _line_shown(line: OrderLine, link: str | None = None) -> LineShown:
    return LineShown(
        line=line.line_no,
        ticket_type_id=line.ticket_type_id,
        total=line.amount,
        ticket_id=None if line.ticket_id is None else from_signed_64(line.ticket_id),
        refund_id=line.refund_id,
        returned_at=line.returned_at,
        wallet_link=link,
    )


def _payment_shown(
    payment: PaymentFacts, transfer: TransferInstructions | None = None
) -> PaymentShown:
    return PaymentShown(
        id=payment.id,
        provider=payment.provider,
        state=payment.state,
        redirect_url=payment.redirect_url,
        reason=payment.reason,
        expires_at=payment.expires_at,
        transfer=None if transfer is None else TransferShown.model_validate(transfer),
    )


def _details(
    order: Order,
    lines: Sequence[OrderLine],
    made: Sequence[PaymentFacts],
    given_back: Sequence[RefundFacts],
) -> OrderDetails:
    return OrderDetails(
        **_shown(order).model_dump(),
        tickets=[_line_shown(line) for line in lines],
        payments=[_payment_shown(payment) for payment in made],
        refunds=[refund_shown(of_payment(refund)) for refund in given_back],
    )
