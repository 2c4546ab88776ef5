"""Payouts to test with: money that is there, two people, a destination, a flow over one rail."""

from collections import Counter
from dataclasses import dataclass, field, replace
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.rules import Capability
from sync_server.payments.ports import (
    Accepted,
    Answer,
    Destination,
    DisbursementRequest,
    HolderName,
    Refused,
    Unknown,
)
from sync_server.payments.rails import PaymentRails, rails_of
from sync_server.payments.rules import Finding, Provider, Reading
from sync_server.payouts import destinations, service
from sync_server.payouts.flow import PayoutFlow
from sync_server.payouts.rules import RAILS
from sync_server.payouts.schemas import (
    Approval,
    DestinationShown,
    NewDestination,
    NewPayout,
    PayoutShown,
    Refusal,
)
from tests.factories.ledger import EVENT_ID, a_sale, post, ugx
from tests.factories.rails import PHONE, RunningRail
from tests.factories.tenants import Person, Tenant, make_member

AVAILABLE = 94_100
HOLDER = "Box Sand"
"""Whose account it is, as MTN's sandbox says with the names the other way round."""


@dataclass(frozen=True, slots=True)
class Treasury:
    """An organizer with money and two people: the founder asks, the checker decides."""

    services: Services
    tenant: Tenant
    checker: Person
    destination: DestinationShown

    async def request(self, amount: int = 50_000, destination_id: UUID | None = None) -> UUID:
        place = destination_id or self.destination.id
        wanted = NewPayout(destination_id=place, currency="UGX", amount=amount)
        async with self.services.database.transaction(self.tenant.claims) as session:
            caller = caller_of(self.tenant, self.tenant.founder, session)
            return (await service.request_payout(caller, paying_out(self.services), wanted)).id

    async def approve(self, payout_id: UUID, *, accepts_name: bool = False) -> PayoutShown:
        approval = Approval(accepts_name=accepts_name)
        async with self.services.database.transaction(self.checker.claims) as session:
            caller = caller_of(self.tenant, self.checker, session)
            services = paying_out(self.services)
            return await service.approve_payout(caller, services, payout_id, approval)

    async def refuse(self, payout_id: UUID) -> PayoutShown:
        async with self.services.database.transaction(self.checker.claims) as session:
            caller = caller_of(self.tenant, self.checker, session)
            refusal = Refusal(reason="wrong month")
            return await service.refuse_payout(caller, self.services, payout_id, refusal)

    async def approved(self, amount: int = 50_000, destination_id: UUID | None = None) -> UUID:
        payout_id = await self.request(amount, destination_id)
        await self.approve(payout_id)
        return payout_id

    async def withdraw(self) -> None:
        """Pay nothing more to the destination."""
        async with self.services.database.transaction(self.checker.claims) as session:
            caller = caller_of(self.tenant, self.checker, session)
            await destinations.withdraw_destination(caller, self.services, self.destination.id)

    async def reference(self, payout_id: UUID) -> str:
        """Our reference, as the rail knows it."""
        async with self.services.database.reading(WORKER) as session:
            query = text("SELECT reference FROM payouts WHERE id = :id")
            return str(await session.scalar(query, {"id": payout_id}))

    async def attempts(self, payout_id: UUID) -> list[tuple[str, str]]:
        query = text("SELECT kind, finding FROM payout_attempts WHERE payout_id = :id")
        async with self.services.database.reading(WORKER) as session:
            rows = await session.execute(query, {"id": payout_id})
            return sorted((row.kind, row.finding) for row in rows)


def caller_of(tenant: Tenant, person: Person, session: AsyncSession) -> OrganizerCaller:
    everything = frozenset(Capability)
    return OrganizerCaller(person.user_id, session, tenant.organizer_id, everything)


async def earn(services: Services, tenant: Tenant, amount: int = AVAILABLE) -> None:
    """Have money available, as after an event."""
    sale = a_sale(f"sale-{services.new_id()}", organizer=amount)
    await post(services, tenant, postings.capture(sale))
    await post(services, tenant, postings.release(EVENT_ID, services.new_id().int, ugx(amount)))


async def a_destination(
    services: Services, tenant: Tenant, checker: Person, **changes: str
) -> DestinationShown:
    """Written down by the founder and confirmed by the checker; at MTN, unless it is elsewhere."""
    terms = {
        "label": "Ours",
        "rail": "mtn",
        "currency": "UGX",
        "holder": HOLDER,
        "account": PHONE,
        **changes,
    }
    wanted = NewDestination.model_validate(terms)
    async with services.database.transaction(tenant.claims) as session:
        caller = caller_of(tenant, tenant.founder, session)
        added = await destinations.add_destination(caller, paying_out(services), wanted)
    async with services.database.transaction(checker.claims) as session:
        caller = caller_of(tenant, checker, session)
        return await destinations.confirm_destination(caller, services, added.id)


async def a_treasury(services: Services, tenant: Tenant) -> Treasury:
    checker = await make_member(services, tenant, *Capability)
    await earn(services, tenant)
    destination = await a_destination(services, tenant, checker)
    return Treasury(services, tenant, checker, destination)


@dataclass(slots=True)
class ScriptedRail:
    """A rail that says what it was told to, in turn."""

    answers: list[Answer]
    readings: list[Reading] = field(default_factory=list)
    provider: Provider = Provider.MTN
    float_held: Money | None = None

    async def check_holder(self, destination: Destination, _currency: str) -> HolderName:
        return HolderName(destination.holder, is_active=True)

    async def disburse(self, _request: DisbursementRequest) -> Answer:
        return self.answers.pop(0)

    async def read_disbursement(self, _request: DisbursementRequest) -> Reading:
        return self.readings.pop(0)

    async def read_balance(self, _currency: str) -> Money | None:
        return self.float_held


@dataclass(slots=True)
class ModelRail:
    """A rail that keeps what it was sent, refuses a reference that it knows, and fails as told:
    each fault befalls one call.
    """

    sending: list[str] = field(default_factory=list)
    reading: list[str] = field(default_factory=list)
    movements: dict[str, Finding] = field(default_factory=dict)
    paid: Counter[str] = field(default_factory=Counter)
    provider: Provider = Provider.MTN

    async def check_holder(self, destination: Destination, _currency: str) -> HolderName:
        return HolderName(destination.holder, is_active=True)

    async def disburse(self, request: DisbursementRequest) -> Answer:
        fault = self.sending.pop(0) if self.sending else ""
        if fault == "never arrives":
            return Unknown("ConnectTimeout")
        if fault == "is refused" or request.reference in self.movements:
            return Refused(fault or "DUPLICATE")
        self.movements[request.reference] = Finding.PENDING
        self.paid[request.reference] += 1
        return Unknown("ReadTimeout") if fault == "answer is lost" else Accepted()

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        if self.reading:
            return Reading(Finding.UNKNOWN, reason=self.reading.pop(0))
        finding = self.movements.get(request.reference, Finding.NOT_FOUND)
        return Reading(finding, amount=request.amount)

    async def read_balance(self, _currency: str) -> Money | None:
        return None


def paying_out(services: Services) -> Services:
    """Services that offer every rail that pays out: a model of each that is not there."""
    rails = rails_of(services)
    models = {rail: ModelRail(provider=rail) for rail in RAILS}
    offered = PaymentRails(rails.collectors, {**models, **rails.disbursers}, rails.intake)
    return replace(services, parts={**services.parts, PaymentRails: offered})


def flow_on(services: Services, rail: RunningRail) -> PayoutFlow:
    """A flow over one running rail."""
    return PayoutFlow(services, {rail.disburser.provider: rail.disburser}, rail.merchant.url)
