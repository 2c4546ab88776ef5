"""Data to play with: an organizer, an event with gates, zones and ticket types, and a token to act
with.
"""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from shared.ids import DeploymentId, EventId, OrganizerId
from sync_server.catalog import service as catalog
from sync_server.catalog.schemas import GateShown, NewEvent, NewGate, NewTicketType, NewZone
from sync_server.deployments import service as deployments
from sync_server.deployments.schemas import (
    DeploymentShown,
    EnrolmentCodeShown,
    NewDeployment,
    NewEnrolmentCode,
)
from sync_server.identity import service as identity
from sync_server.identity.callers import UserCaller
from sync_server.identity.rules import SessionToken
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.instants import instant
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from sync_server.organizers import service as organizers
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.rules import Capability
from sync_server.organizers.schemas import NewOrganizer
from sync_server.tickets import service as tickets
from sync_server.tickets.schemas import (
    TICKETS_PER_CALL_MAX,
    ClaimedTicket,
    NewTicket,
    NewTickets,
)

GATE_NAMES: Final = ("Main gate", "North gate", "VIP gate")
ZONES: Final = ("Ground", "VIP", "Backstage")
TICKET_TYPES: Final = (
    NewTicketType(name="Regular", zones=frozenset({0}), static_allowed=True),
    NewTicketType(name="VIP", zones=frozenset({0, 1}), reentry_allowed=True),
    NewTicketType(name="Crew", zones=frozenset({0, 1, 2}), reentry_allowed=True, staff=True),
)
_HOUR_MS: Final = 3_600_000


TICKETS_DEFAULT: Final = 2_000


@dataclass(frozen=True, slots=True)
class DemoData:
    """What was made; the token acts for the organizer's founder."""

    organizer_id: OrganizerId
    event_id: EventId
    deployment: DeploymentShown
    gates: tuple[GateShown, ...]
    code: EnrolmentCodeShown = field(repr=False)
    tickets: tuple[ClaimedTicket, ...] = field(repr=False)
    token: SessionToken = field(repr=False)


async def create_demo_data(services: Services, tickets_wanted: int = TICKETS_DEFAULT) -> DemoData:
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
        issued = await _issue_tickets(caller, services, event_id, tickets_wanted)
        deployment, code = await _deploy(caller, services, event_id)
        floor = await catalog.load_event_floor(session, organizer_id, event_id)
    return DemoData(organizer_id, event_id, deployment, floor.gates, code, issued, signed_in.token)


async def _issue_tickets(
    caller: OrganizerCaller, services: Services, event_id: EventId, wanted: int
) -> tuple[ClaimedTicket, ...]:
    """Nine of ten tickets are of the first type; the others take turns."""
    floor = await catalog.load_event_floor(caller.session, caller.organizer_id, event_id)
    types = [floor.ticket_types[0].id] * 27 + [kind.id for kind in floor.ticket_types]
    asked = [
        NewTicket(ticket_type_id=types[number % len(types)], holder_name=f"Guest {number + 1}")
        for number in range(wanted)
    ]
    issued: list[ClaimedTicket] = []
    for start in range(0, wanted, TICKETS_PER_CALL_MAX):
        some = NewTickets(tickets=asked[start : start + TICKETS_PER_CALL_MAX])
        made = await tickets.issue_tickets(caller, services, event_id, some)
        issued.extend(made.tickets)
    return tuple(issued)


async def _deploy(
    caller: OrganizerCaller, services: Services, event_id: EventId
) -> tuple[DeploymentShown, EnrolmentCodeShown]:
    floor = await catalog.load_event_floor(caller.session, caller.organizer_id, event_id)
    wanted = NewDeployment(name="Demo doors", gate_ids=[gate.id for gate in floor.gates])
    deployment = await deployments.create_deployment(caller, services, event_id, wanted)
    code = await deployments.create_enrolment_code(
        caller,
        services,
        open_server_keys(services),
        (caller.organizer_id, event_id, DeploymentId(deployment.id)),
        NewEnrolmentCode(gate_id=floor.gates[0].id),
    )
    return deployment, code


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
