"""Refunds that a provider refused for good: which of them wait for a person, and asking for one
once more by a refund of its own, since states only go forward.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.kit.idempotency import Repeat
from sync_server.kit.pagination import PageRequest
from sync_server.kit.services import Services
from sync_server.payments import repository
from sync_server.payments.errors import (
    RefundNotFailedError,
    RefundNotFoundError,
    RefundRetriedError,
)
from sync_server.payments.refunds import NewRefund, request_refund
from sync_server.payments.rules import PaidFrom, RefundState
from sync_server.payments.views import RefundFacts, refund_facts_of


async def lock_refund(session: AsyncSession, refund_id: UUID) -> RefundFacts:
    """Give a refund, and lock its payment, so that of two who ask for it again one does; needs the
    worker's transaction.
    """
    seen = await repository.find_refund(session, refund_id)
    if seen is None:
        raise RefundNotFoundError
    payment = await repository.find_payment(session, seen.payment_id, for_change=True)
    await session.refresh(seen)
    if payment is None:
        raise RefundNotFoundError
    return refund_facts_of(seen, payment)


@dataclass(frozen=True, slots=True)
class Again:
    """Who asks for a refused refund once more, by which request; with `paid_from` it was paid from
    there, and no provider is asked.
    """

    requested_by: UUID | None = None
    repeat: Repeat | None = None
    paid_from: PaidFrom | None = None


async def request_again(
    session: AsyncSession, services: Services, failed: RefundFacts, again: Again
) -> RefundFacts:
    """Write a refund down for the same money as one that is locked and failed; `RefundFlow.submit`
    sends it. What was given back otherwise meanwhile is refused as any refund is.
    """
    if failed.state is not RefundState.FAILED:
        raise RefundNotFailedError(extra={"state": failed.state.value})
    following = await repository.find_retry(session, failed.organizer_id, failed.id)
    if following is not None:
        raise RefundRetriedError(extra={"refund_id": str(following.id)})
    wanted = NewRefund(
        organizer_id=failed.organizer_id,
        payment_id=failed.payment_id,
        shares=failed.shares,
        reason=failed.reason,
        requested_by=again.requested_by,
        repeat=again.repeat,
        lines=failed.lines,
        retry_of=failed.id,
        paid_from=again.paid_from,
    )
    return await request_refund(session, services, wanted)


async def waiting_refunds(session: AsyncSession, page: PageRequest) -> list[RefundFacts]:
    """List the refused refunds of all organizers that nobody has done anything about: one more than
    a page holds, where there are more. Needs the worker's transaction.
    """
    rows = await repository.waiting_refunds(session, page)
    return [refund_facts_of(refund, payment) for refund, payment in rows]


async def waiting_refunds_of_payment(
    session: AsyncSession, organizer_id: OrganizerId, payment_id: UUID
) -> Sequence[RefundFacts]:
    """The same of one payment."""
    rows = await repository.waiting_refunds_of_payment(session, organizer_id, payment_id)
    return [refund_facts_of(refund, payment) for refund, payment in rows]
