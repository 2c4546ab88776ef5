"""HTTP: an organizer's events and what each is made of."""

from uuid import UUID

from fastapi import status

from shared.ids import EventId
from sync_server.catalog import service
from sync_server.catalog.errors import (
    AlreadyExistsError,
    EventNotFoundError,
    NumbersExhaustedError,
    ZoneUnknownError,
)
from sync_server.catalog.schemas import (
    EventShown,
    GateShown,
    NewEvent,
    NewGate,
    NewTicketType,
    NewZone,
    TicketTypeShown,
    ZoneShown,
)
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.organizers.callers import AnyMember, EventManager
from sync_server.organizers.errors import CapabilityMissingError, OrganizerNotFoundError

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/events",
    tags=["catalog"],
    responses=problem_responses(AuthenticationRequiredError, RequestInvalidError),
)
_LISTED = problem_responses(OrganizerNotFoundError, EventNotFoundError, CursorInvalidError)
_MADE = problem_responses(
    OrganizerNotFoundError,
    CapabilityMissingError,
    EventNotFoundError,
    AlreadyExistsError,
    NumbersExhaustedError,
)
_MADE_WITH_ZONES = {**_MADE, **problem_responses(ZoneUnknownError, RequestInvalidError)}


@router.post("", status_code=status.HTTP_201_CREATED, responses=_MADE)
async def create_event(
    wanted: NewEvent,
    caller: EventManager,
    services: ServicesDependency,
) -> EventShown:
    return await service.create_event(caller, services, wanted)


@router.get("", responses=_LISTED)
async def list_events(caller: AnyMember, page: PageDependency) -> Page[EventShown]:
    return await service.list_events(caller, page)


@router.get("/{event_id}", responses=_LISTED)
async def read_event(event_id: UUID, caller: AnyMember) -> EventShown:
    return await service.find_event(caller.session, caller.organizer_id, EventId(event_id))


@router.post("/{event_id}/gates", status_code=status.HTTP_201_CREATED, responses=_MADE_WITH_ZONES)
async def create_gate(
    event_id: UUID,
    wanted: NewGate,
    caller: EventManager,
    services: ServicesDependency,
) -> GateShown:
    return await service.create_gate(caller, services, EventId(event_id), wanted)


@router.get("/{event_id}/gates", responses=_LISTED)
async def list_gates(event_id: UUID, caller: AnyMember, page: PageDependency) -> Page[GateShown]:
    return await service.list_gates(caller, EventId(event_id), page)


@router.post("/{event_id}/zones", status_code=status.HTTP_201_CREATED, responses=_MADE)
async def create_zone(
    event_id: UUID,
    wanted: NewZone,
    caller: EventManager,
    services: ServicesDependency,
) -> ZoneShown:
    return await service.create_zone(caller, services, EventId(event_id), wanted)


@router.get("/{event_id}/zones", responses=_LISTED)
async def list_zones(event_id: UUID, caller: AnyMember, page: PageDependency) -> Page[ZoneShown]:
    return await service.list_zones(caller, EventId(event_id), page)


@router.post(
    "/{event_id}/ticket-types",
    status_code=status.HTTP_201_CREATED,
    responses=_MADE_WITH_ZONES,
)
async def create_ticket_type(
    event_id: UUID,
    wanted: NewTicketType,
    caller: EventManager,
    services: ServicesDependency,
) -> TicketTypeShown:
    return await service.create_ticket_type(caller, services, EventId(event_id), wanted)


@router.get("/{event_id}/ticket-types", responses=_LISTED)
async def list_ticket_types(
    event_id: UUID,
    caller: AnyMember,
    page: PageDependency,
) -> Page[TicketTypeShown]:
    return await service.list_ticket_types(caller, EventId(event_id), page)
