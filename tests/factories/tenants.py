"""Organizers to test with: each is new, so tests may commit and never clean up."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.catalog import service as catalog
from sync_server.catalog.schemas import NewEvent, NewGate, NewTicketType, NewZone
from sync_server.identity import service as identity
from sync_server.identity.callers import UserCaller
from sync_server.identity.rules import SessionToken, UserId
from sync_server.kit.claims import WORKER, Claims, user_claims
from sync_server.kit.services import Services
from sync_server.media.callers import Sender
from sync_server.media.repository import Place
from sync_server.media.rules import Bucket
from sync_server.organizers import service as organizers
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.rules import Capability
from sync_server.organizers.schemas import NewMember, NewOrganizer
from tests.factories.files import a_pdf, a_photo, keep
from tests.factories.openid import link_identity
from tests.factories.team import add_passkey, confirm_address, furnish_team

BASE_TIME = datetime(2026, 12, 1, tzinfo=UTC)
PUBLIC_URL = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in."""

    user_id: UserId
    token: SessionToken

    @property
    def claims(self) -> Claims:
        return user_claims(self.token)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Tenant:
    """An organizer and its founder, who may do everything."""

    organizer_id: OrganizerId
    founder: Person

    @property
    def claims(self) -> Claims:
        return self.founder.claims

    @property
    def headers(self) -> dict[str, str]:
        return self.founder.headers

    @property
    def path(self) -> str:
        return f"/v1/organizers/{self.organizer_id}"


async def make_person(
    services: Services,
    name: str = "Grace",
    lifetime: timedelta = identity.SESSION_LIFETIME,
) -> Person:
    async with services.database.transaction(WORKER) as session:
        user_id = await identity.add_user(session, services, name)
        signed_in = await identity.start_session(session, services, user_id, lifetime)
    return Person(user_id, signed_in.token)


async def make_tenant(services: Services, name: str = "Nile Nights") -> Tenant:
    founder = await make_person(services)
    async with services.database.transaction(founder.claims) as session:
        caller = UserCaller(founder.user_id, session)
        shown = await organizers.create_organizer(caller, services, NewOrganizer(name=name))
    return Tenant(OrganizerId(shown.id), founder)


async def make_member(services: Services, tenant: Tenant, *capabilities: Capability) -> Person:
    person = await make_person(services, "Moses")
    wanted = NewMember(user_id=person.user_id, capabilities=frozenset(capabilities))
    async with services.database.transaction(tenant.claims) as session:
        caller = UserCaller(tenant.founder.user_id, session)
        await organizers.add_member(caller, services, tenant.organizer_id, wanted)
    return person


def founder_caller(tenant: Tenant, session: AsyncSession) -> OrganizerCaller:
    capabilities = frozenset(Capability)
    return OrganizerCaller(tenant.founder.user_id, session, tenant.organizer_id, capabilities)


async def furnish(services: Services, tenant: Tenant) -> None:
    """Give a tenant a row in every table a tenant has: the two-tenant matrix tries each of them."""
    await make_event(services, tenant)
    await make_member(services, tenant)
    address = f"{tenant.founder.user_id}@example.org"
    await confirm_address(services, tenant.founder.user_id, address)
    await link_identity(services, tenant.founder.user_id, address)
    await add_passkey(services, tenant.founder.user_id)
    async with services.database.transaction(tenant.claims) as session:
        await furnish_team(services, founder_caller(tenant, session))
    for bucket, content in (
        (Bucket.MARKETING_MEDIA, a_photo(400)),
        (Bucket.ORGANIZER_DOCUMENTS, a_pdf()),
    ):
        place = Place(tenant.organizer_id, bucket)
        sender = Sender(tenant.claims, place, tenant.founder.user_id, "a file")
        await keep(services, sender, content)
    subject = Subject("organizer", "its own", tenant.organizer_id)
    async with services.database.transaction(tenant.claims) as session:
        await audit.record_action(session, services, Action("furnish", subject))
        await audit.record_access(session, services, Access(AccessKind.READ, subject))


async def make_event(services: Services, tenant: Tenant, name: str = "Night One") -> EventId:
    """An event with one gate, one zone and one ticket type."""
    wanted = NewEvent(name=name, base_time=BASE_TIME, timezone="Africa/Kampala", venue="Lugogo")
    async with services.database.transaction(tenant.claims) as session:
        caller = OrganizerCaller(
            tenant.founder.user_id,
            session,
            tenant.organizer_id,
            frozenset(Capability),
        )
        event = await catalog.create_event(caller, services, wanted)
        event_id = EventId(event.id)
        await catalog.create_gate(caller, services, event_id, NewGate(name="Main"))
        await catalog.create_zone(caller, services, event_id, NewZone(name="Ground"))
        regular = NewTicketType(name="Regular", zones=frozenset({0}))
        await catalog.create_ticket_type(caller, services, event_id, regular)
    return event_id
