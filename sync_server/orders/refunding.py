"""Refunds as an organizer asks for them: whole tickets, by line, at exactly what was paid for each.

The tickets let nobody in from the moment of asking; they are refunded when the money is, and hold
again if the provider refuses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import TicketStatus
from shared.ids import OrganizerId, from_signed_64
from shared.money import Money
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.alarms import clear_alarm
from sync_server.kit.claims import WORKER
from sync_server.kit.idempotency import Repeat
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import Shares, cash_refund
from sync_server.ledger.shares import shares_of_row
from sync_server.orders import repository
from sync_server.orders.errors import LinesNotRefundableError, OrderNotFoundError
from sync_server.orders.fulfilment import (
    REFUND_UNDER_WAY,
    REFUSED,
    Fulfilment,
    event_of,
)
from sync_server.orders.holding import Channel, OrderState
from sync_server.orders.models import Order, OrderLine
from sync_server.orders.paying import refund_flow
from sync_server.orders.schemas import RefundShown
from sync_server.payments import refunds
from sync_server.payments import service as payments
from sync_server.payments.errors import NotRefundableError
from sync_server.payments.refunds import NewRefund
from sync_server.payments.refused_refunds import waiting_refunds_of_payment
from sync_server.payments.rules import RefundState
from sync_server.payments.views import RefundFacts
from sync_server.tickets import selling
from sync_server.tickets.selling import Change

_UUID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class RefundWanted:
    """Which tickets of which order, why, who asks, and by which request; without lines all that are
    left.
    """

    organizer_id: OrganizerId
    order_id: UUID
    lines: frozenset[int]
    reason: str
    asked_by: UUID
    repeat: Repeat


@dataclass(frozen=True, slots=True)
class GivenBack:
    """A refund as it stands."""

    id: UUID
    state: RefundState
    amount: Money
    reason: str
    refusal: str | None
    requested_at: datetime


def of_payment(refund: RefundFacts) -> GivenBack:
    return GivenBack(
        id=refund.id,
        state=refund.state,
        amount=refund.amount,
        reason=refund.reason,
        refusal=refund.refusal,
        requested_at=refund.requested_at,
    )


def refund_shown(refund: GivenBack) -> RefundShown:
    return RefundShown(
        id=refund.id,
        state=refund.state,
        amount=refund.amount.minor_units,
        reason=refund.reason,
        refusal=refund.refusal,
        requested_at=refund.requested_at,
    )


async def give_back(services: Services, wanted: RefundWanted) -> GivenBack:
    """Write a refund down, then ask the provider; a repeat gives the refund of before."""
    async with services.database.transaction(WORKER) as session:
        order = await _locked(session, wanted)
        if order.channel == Channel.BOX_OFFICE:
            return await _give_cash_back(session, services, order, wanted)
        made = await refunds.find_repeated(session, wanted.organizer_id, wanted.repeat)
        if made is None:
            made = await _begin(session, services, order, wanted)
    if made.state is not RefundState.REQUESTED:
        return of_payment(made)
    return of_payment(await refund_flow(services).submit(made.id))


async def _give_cash_back(
    session: AsyncSession, services: Services, order: Order, wanted: RefundWanted
) -> GivenBack:
    """The box office hands the money over, so nothing is waited for; a repeat finds its lines."""
    now = instant(services.clock.now_ms())
    refund_id = UUID(bytes=wanted.repeat.repeat_hash[:_UUID_BYTES], version=4)
    lines, request_hash = await repository.lines_of_refund(session, order, refund_id)
    wanted.repeat.require_same(request_hash)
    is_new = not lines
    if is_new:
        lines = chosen(await repository.lines_of(session, [order]), wanted.lines)
    shares = _together(lines, order.currency)
    made = GivenBack(refund_id, RefundState.SUCCEEDED, shares.total, wanted.reason, None, now)
    if is_new:
        numbers = [line.line_no for line in lines]
        await repository.mark_refunding(
            session, order, numbers, refund_id, request_hash=wanted.repeat.request_hash
        )
        await Fulfilment(services).end_tickets(session, event_of(order), refund_id)
        if shares.total.minor_units:
            posting = cash_refund(refund_id, order.event_id, shares)
            await ledger.post(session, services, wanted.organizer_id, posting)
        await _record(session, services, wanted, made, numbers)
    return made


async def _begin(
    session: AsyncSession, services: Services, order: Order, wanted: RefundWanted
) -> RefundFacts:
    if order.payment_id is None or OrderState(order.state) is not OrderState.PAID:
        raise NotRefundableError
    lines = chosen(await repository.lines_of(session, [order]), wanted.lines)
    numbers = [line.line_no for line in lines]
    asked = NewRefund(
        organizer_id=wanted.organizer_id,
        payment_id=order.payment_id,
        shares=_together(lines, order.currency),
        reason=wanted.reason,
        requested_by=wanted.asked_by,
        repeat=wanted.repeat,
        lines=frozenset(numbers),
    )
    await _settle_alarms(session, services, asked)
    made = await refunds.request_refund(session, services, asked)
    await take_back(session, services, order, lines, made.id)
    await _record(session, services, wanted, of_payment(made), numbers)
    return made


async def take_back(
    session: AsyncSession,
    services: Services,
    order: Order,
    lines: Sequence[OrderLine],
    refund_id: UUID,
) -> None:
    """Have tickets let nobody in while their money is on its way back."""
    await repository.mark_refunding(session, order, [line.line_no for line in lines], refund_id)
    tickets = [from_signed_64(line.ticket_id) for line in lines if line.ticket_id is not None]
    blocked = Change(tickets, TicketStatus.BLOCKED, REFUND_UNDER_WAY)
    await selling.change_sold(session, services, event_of(order), blocked)


async def _settle_alarms(session: AsyncSession, services: Services, asked: NewRefund) -> None:
    """Somebody is seeing to what was refused before of the same tickets."""
    place = (asked.organizer_id, asked.payment_id)
    for refused in await waiting_refunds_of_payment(session, *place):
        if refused.lines & asked.lines:
            await clear_alarm(session, services, REFUSED, str(refused.id))


async def _locked(session: AsyncSession, wanted: RefundWanted) -> Order:
    """The payment is locked before its order, as by whoever hears from the provider."""
    seen = await repository.find_order(session, wanted.organizer_id, wanted.order_id)
    if seen is not None and seen.payment_id is not None:
        await payments.lock_payment(session, seen.payment_id)
    order = await repository.find_order(
        session, wanted.organizer_id, wanted.order_id, for_change=True
    )
    if order is None:
        raise OrderNotFoundError
    return order


def chosen(lines: Sequence[OrderLine], numbers: frozenset[int]) -> list[OrderLine]:
    """Give the lines of these numbers, or all that are left, else raise LinesNotRefundableError."""
    left = [line for line in lines if line.refund_id is None and line.returned_at is None]
    found = [line for line in left if not numbers or line.line_no in numbers]
    if not found or (numbers and len(found) != len(numbers)):
        raise LinesNotRefundableError
    return found


def _together(lines: Sequence[OrderLine], currency: str) -> Shares:
    nothing = Money(0, currency)
    total = Shares(nothing, nothing, nothing, nothing, nothing)
    for line in lines:
        one = shares_of_row(line, currency)
        total = Shares(
            organizer=total.organizer + one.organizer,
            platform_fee=total.platform_fee + one.platform_fee,
            tax_on_fees=total.tax_on_fees + one.tax_on_fees,
            tax_on_tickets=total.tax_on_tickets + one.tax_on_tickets,
            provider_fee=total.provider_fee + one.provider_fee,
        )
    return total


async def _record(
    session: AsyncSession,
    services: Services,
    wanted: RefundWanted,
    made: GivenBack,
    numbers: Sequence[int],
) -> None:
    subject = Subject("order", str(wanted.order_id), wanted.organizer_id)
    after = {
        "refund_id": str(made.id),
        "amount": made.amount.minor_units,
        "currency": made.amount.currency,
        "lines": list(numbers),
    }
    action = Action(
        "refund.request", subject, after=after, reason=wanted.reason, actor_id=wanted.asked_by
    )
    await audit.record_action(session, services, action)
