"""What an order's tickets do when money comes and goes: each in the transaction of the money.

Locks are taken in one order everywhere: payment, order, promo codes, offers, tickets.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import TicketStatus
from shared.ids import EventId, OrganizerId, TicketId, from_signed_64, to_signed_64
from sync_server.kit.alarms import Alarm, clear_alarm, raise_alarm
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import cash_sale
from sync_server.ledger.shares import shares_of_row
from sync_server.orders import offers_repository, repository
from sync_server.orders.buyers import seal_claim
from sync_server.orders.holding import OrderState, Outcome, on_capture
from sync_server.orders.models import Order
from sync_server.orders.offers_repository import OfferKey
from sync_server.orders.repository import LineTicket, OrderedTicket
from sync_server.payments.refunds import NewRefund, refunds_of_payment, request_refund
from sync_server.payments.rules import RefundState
from sync_server.payments.views import PaymentFacts, RefundFacts, about_money
from sync_server.tickets import selling
from sync_server.tickets.selling import Change

REFUND_UNDER_WAY: Final = "a refund is under way"
REFUND_FAILED: Final = "the refund failed"
REFUNDED: Final = "refunded"
REVERSED: Final = "the payment was taken back"
REFUSED: Final = "refund.refused"
NOT_NEEDED: Final = "The order was not open any more"
SOLD_OUT_MEANWHILE: Final = "Paid too late: the tickets were sold out"
CODE_USED_UP_MEANWHILE: Final = "Paid too late: the promo code was used up"
LIMIT_REACHED_MEANWHILE: Final = "Paid too late: the buyer had as many tickets as one may have"
_LOG: Final = structlog.get_logger(__name__)


async def issue(
    session: AsyncSession,
    services: Services,
    order: Order,
    lines: Sequence[OrderedTicket],
    payment_id: UUID | None = None,
) -> Sequence[Message]:
    """Make the tickets of an order that is locked, and call it paid; gives what is to be told."""
    types = [line.ticket_type_id for line in lines]
    sold = await selling.issue_sold(session, services, event_of(order), types)
    tickets = [
        LineTicket(
            line.line_no,
            to_signed_64(ticket.id),
            seal_claim(services, order.id, ticket.claim_token),
        )
        for line, ticket in zip(lines, sold, strict=True)
    ]
    await repository.change_issued(
        session,
        order,
        tickets,
        state=OrderState.PAID.value,
        state_changed_at=instant(services.clock.now_ms()),
        payment_id=payment_id,
    )
    return _news(order, OrderState.PAID), selling.issued(event_of(order), len(sold))


async def sell_for_cash(
    session: AsyncSession, services: Services, order: Order, lines: Sequence[OrderedTicket]
) -> None:
    """The organizer has the money already; what is not theirs they owe."""
    await publish(session, *await issue(session, services, order, lines))
    if order.amount:
        posting = cash_sale(order.id, order.event_id, shares_of_row(order, order.currency))
        await ledger.post(session, services, OrganizerId(order.organizer_id), posting)


async def let_go(
    session: AsyncSession, services: Services, orders: Sequence[Order], state: OrderState
) -> None:
    """Give back what orders hold that are locked: they expired, or their buyers gave up."""
    events = {order.id: (order.organizer_id, order.event_id) for order in orders}
    lines = await repository.lines_of(session, orders)
    held = Counter(OfferKey(*events[line.order_id], line.ticket_type_id) for line in lines)
    for order in orders:
        await change_state(session, services, order, state)
    used = Counter(
        (order.organizer_id, order.promo_code_id)
        for order in orders
        if order.promo_code_id is not None
    )
    for promo in sorted(used):
        await offers_repository.unuse_promo_code(session, *promo, used[promo])
    await offers_repository.give_back(session, held)


async def change_state(
    session: AsyncSession, services: Services, order: Order, state: OrderState
) -> None:
    """Write an order's new state and tell whoever waits for it."""
    now = instant(services.clock.now_ms())
    await repository.change_order(session, order, state=state.value, state_changed_at=now)
    await publish(session, _news(order, state))


def _news(order: Order, state: OrderState) -> Message:
    ids = {"order_id": str(order.id), "event_id": str(order.event_id)}
    return Message(f"order.{state}", order.organizer_id, payload=ids)


@dataclass(frozen=True, slots=True)
class Fulfilment:
    """Hears of payments and refunds, in their transactions."""

    services: Services

    async def captured(self, session: AsyncSession, payment: PaymentFacts) -> Sequence[Message]:
        """Issue the tickets, also late if they are still there; else give the money back."""
        found = await repository.lock_with_tickets(session, payment.organizer_id, payment.order_id)
        if found is None:
            _LOG.error("order.missing", order_id=str(payment.order_id))
            return ()
        order, lines = found
        outcome = on_capture(OrderState(order.state))
        fault = NOT_NEEDED if outcome is Outcome.GIVE_BACK else None
        if outcome is Outcome.RESERVE_ANEW:
            fault = await _reserve_anew(session, order, lines)
        if fault is None:
            return await issue(session, self.services, order, lines, payment.id)
        await self._give_back(session, payment, fault)
        return ()

    async def gave_up(self, _session: AsyncSession, _payment: PaymentFacts) -> None:
        """The tickets stay held as long as was said: the buyer may pay in another way."""

    async def taken_back(self, session: AsyncSession, payment: PaymentFacts) -> None:
        """Nobody gets in on money that was taken back; what is not given back goes on sale, and
        what could not be given back is owed no more.
        """
        for refund in await refunds_of_payment(session, payment.organizer_id, payment.id):
            if refund.state is RefundState.FAILED:
                await clear_alarm(session, self.services, REFUSED, str(refund.id))
        order = await self._order(session, payment)
        if order is None or order.payment_id != payment.id:
            return
        now = instant(self.services.clock.now_ms())
        returned = await repository.mark_all_returned(session, order, now)
        await change_state(session, self.services, order, OrderState.REVERSED)
        await self._return(session, event_of(order), returned)
        await self._mark(session, event_of(order), returned, TicketStatus.PAYMENT_REVERSED)

    async def given_back(self, session: AsyncSession, refund: RefundFacts) -> None:
        """The tickets of a refund that arrived let nobody in, and go on sale again."""
        await self.end_tickets(session, (refund.organizer_id, refund.event_id), refund.id)

    async def end_tickets(
        self, session: AsyncSession, event: tuple[OrganizerId, EventId], refund_id: UUID
    ) -> None:
        """The same for whatever was given back under an id, in cash as well."""
        now = instant(self.services.clock.now_ms())
        returned = await repository.mark_refunded(session, event[0], refund_id, now)
        await self._return(session, event, returned)
        await self._mark(session, event, returned, TicketStatus.REFUNDED)

    async def not_given_back(self, session: AsyncSession, refund: RefundFacts) -> None:
        """The buyer still has paid: their tickets hold again, and somebody is told, since nobody
        may have asked for this refund.
        """
        event = (refund.organizer_id, refund.event_id)
        lines = await repository.unmark_refunding(session, refund.organizer_id, refund.id)
        valid = Change(_tickets(lines), TicketStatus.VALID, REFUND_FAILED, REFUND_UNDER_WAY)
        await selling.change_sold(session, self.services, event, valid)
        await raise_alarm(
            session, self.services, Alarm(REFUSED, str(refund.id), about_money(refund))
        )

    async def _order(self, session: AsyncSession, payment: PaymentFacts) -> Order | None:
        return await repository.find_order(
            session, payment.organizer_id, payment.order_id, for_change=True
        )

    async def _give_back(self, session: AsyncSession, payment: PaymentFacts, reason: str) -> None:
        wanted = NewRefund(payment.organizer_id, payment.id, payment.shares, reason)
        await request_refund(session, self.services, wanted)

    async def _return(
        self, session: AsyncSession, event: tuple[OrganizerId, EventId], lines: Iterable[Any]
    ) -> None:
        counts = Counter(OfferKey(*event, line.ticket_type_id) for line in lines)
        await offers_repository.give_back(session, counts)

    async def _mark(
        self,
        session: AsyncSession,
        event: tuple[OrganizerId, EventId],
        lines: Iterable[Any],
        status: TicketStatus,
    ) -> None:
        reason = REFUNDED if status is TicketStatus.REFUNDED else REVERSED
        change = Change(_tickets(lines), status, reason)
        await selling.change_sold(session, self.services, event, change)


async def _reserve_anew(
    session: AsyncSession, order: Order, lines: Sequence[OrderedTicket]
) -> str | None:
    """Take again what an order had, by the rules of any order: all of it, or nothing. Says why not,
    where it cannot be.
    """
    promo = order.promo_code_id
    if promo is None:
        return await _take_anew(session, order, lines)
    if not await offers_repository.use_promo_code(session, order.organizer_id, promo):
        return CODE_USED_UP_MEANWHILE
    fault = await _take_anew(session, order, lines)
    if fault is not None:
        await offers_repository.unuse_promo_code(session, order.organizer_id, promo, 1)
    return fault


async def _take_anew(
    session: AsyncSession, order: Order, lines: Sequence[OrderedTicket]
) -> str | None:
    """What was taken before another type could not be had is given back."""
    wanted = Counter(OfferKey(*event_of(order), line.ticket_type_id) for line in lines)
    taken: Counter[OfferKey] = Counter()
    fault: str | None = None
    for key in sorted(wanted):
        if await offers_repository.take_again(session, key, wanted[key]):
            taken[key] = wanted[key]
            fault = await _limit_fault(session, order, key, wanted[key])
        else:
            fault = SOLD_OUT_MEANWHILE
        if fault is not None:
            await offers_repository.give_back(session, taken)
            return fault
    return None


async def _limit_fault(
    session: AsyncSession, order: Order, key: OfferKey, count: int
) -> str | None:
    """The offer is locked by now, and the order does not count yet."""
    limit = await offers_repository.per_buyer_max(session, key)
    if limit is None:
        return None
    sealed = await repository.sealed_of(session, order)
    has = await repository.count_of_buyer(session, key, sealed.buyer_hash)
    return LIMIT_REACHED_MEANWHILE if has + count > limit else None


def _tickets(lines: Iterable[Any]) -> list[TicketId]:
    return [from_signed_64(line.ticket_id) for line in lines if line.ticket_id is not None]


def event_of(order: Order) -> tuple[OrganizerId, EventId]:
    return OrganizerId(order.organizer_id), EventId(order.event_id)
