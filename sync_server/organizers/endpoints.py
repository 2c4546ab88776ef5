"""HTTP: found an organizer, see one's own, and say who may do what."""

from uuid import UUID

from fastapi import APIRouter, status

from sync_server.identity.callers import SignedInUser
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.services import ServicesDependency
from sync_server.organizers import service
from sync_server.organizers.callers import AnyMember, MembersManager
from sync_server.organizers.errors import (
    CapabilityMissingError,
    LastManagerError,
    MemberExistsError,
    MemberNotFoundError,
    OrganizerExistsError,
    OrganizerNotFoundError,
)
from sync_server.organizers.schemas import (
    MemberCapabilities,
    MemberShown,
    NewMember,
    NewOrganizer,
    OrganizerShown,
)

router = APIRouter(
    prefix="/v1/organizers",
    tags=["organizers"],
    responses=problem_responses(AuthenticationRequiredError, RequestInvalidError),
)
_MEMBERS = "/{organizer_id}/members"
_MANAGED = (OrganizerNotFoundError, CapabilityMissingError)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(OrganizerExistsError),
)
async def create_organizer(
    wanted: NewOrganizer,
    caller: SignedInUser,
    services: ServicesDependency,
) -> OrganizerShown:
    return await service.create_organizer(caller, services, wanted)


@router.get("", responses=problem_responses(CursorInvalidError))
async def list_organizers(caller: SignedInUser, page: PageDependency) -> Page[OrganizerShown]:
    return await service.list_organizers(caller, page)


@router.get("/{organizer_id}", responses=problem_responses(OrganizerNotFoundError))
async def read_organizer(caller: AnyMember) -> OrganizerShown:
    return await service.find_organizer(caller, caller.organizer_id)


@router.get(_MEMBERS, responses=problem_responses(OrganizerNotFoundError, CursorInvalidError))
async def list_members(caller: AnyMember, page: PageDependency) -> Page[MemberShown]:
    return await service.list_members(caller, caller.organizer_id, page)


@router.post(
    _MEMBERS,
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_MANAGED, MemberExistsError),
)
async def add_member(
    wanted: NewMember,
    caller: MembersManager,
    services: ServicesDependency,
) -> MemberShown:
    return await service.add_member(caller, services, caller.organizer_id, wanted)


@router.put(
    _MEMBERS + "/{user_id}",
    responses=problem_responses(*_MANAGED, MemberNotFoundError, LastManagerError),
)
async def set_capabilities(
    user_id: UUID,
    wanted: MemberCapabilities,
    caller: MembersManager,
    services: ServicesDependency,
) -> MemberShown:
    organizer_id, capabilities = caller.organizer_id, wanted.capabilities
    return await service.set_capabilities(caller, services, organizer_id, user_id, capabilities)


@router.delete(
    _MEMBERS + "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(*_MANAGED, MemberNotFoundError, LastManagerError),
)
async def remove_member(
    user_id: UUID, caller: MembersManager, services: ServicesDependency
) -> None:
    await service.remove_member(caller, services, caller.organizer_id, user_id)
