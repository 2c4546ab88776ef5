"""Data to play with: an organizer, an event with gates, zones and ticket types, and a token to act
with.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.ids import EventId, OrganizerId
from sync_server.catalog import service as catalog
from sync_server.catalog.schemas import NewEvent, NewGate, NewTicketType, NewZone
from sync_server.identity import service as identity
from sync_server.identity.callers import UserCaller
from sync_server.identity.rules import SessionToken
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.organizers import service as organizers
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.rules import Capability
from sync_server.organizers.schemas import NewOrganizer

GATE_NAMES: Final = ("Main gate", "North gate", "VIP gate")
ZONES: Final = ("Ground", "VIP", "Backstage")
TICKET_TYPES: Final = (
    NewTicketType(name="Regular", zones=frozenset({0}), static_allowed=True),
    NewTicketType(name="VIP", zones=frozenset({0, 1}), reentry_allowed=True),
    NewTicketType(name="Crew", zones=frozenset({0, 1, 2}), reentry_allowed=True, staff=True),
)
_HOUR_MS: Final = 3_600_000


@dataclass(frozen=True, slots=True)
class DemoData:
    """What was made; the token acts for the organizer's founder."""

    organizer_id: OrganizerId
    event_id: EventId
    token: SessionToken = field(repr=False)


async def create_demo_data(services: Services) -> DemoData:
    """Make one organizer with one event that begins now; each call makes another."""
    async with services.database.transaction(WORKER) as session:
        user_id = await identity.add_user(session, services, "Demo organizer")
        signed_in = await identity.start_session(session, services, user_id)
    async with services.database.transaction(user_claims(signed_in.token)) as session:
        founder = UserCaller(user_id, session)
        wanted = NewOrganizer(name="Demo Events")
        organizer = await organizers.create_organizer(founder, services, wanted)
        organizer_id = OrganizerId(organizer.id)
        caller = OrganizerCaller(user_id, session, organizer_id, frozenset(Capability))
        event_id = await _create_event(caller, services)
    return DemoData(organizer_id, event_id, signed_in.token)


async def _create_event(caller: OrganizerCaller, services: Services) -> EventId:
    """Validity in codes counts from an hour that has passed, so tickets can be valid already."""
    now_ms = services.clock.now_ms()
    wanted = NewEvent(
        name="Demo Night",
        base_time=instant(now_ms - now_ms % _HOUR_MS) - timedelta(hours=2),
        timezone="Africa/Kampala",
        venue="Demo Grounds, Kampala",
    )
    event = await catalog.create_event(caller, services, wanted)
    event_id = EventId(event.id)
    for name in GATE_NAMES:
        await catalog.create_gate(caller, services, event_id, NewGate(name=name))
    for name in ZONES:
        await catalog.create_zone(caller, services, event_id, NewZone(name=name))
    for ticket_type in TICKET_TYPES:
        await catalog.create_ticket_type(caller, services, event_id, ticket_type)
    return event_id
