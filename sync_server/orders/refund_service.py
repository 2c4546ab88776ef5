"""Refunds as people ask for them and decide on them; `refunding` makes them, and payments takes
them to their providers.
"""

from uuid import UUID

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.idempotency import RepeatableRequest
from sync_server.kit.services import Services
from sync_server.orders.paying import refund_flow
from sync_server.orders.refunding import GivenBack, RefundWanted, give_back, of_payment
from sync_server.orders.schemas import NewRefundWanted, RefundDecision, RefundShown
from sync_server.organizers.callers import OrganizerCaller


async def refund_order(
    caller: OrganizerCaller, request: RepeatableRequest, order_id: UUID, wanted: NewRefundWanted
) -> RefundShown:
    """Give money back for tickets of an order; its state says how far that is."""
    made = await give_back(
        request.services,
        RefundWanted(
            organizer_id=caller.organizer_id,
            order_id=order_id,
            lines=wanted.lines,
            reason=wanted.reason,
            asked_by=caller.user_id,
            key=request.key or "",
        ),
    )
    return refund_shown(made)


async def decide_refund(
    services: Services, admin_id: UUID, refund_id: UUID, wanted: RefundDecision
) -> RefundShown:
    """Take an admin's word for a refund that no provider tells of."""
    made = await refund_flow(services).decide(
        refund_id, given_back=wanted.given_back, reason=wanted.reason
    )
    subject = Subject("refund", str(refund_id), made.organizer_id)
    after = {"state": made.state.value}
    action = Action("refund.decide", subject, after=after, reason=wanted.reason, actor_id=admin_id)
    async with services.database.transaction(WORKER) as session:
        await audit.record_action(session, services, action)
    return refund_shown(of_payment(made))


def refund_shown(refund: GivenBack) -> RefundShown:
    return RefundShown(
        id=refund.id,
        state=refund.state,
        amount=refund.amount.minor_units,
        reason=refund.reason,
        refusal=refund.refusal,
        requested_at=refund.requested_at,
    )
