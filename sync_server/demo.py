"""Data to play with: an organizer and what its sales cost, an event with gates, zones and ticket
types, and a token to act with.
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
from sync_server.identity.rules import SessionToken, UserId
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.instants import instant
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from sync_server.orders import offers
from sync_server.orders.rules import Bearer, FeeKind
from sync_server.orders.schemas import NewFeeRule
from sync_server.organizers import service as organizers
from sync_server.organizers.callers import OrganizerCaller
from sync_server.organizers.rules import Capability
from sync_server.organizers.schemas import NewMember, NewOrganizer
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
FEES: Final = (
    ("platform_fee", FeeKind.PLATFORM_FEE, 500),
    ("vat_on_fee", FeeKind.TAX_ON_FEES, 1_800),
)
"""Basis points; the organizer bears them."""
_ACCOUNTANT: Final = frozenset({Capability.FINANCE_VIEW, Capability.PAYOUTS_APPROVE})
_HOUR_MS: Final = 3_600_000


TICKETS_DEFAULT: Final = 2_000


@dataclass(frozen=True, slots=True)
class DemoData:
    """What was made; one token acts for the organizer's founder, the other for somebody who decides
    on the payouts that the founder asks for.
    """

    organizer_id: OrganizerId
    event_id: EventId
    deployment: DeploymentShown
    gates: tuple[GateShown, ...]
    code: EnrolmentCodeShown = field(repr=False)
    tickets: tuple[ClaimedTicket, ...] = field(repr=False)
    token: SessionToken = field(repr=False)
    accountant_token: SessionToken = field(repr=False)


async def create_demo_data(services: Services, tickets_wanted: int = TICKETS_DEFAULT) -> DemoData:
    """Make one organizer with one event that begins now; each call makes another."""
    async with services.database.transaction(WORKER) as session:
        signed_in = await identity.add_operators_user(session, services, "Demo organizer")
        accountant = await identity.add_operators_user(session, services, "Demo accountant")
    async with services.database.transaction(user_claims(signed_in.token)) as session:
        founder = UserCaller(signed_in.user_id, session)
        wanted = NewOrganizer(name="Demo Events")
        organizer = await organizers.create_organizer(founder, services, wanted)
        organizer_id = OrganizerId(organizer.id)
        caller = OrganizerCaller(signed_in.user_id, session, organizer_id, frozenset(Capability))
        approver = NewMember(user_id=accountant.user_id, capabilities=_ACCOUNTANT)
        await organizers.add_member(founder, services, organizer_id, approver)
        event_id = await _create_event(caller, services)
        issued = await _issue_tickets(caller, services, event_id, tickets_wanted)
        deployment, code = await _deploy(caller, services, event_id)
        floor = await catalog.load_event_floor(session, organizer_id, event_id)
    await _set_fees(services, signed_in.user_id, organizer_id)
    return DemoData(
        organizer_id=organizer_id,
        event_id=event_id,
        deployment=deployment,
        gates=floor.gates,
        code=code,
        tickets=issued,
        token=signed_in.token,
        accountant_token=accountant.token,
    )


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


async def _set_fees(services: Services, founder_id: UserId, organizer_id: OrganizerId) -> None:
    """Rules for this organizer alone, that whoever runs this command sets as an admin would."""
    for name, kind, basis_points in FEES:
        wanted = NewFeeRule(
            name=name,
            organizer_id=organizer_id,
            kind=kind,
            bearer=Bearer.ORGANIZER,
            basis_points=basis_points,
        )
        await offers.add_fee_rule(services, founder_id, wanted)


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
