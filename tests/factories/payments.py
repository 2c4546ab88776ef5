"""Payments to test with: an order's intent, a flow over one rail, and a listener that remembers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message
from sync_server.kit.services import Services
from sync_server.ledger.postings import Shares
from sync_server.payments import repository
from sync_server.payments import service as payments
from sync_server.payments.flow import PaymentFlow
from sync_server.payments.models import Payment
from sync_server.payments.ports import Collector, Payer
from sync_server.payments.rails import PaymentRails
from sync_server.payments.readings import Told
from sync_server.payments.refund_flow import RefundFlow
from sync_server.payments.requests import PayerRequest
from sync_server.payments.rules import Provider, Reading
from sync_server.payments.service import NewPayment
from sync_server.payments.views import PaymentFacts, RefundFacts
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.ledger import ugx
from tests.factories.rails import PHONE, RunningRail
from tests.factories.tenants import Tenant

SHARES = Shares(ugx(94_100), ugx(5_000), ugx(900), ugx(0), ugx(0))


@dataclass(slots=True)
class Heard:
    """A listener that remembers what it was told."""

    told: list[tuple[str, UUID]] = field(default_factory=list)

    async def captured(self, _session: AsyncSession, payment: PaymentFacts) -> Sequence[Message]:
        self.told.append(("captured", payment.id))
        return ()

    async def gave_up(self, _session: AsyncSession, payment: PaymentFacts) -> None:
        self.told.append(("gave_up", payment.id))

    async def taken_back(self, _session: AsyncSession, payment: PaymentFacts) -> None:
        self.told.append(("taken_back", payment.id))

    async def given_back(self, _session: AsyncSession, refund: RefundFacts) -> None:
        self.told.append(("given_back", refund.id))

    async def not_given_back(self, _session: AsyncSession, refund: RefundFacts) -> None:
        self.told.append(("not_given_back", refund.id))

    @property
    def words(self) -> list[str]:
        return [word for word, _ in self.told]

    def words_of(self, payment: PaymentFacts) -> list[str]:
        """What was told of one payment: whoever asks about all that is due hears of others."""
        return [word for word, told in self.told if told == payment.id]


def flow_over(
    services: Services, collectors: Mapping[Provider, Collector], heard: Heard, url: str = ""
) -> PaymentFlow:
    refunds = RefundFlow(services, PaymentRails(collectors), heard, url)
    return PaymentFlow(services, collectors, heard, refunds, url)


def flow_on(services: Services, rail: RunningRail, heard: Heard) -> PaymentFlow:
    """A flow over one running rail."""
    return flow_over(services, {rail.collector.provider: rail.collector}, heard, rail.merchant.url)


async def an_intent(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    provider: Provider = Provider.MTN,
    shares: Shares = SHARES,
    order_id: UUID | None = None,
) -> PaymentFacts:
    """A payment of an order, which need not be there."""
    request = PayerRequest(
        Payer("Grace", "grace@example.org", PHONE), "ORD-1", "Two tickets", "http://127.0.0.1/back"
    )
    expires_at = instant(services.clock.now_ms()) + timedelta(minutes=15)
    wanted = NewPayment(
        organizer_id=tenant.organizer_id,
        event_id=event_id,
        order_id=order_id or services.new_id(),
        provider=provider,
        shares=shares,
        request=request,
        expires_at=expires_at,
    )
    async with services.database.transaction(WORKER) as session:
        return await payments.create_payment(session, services, wanted)


async def reference_of(services: Services, payment: PaymentFacts) -> str:
    """Our reference, as the provider knows it."""
    return str((await found(services, payment.id)).reference)


async def settle_untold(
    services: Services, rail: RunningRail, payment: PaymentFacts, state: MovementState
) -> None:
    """Have the provider decide, and its callback get lost."""
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING)
    await rail.engine.settle(await reference_of(services, payment), state)


async def readings_of(services: Services, payment: PaymentFacts) -> list[tuple[str, str]]:
    """Who asked about a payment, and what was found."""
    async with services.database.reading(WORKER) as session:
        query = text("SELECT source, finding FROM payment_readings WHERE payment_id = :id")
        rows = await session.execute(query, {"id": payment.id})
        return sorted((row.source, row.finding) for row in rows)


async def found(services: Services, payment_id: UUID) -> Payment:
    """A payment's row as it stands."""
    async with services.database.reading(WORKER) as session:
        payment = await repository.find_payment(session, payment_id)
    assert payment is not None
    return payment


async def hear_of(flow: PaymentFlow, payment_id: UUID, reading: Reading) -> PaymentFacts:
    """Have a flow follow a reading as if its provider had just given it."""
    seen = await found(flow.services, payment_id)
    return await flow._record(seen, Told(reading, "poll", 1))
