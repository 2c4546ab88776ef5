"""Refused refunds that were settled outside: in cash by the box office, or by a transfer from our
own bank. No provider is asked; books and tickets follow as with any refund that arrived.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.idempotency import Repeat
from sync_server.kit.services import Services
from sync_server.orders.paying import refund_flow
from sync_server.orders.retrying import follow, lock_order
from sync_server.payments import refunds
from sync_server.payments.refused_refunds import Again, lock_refund
from sync_server.payments.rules import Finding, PaidFrom, Reading
from sync_server.payments.views import RefundFacts


@dataclass(frozen=True, slots=True)
class Settlement:
    """Which refund, where its money came from and what names it there, why, who says so, and by
    which request.
    """

    refund_id: UUID
    paid_from: PaidFrom
    reference: str
    reason: str
    settled_by: UUID
    repeat: Repeat


async def settle(session: AsyncSession, services: Services, told: Settlement) -> RefundFacts:
    """Write down the refund that follows a refused one, and end it; a repeat gives the one of
    before. Needs the worker's transaction.
    """
    failed = await lock_refund(session, told.refund_id)
    known = await refunds.find_repeated(session, failed.organizer_id, told.repeat)
    if known is not None:
        return known
    order = await lock_order(session, failed)
    again = Again(told.settled_by, told.repeat, told.paid_from)
    asked = await follow(session, services, order, failed, again)
    word = Reading(Finding.SUCCEEDED, reason=told.reason, provider_reference=told.reference or None)
    made = await refund_flow(services).decide(session, asked.id, word)
    action = Action(
        "refund.settle_outside",
        Subject("refund", str(failed.id), failed.organizer_id),
        after={
            "refund_id": str(made.id),
            "paid_from": told.paid_from.value,
            "reference": told.reference,
        },
        reason=told.reason,
        actor_id=told.settled_by,
    )
    await audit.record_action(session, services, action)
    return made
