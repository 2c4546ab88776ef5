"""Money that came and did not fit: what waits for a person, and the word of one who gave it back by
hand. The books follow by the table's own trigger.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.kit.alarms import clear_alarm
from sync_server.kit.claims import WORKER
from sync_server.kit.idempotency import Repeat, RepeatableRequest
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.payments import repository
from sync_server.payments.doubts import MISMATCHED
from sync_server.payments.errors import (
    PaymentNotFoundError,
    PaymentNotMismatchedError,
    ReceiptUnknownError,
)
from sync_server.payments.mismatched_schemas import (
    MismatchedPaymentShown,
    ReceiptReturn,
    ReturnedReceiptShown,
)
from sync_server.payments.models import Payment, ReturnedReceipt
from sync_server.payments.rules import PaymentState, ReturnedFrom


@dataclass(frozen=True, slots=True)
class _Return:
    """Which payment's money went back and how, who says so, and by which request."""

    payment_id: UUID
    how: ReceiptReturn
    told_by: UUID
    repeat: Repeat


async def list_mismatched(services: Services, page: PageRequest) -> Page[MismatchedPaymentShown]:
    """List what came, did not fit and waits for a person, of all organizers."""
    async with services.database.reading(WORKER) as session:
        found = await repository.mismatched_payments(session, page)
    return page_of(found, page, _shown, lambda each: each.id)


async def give_back(
    request: RepeatableRequest, admin_id: UUID, payment_id: UUID, how: ReceiptReturn
) -> ReturnedReceiptShown:
    """Take an admin's word that the money went back; it is never taken unrecorded."""
    repeat = request.repeat_of("give-back", payment_id, admin_id)
    told = _Return(payment_id, how, admin_id, repeat)
    async with request.services.database.transaction(WORKER) as session:
        payment, given = await _give_back(session, request.services, told)
    return ReturnedReceiptShown(
        **_columns(payment),
        received_at=given.received_at,
        paid_from=ReturnedFrom(given.paid_from),
        return_reference=given.reference,
        returned_at=given.returned_at,
    )


async def _give_back(
    session: AsyncSession, services: Services, told: _Return
) -> tuple[Payment, ReturnedReceipt]:
    """Of two who say so at once one waits for the other's lock, and then finds it over."""
    payment = await repository.find_payment(session, told.payment_id, for_change=True)
    if payment is None:
        raise PaymentNotFoundError
    known = await repository.find_return(session, payment.organizer_id, payment.id)
    if known is not None and known.repeat_hash == told.repeat.repeat_hash:
        told.repeat.require_same(known.request_hash)
        return payment, known
    if payment.state != PaymentState.MISMATCHED:
        raise PaymentNotMismatchedError(extra={"state": payment.state})
    if told.how.paid_from is ReturnedFrom.BANK and not payment.received_amount:
        raise ReceiptUnknownError
    given = _new_row(services, payment, told)
    await repository.add(session, given)
    await repository.change(
        session,
        payment,
        state=PaymentState.GIVEN_BACK,
        state_changed_at=given.returned_at,
        next_read_at=None,
    )
    await clear_alarm(session, services, MISMATCHED, str(payment.id))
    await audit.record_action(session, services, _action(payment, told))
    ids = {"payment_id": str(payment.id), "order_id": str(payment.order_id)}
    await publish(session, Message("payment.given_back", payment.organizer_id, payload=ids))
    return payment, given


def _new_row(services: Services, payment: Payment, told: _Return) -> ReturnedReceipt:
    return ReturnedReceipt(
        organizer_id=payment.organizer_id,
        payment_id=payment.id,
        paid_from=told.how.paid_from,
        reference=told.how.reference,
        received_at=payment.state_changed_at,
        returned_at=instant(services.clock.now_ms()),
        repeat_hash=told.repeat.repeat_hash,
        request_hash=told.repeat.request_hash,
    )


def _action(payment: Payment, told: _Return) -> Action:
    return Action(
        "payment.give_back",
        Subject("payment", str(payment.id), payment.organizer_id),
        after={
            "currency": payment.received_currency,
            "amount": payment.received_amount,
            "paid_from": told.how.paid_from.value,
            "reference": told.how.reference,
        },
        reason=told.how.reason,
        actor_id=told.told_by,
    )


def _shown(payment: Payment) -> MismatchedPaymentShown:
    return MismatchedPaymentShown(**_columns(payment), received_at=payment.state_changed_at)


def _columns(payment: Payment) -> dict[str, Any]:
    """What is shown of a payment wherever it stands, by the names of its columns."""
    names = MismatchedPaymentShown.model_fields.keys() - {"received_at"}
    return {name: getattr(payment, name) for name in names}
