"""Payments as other domains begin them: an intent with its own reference, in their transaction,
before any provider hears of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.kit.idempotency import Repeat
from sync_server.kit.instants import instant
from sync_server.kit.prepared import entity
from sync_server.kit.services import Services
from sync_server.ledger.postings import Shares
from sync_server.ledger.shares import share_columns
from sync_server.payments import repository
from sync_server.payments.models import Payment
from sync_server.payments.requests import PayerRequest, seal_request
from sync_server.payments.rules import PaymentState, Provider
from sync_server.payments.views import PaymentFacts, facts_of

SENT_WITHIN: Final = timedelta(seconds=30)
_REFERENCE_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class NewPayment:
    """What an order asks for; `shares` were fixed when it was quoted."""

    organizer_id: OrganizerId
    event_id: EventId
    order_id: UUID
    provider: Provider
    shares: Shares
    request: PayerRequest
    expires_at: datetime
    repeat: Repeat | None = None
    """Of the request that asked for it: the same makes no second payment."""


async def create_payment(
    session: AsyncSession, services: Services, wanted: NewPayment
) -> PaymentFacts:
    """Write the intent down; needs the worker's transaction. `PaymentFlow.submit` sends it."""
    row = new_row(services, wanted)
    await repository.add(session, row)
    return facts_of(row)


def new_row(services: Services, wanted: NewPayment) -> Payment:
    """A payment that no provider has heard of, under a reference of its own."""
    now = instant(services.clock.now_ms())
    payment_id = services.new_id()
    columns = {
        "organizer_id": wanted.organizer_id,
        "id": payment_id,
        "event_id": wanted.event_id,
        "order_id": wanted.order_id,
        "provider": wanted.provider,
        "state": PaymentState.CREATED,
        # MTN takes a UUID of version 4 and nothing else.
        "reference": UUID(bytes=services.randomness(_REFERENCE_BYTES), version=4),
        "currency": wanted.shares.total.currency,
        **share_columns(wanted.shares),
        "sealed_request": seal_request(services, wanted.request, payment_id),
        "attempts": 0,
        "refunded_amount": 0,
        "created_at": now,
        "expires_at": wanted.expires_at,
        "state_changed_at": now,
        # Whoever dies before it is sent leaves a payment that is found.
        "next_read_at": now + SENT_WITHIN,
        "repeat_hash": None if wanted.repeat is None else wanted.repeat.repeat_hash,
        "request_hash": None if wanted.repeat is None else wanted.repeat.request_hash,
    }
    return entity(Payment, columns)


async def find_repeated(
    session: AsyncSession, organizer_id: OrganizerId, repeat: Repeat
) -> PaymentFacts | None:
    """Give the payment that the same request made before; raises where its key made another. Needs
    the worker's transaction, in which the order is locked.
    """
    found = await repository.find_repeated_payment(session, organizer_id, repeat.repeat_hash)
    if found is None:
        return None
    row, request_hash = found
    repeat.require_same(request_hash)
    return facts_of(row)


async def payments_of_order(
    session: AsyncSession, organizer_id: OrganizerId, order_id: UUID
) -> Sequence[PaymentFacts]:
    rows = await repository.payments_of_order(session, organizer_id, order_id)
    return [facts_of(row) for row in rows]


async def lock_payment(session: AsyncSession, payment_id: UUID) -> None:
    """Hold a payment until commit; whoever also locks its order locks this first."""
    await repository.find_payment(session, payment_id, for_change=True)
