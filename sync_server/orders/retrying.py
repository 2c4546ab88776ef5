"""Refunds that were refused, asked for again: by an admin, or by themselves once the buyer named
the account that was missing. Tickets follow, as with any refund.

What takes tickets back is retried by itself before its event alone: they held meanwhile, and
whoever was let in has had what they paid for.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import service as catalog
from sync_server.catalog.rules import EventStatus
from sync_server.kit.alarms import clear_alarm
from sync_server.kit.idempotency import Repeat
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.orders import repository
from sync_server.orders.errors import (
    LinesNotRefundableError,
    OrderNotFoundError,
    RefundAccountNeededError,
    RefundAccountNotNeededError,
    RefundAccountUnusableError,
)
from sync_server.orders.fulfilment import REFUSED, event_of
from sync_server.orders.models import Order, OrderLine
from sync_server.orders.refunding import chosen, take_back
from sync_server.payments import refunds
from sync_server.payments.ports import Destination
from sync_server.payments.rails import rails_of
from sync_server.payments.refund_accounts import (
    NamedAccount,
    NewAccount,
    account_rail,
    name_account,
    newest_account,
    wants_account,
)
from sync_server.payments.refused_refunds import (
    Again,
    lock_refund,
    request_again,
    waiting_refunds_of_payment,
)
from sync_server.payments.rules import PaymentState
from sync_server.payments.views import PaymentFacts, RefundFacts


@dataclass(frozen=True, slots=True)
class Retry:
    """Which refund, why, who asks, by which request, and the account if one is named."""

    refund_id: UUID
    reason: str
    asked_by: UUID
    repeat: Repeat
    account: Destination | None = field(default=None, repr=False)


def require_usable(
    services: Services, paid: Sequence[PaymentFacts | RefundFacts], destination: Destination
) -> None:
    """Raise why an account cannot be paid to, or need not be."""
    rails = [account_rail(services, each.provider) for each in paid]
    rail = next((rail for rail in rails if rail is not None), None)
    if rail is None:
        raise RefundAccountNotNeededError
    fault = rail.account_fault(destination)
    if fault is not None:
        raise RefundAccountUnusableError(extra={"fault": fault})


async def retry(session: AsyncSession, services: Services, wanted: Retry) -> RefundFacts:
    """Write down an admin's retry; a repeat gives the one of before. Needs the worker's
    transaction.
    """
    failed = await lock_refund(session, wanted.refund_id)
    known = await refunds.find_repeated(session, failed.organizer_id, wanted.repeat)
    if known is not None:
        return known
    # Before anything is written that nobody could send.
    rails_of(services).collector(failed.provider)
    order = await lock_order(session, failed)
    if wanted.account is not None:
        require_usable(services, [failed], wanted.account)
        account = NewAccount(failed.organizer_id, order.id, wanted.account, wanted.asked_by)
        await name_account(session, services, account)
    made = await _ask_again(session, services, order, failed, wanted)
    after = {
        "refund_id": str(made.id),
        "account_id": None if made.account_id is None else str(made.account_id),
    }
    action = Action(
        "refund.retry",
        Subject("refund", str(failed.id), failed.organizer_id),
        after=after,
        reason=wanted.reason,
        actor_id=wanted.asked_by,
    )
    await audit.record_action(session, services, action)
    return made


async def retry_with(
    session: AsyncSession,
    services: Services,
    order: Order,
    payment: PaymentFacts,
    account: NamedAccount,
) -> list[RefundFacts]:
    """Ask again for what a payment's rail refused for want of an account; payment and order are
    locked.
    """
    if payment.state is not PaymentState.SUCCEEDED:
        return []
    again: list[RefundFacts] = []
    with_tickets = await _may_take_tickets(session, services, order)
    taken: frozenset[int] = frozenset()
    for failed in await waiting_refunds_of_payment(session, payment.organizer_id, payment.id):
        wants = wants_account(services, failed) and failed.account_id != account.id
        # Two may have been of the same tickets.
        if wants and not failed.lines & taken and (with_tickets or not failed.lines):
            again.append(await _ask_again(session, services, order, failed, None))
            taken |= failed.lines
    return again


async def _may_take_tickets(session: AsyncSession, services: Services, order: Order) -> bool:
    event = await catalog.find_event(session, *event_of(order))
    is_ahead = instant(services.clock.now_ms()) < event.base_time
    return is_ahead or event.status is EventStatus.CANCELLED


async def _ask_again(
    session: AsyncSession,
    services: Services,
    order: Order,
    failed: RefundFacts,
    wanted: Retry | None,
) -> RefundFacts:
    """Without `wanted` nobody asks: the buyer's account was what it had waited for."""
    account = await newest_account(session, failed.organizer_id, failed.order_id)
    if account is None and account_rail(services, failed.provider) is not None:
        raise RefundAccountNeededError
    again = Again() if wanted is None else Again(wanted.asked_by, wanted.repeat)
    return await follow(session, services, order, failed, again)


async def follow(
    session: AsyncSession, services: Services, order: Order, failed: RefundFacts, again: Again
) -> RefundFacts:
    """Have a new refund follow one that failed, with the tickets that it was of; order and payment
    are locked, and one alone can follow.
    """
    made = await request_again(session, services, failed, again)
    lines = await _lines_of(session, order, failed)
    if lines:
        await take_back(session, services, order, lines, made.id)
    await clear_alarm(session, services, REFUSED, str(failed.id))
    return made


async def _lines_of(
    session: AsyncSession, order: Order, failed: RefundFacts
) -> Sequence[OrderLine]:
    """Money that bought no tickets takes none back. Which tickets it was of is not known of refunds
    from before that was kept: a new one gives them back.
    """
    if failed.lines:
        return chosen(await repository.lines_of(session, [order]), failed.lines)
    if order.payment_id == failed.payment_id:
        raise LinesNotRefundableError
    return ()


async def lock_order(session: AsyncSession, failed: RefundFacts) -> Order:
    """Its payment is locked already, as by whoever hears from the provider."""
    order = await repository.find_order(
        session, failed.organizer_id, failed.order_id, for_change=True
    )
    if order is None:
        raise OrderNotFoundError
    return order
