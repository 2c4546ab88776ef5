"""Refunds as they are asked for, and as they are found again; `refund_flow` sends them.

Asking for one takes the money out of the organizer's account at once (the table's own trigger), so
nothing is given back twice or paid out meanwhile.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.kit.idempotency import Repeat
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.ledger.postings import Shares
from sync_server.ledger.shares import share_columns
from sync_server.payments import repository
from sync_server.payments.errors import (
    NotRefundableError,
    PaymentNotFoundError,
    RefundTooLargeError,
)
from sync_server.payments.models import StoredRefund
from sync_server.payments.refund_accounts import account_rail, newest_account
from sync_server.payments.rules import (
    PaidFrom,
    PaymentState,
    Provider,
    RefundState,
)
from sync_server.payments.views import RefundFacts, refund_facts_of

SENT_WITHIN: Final = timedelta(seconds=30)
_REFERENCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class NewRefund:
    """What is given back of a payment, whose part of it that is, and the lines of the order that it
    takes back; `retry_of` is a refund that failed, and is asked for once more, or was settled from
    outside (`paid_from`): then no provider is asked.
    """

    organizer_id: OrganizerId
    payment_id: UUID
    shares: Shares
    reason: str
    requested_by: UUID | None = None
    repeat: Repeat | None = None
    lines: frozenset[int] = frozenset()
    retry_of: UUID | None = None
    paid_from: PaidFrom | None = None


async def request_refund(
    session: AsyncSession, services: Services, wanted: NewRefund
) -> RefundFacts:
    """Write a refund down, with the account that the buyer named where its rail pays to one; needs
    the worker's transaction. `RefundFlow.submit` sends it.
    """
    payment = await repository.find_payment(session, wanted.payment_id, for_change=True)
    if payment is None or payment.organizer_id != wanted.organizer_id:
        raise PaymentNotFoundError
    amount = wanted.shares.total.minor_units
    if payment.state != PaymentState.SUCCEEDED or amount <= 0:
        raise NotRefundableError
    left = payment.amount - payment.refunded_amount
    if amount > left:
        raise RefundTooLargeError(extra={"left": left})
    row = _new_row(services, wanted)
    to_account = account_rail(services, Provider(payment.provider)) is not None
    if to_account and wanted.paid_from is None:
        account = await newest_account(session, wanted.organizer_id, payment.order_id)
        row.account_id = None if account is None else account.id
    await repository.change(session, payment, refunded_amount=payment.refunded_amount + amount)
    await repository.add(session, row)
    return refund_facts_of(row, payment)


def _new_row(services: Services, wanted: NewRefund) -> StoredRefund:
    now = instant(services.clock.now_ms())
    return StoredRefund(
        organizer_id=wanted.organizer_id,
        id=services.new_id(),
        payment_id=wanted.payment_id,
        state=RefundState.REQUESTED,
        reference=UUID(bytes=services.randomness(_REFERENCE_BYTES), version=4),
        **share_columns(wanted.shares),
        reason=wanted.reason,
        requested_by=wanted.requested_by,
        requested_at=now,
        state_changed_at=now,
        next_read_at=now + SENT_WITHIN if wanted.paid_from is None else None,
        attempts=0,
        repeat_hash=None if wanted.repeat is None else wanted.repeat.repeat_hash,
        request_hash=None if wanted.repeat is None else wanted.repeat.request_hash,
        lines=sorted(wanted.lines),
        retry_of=wanted.retry_of,
        paid_from=wanted.paid_from,
    )


async def find_repeated(
    session: AsyncSession, organizer_id: OrganizerId, repeat: Repeat
) -> RefundFacts | None:
    """Give the refund that the same request made before; raises where its key made another. Needs
    the worker's transaction, in which the payment is locked: of two at once one finds nothing
    otherwise.
    """
    found = await repository.find_repeated_refund(session, organizer_id, repeat.repeat_hash)
    if found is None:
        return None
    row, request_hash = found
    repeat.require_same(request_hash)
    payment = await repository.find_payment(session, row.payment_id)
    return None if payment is None else refund_facts_of(row, payment)


async def refunds_of_payment(
    session: AsyncSession, organizer_id: OrganizerId, payment_id: UUID
) -> list[RefundFacts]:
    payment = await repository.find_payment(session, payment_id)
    if payment is None:
        return []
    rows = await repository.refunds_of_payment(session, organizer_id, payment_id)
    return [refund_facts_of(row, payment) for row in rows]


async def refunds_of_order(
    session: AsyncSession, organizer_id: OrganizerId, order_id: UUID
) -> list[RefundFacts]:
    """Give every refund of every payment of an order; needs the worker's transaction."""
    rows = await repository.refunds_of_order(session, organizer_id, order_id)
    return [refund_facts_of(refund, payment) for refund, payment in rows]
