"""Refunds as people ask for them and see to them; `refunding` and `retrying` make them, and
payments takes them to their providers.
"""

from uuid import UUID

from shared.ids import OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.idempotency import RepeatableRequest
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.orders import repository
from sync_server.orders.errors import OrderNotFoundError
from sync_server.orders.paying import refund_flow
from sync_server.orders.refund_schemas import (
    NewRefundAccount,
    OutsideSettlement,
    RefundAccountShown,
    RefundRetry,
    RefusedRefundShown,
)
from sync_server.orders.refunding import RefundWanted, give_back, of_payment, refund_shown
from sync_server.orders.retrying import Retry, require_usable, retry, retry_with
from sync_server.orders.schemas import NewRefundWanted, RefundDecision, RefundShown
from sync_server.orders.service import OrderCall, own_order
from sync_server.orders.settling import Settlement, settle
from sync_server.organizers.callers import OrganizerCaller
from sync_server.payments import refunds
from sync_server.payments import service as payments
from sync_server.payments.refund_accounts import (
    NewAccount,
    account_rail,
    name_account,
    wants_account,
)
from sync_server.payments.refused_refunds import waiting_refunds
from sync_server.payments.rules import REFUND_OPEN, Finding, Reading, RefundState
from sync_server.payments.views import RefundFacts


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
            repeat=request.repeat_of(order_id, caller.user_id),
        ),
    )
    return refund_shown(made)


async def decide_refund(
    services: Services, admin_id: UUID, refund_id: UUID, wanted: RefundDecision
) -> RefundShown:
    """Take an admin's word for a refund that no provider tells of; it is never taken unrecorded."""
    async with services.database.transaction(WORKER) as session:
        finding = Finding.SUCCEEDED if wanted.given_back else Finding.FAILED
        word = Reading(finding, reason=wanted.reason)
        made = await refund_flow(services).decide(session, refund_id, word)
        subject = Subject("refund", str(refund_id), made.organizer_id)
        after = {"state": made.state.value}
        decided = Action(
            "refund.decide", subject, after=after, reason=wanted.reason, actor_id=admin_id
        )
        await audit.record_action(session, services, decided)
    return refund_shown(of_payment(made))


async def list_refused(services: Services, page: PageRequest) -> Page[RefusedRefundShown]:
    """List what was refused and waits for a person, of all organizers."""
    async with services.database.reading(WORKER) as session:
        found = await waiting_refunds(session, page)
    return page_of(found, page, lambda each: _refused_shown(services, each), lambda each: each.id)


async def retry_refund(
    request: RepeatableRequest, admin_id: UUID, refund_id: UUID, wanted: RefundRetry
) -> RefundShown:
    """Ask for a refused refund again, by a new one that is sent at once."""
    services, account = request.services, wanted.account
    asked = Retry(
        refund_id=refund_id,
        reason=wanted.reason,
        asked_by=admin_id,
        repeat=request.repeat_of(refund_id, admin_id),
        account=None if account is None else account.destination,
    )
    async with services.database.transaction(WORKER) as session:
        made = await retry(session, services, asked)
    if made.state is RefundState.REQUESTED:
        made = await refund_flow(services).submit(made.id)
    return refund_shown(of_payment(made))


async def settle_outside(
    request: RepeatableRequest, admin_id: UUID, refund_id: UUID, wanted: OutsideSettlement
) -> RefundShown:
    """Take an admin's word that a refused refund was paid from elsewhere."""
    services = request.services
    told = Settlement(
        refund_id=refund_id,
        paid_from=wanted.paid_from,
        reference=wanted.reference,
        reason=wanted.reason,
        settled_by=admin_id,
        # Not a retry's under the same key.
        repeat=request.repeat_of("outside", refund_id, admin_id),
    )
    async with services.database.transaction(WORKER) as session:
        made = await settle(session, services, told)
    return refund_shown(of_payment(made))


async def name_refund_account(caller: OrderCall, wanted: NewRefundAccount) -> RefundAccountShown:
    """Keep where an order's money goes back to, and send what had waited for that."""
    services, destination = caller.services, wanted.destination
    async with services.database.reading(WORKER) as session:
        order = await own_order(session, caller)
        organizer_id = OrganizerId(order.organizer_id)
        made = await payments.payments_of_order(session, organizer_id, order.id)
    require_usable(services, made, destination)
    await _refuse_unsent(services, organizer_id, order.id)
    async with services.database.transaction(WORKER) as session:
        for payment in made:
            await payments.lock_payment(session, payment.id)
        locked = await repository.find_order(session, organizer_id, order.id, for_change=True)
        if locked is None:
            raise OrderNotFoundError
        account = await name_account(
            session, services, NewAccount(organizer_id, order.id, destination)
        )
        again = [
            refund
            for payment in await payments.payments_of_order(session, organizer_id, order.id)
            for refund in await retry_with(session, services, locked, payment, account)
        ]
        after = {"account_id": str(account.id), "retried": [str(each.id) for each in again]}
        subject = Subject("order", str(order.id), organizer_id)
        await audit.record_action(
            session, services, Action("refund_account.name", subject, after=after)
        )
    for refund in again:
        await refund_flow(services).submit(refund.id)
    return RefundAccountShown(
        account_ending=account.ending,
        named_at=account.named_at,
        retried=[each.id for each in again],
    )


async def _refuse_unsent(services: Services, organizer_id: OrganizerId, order_id: UUID) -> None:
    """What was asked for before there was an account would be refused for want of one later, when
    nobody names any more.
    """
    async with services.database.reading(WORKER) as session:
        asked = await refunds.refunds_of_order(session, organizer_id, order_id)
    for refund in asked:
        to_account = account_rail(services, refund.provider) is not None
        if to_account and refund.state in REFUND_OPEN and refund.account_id is None:
            await refund_flow(services).refresh(refund.id)


def _refused_shown(services: Services, refund: RefundFacts) -> RefusedRefundShown:
    return RefusedRefundShown(
        **refund_shown(of_payment(refund)).model_dump(),
        organizer_id=refund.organizer_id,
        order_id=refund.order_id,
        payment_id=refund.payment_id,
        provider=refund.provider,
        currency=refund.amount.currency,
        wants_account=wants_account(services, refund),
    )
