"""HTTP: invite people to an organizer's team, and give programs tokens."""

from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Response, status

from sync_server.identity.callers import Person
from sync_server.kit.idempotency import IdempotencyKeyReusedError, OptionalKey
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.services import ServicesDependency
from sync_server.organizers import invitations, service_accounts
from sync_server.organizers.callers import MembersManager
from sync_server.organizers.errors import (
    CapabilityMissingError,
    InvitationNotFoundError,
    InvitationTokenUnknownError,
    MemberExistsError,
    OrganizerNotFoundError,
    ServiceAccountNotFoundError,
    TooManyInvitationsError,
)
from sync_server.organizers.schemas import (
    InvitationAnswer,
    InvitationShown,
    MembershipShown,
    NewInvitation,
    NewServiceAccount,
    ServiceAccountMade,
    ServiceAccountShown,
)

router = APIRouter(
    prefix="/v1",
    tags=["team"],
    responses=problem_responses(AuthenticationRequiredError, RequestInvalidError),
)
_INVITATIONS = "/organizers/{organizer_id}/invitations"
_ACCOUNTS = "/organizers/{organizer_id}/service-accounts"
_MANAGED = (OrganizerNotFoundError, CapabilityMissingError)


@router.post(
    _INVITATIONS,
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        *_MANAGED, TooManyInvitationsError, RequestInvalidError, IdempotencyKeyReusedError
    ),
)
async def invite(
    wanted: NewInvitation,
    caller: MembersManager,
    services: ServicesDependency,
    background: BackgroundTasks,
    request: OptionalKey,
) -> InvitationShown:
    """Send a person a letter; they join when they open its link. A repeat sends no second one."""

    async def make() -> InvitationShown:
        invited = await invitations.invite(caller, services, wanted)
        background.add_task(invitations.send_invitation, services, invited)
        return invited.shown

    return await request.answer_once(caller.session, caller.organizer_id, InvitationShown, make)


@router.get(_INVITATIONS, responses=problem_responses(*_MANAGED, CursorInvalidError))
async def list_invitations(caller: MembersManager, page: PageDependency) -> Page[InvitationShown]:
    return await invitations.list_invitations(caller, page)


@router.delete(
    _INVITATIONS + "/{invitation_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(*_MANAGED, InvitationNotFoundError),
)
async def withdraw_invitation(
    invitation_id: UUID, caller: MembersManager, services: ServicesDependency
) -> None:
    await invitations.withdraw_invitation(caller, services, invitation_id)


@router.post(
    "/invitations/accept",
    responses=problem_responses(InvitationTokenUnknownError, MemberExistsError),
)
async def accept_invitation(
    answer: InvitationAnswer, person: Person, services: ServicesDependency
) -> MembershipShown:
    """Join; only whoever has confirmed the invited address can."""
    token = answer.token.get_secret_value()
    return await invitations.accept_invitation(services, person.user_id, token)


@router.post(
    _ACCOUNTS,
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(*_MANAGED, RequestInvalidError, IdempotencyKeyReusedError),
)
async def create_service_account(
    wanted: NewServiceAccount,
    caller: MembersManager,
    services: ServicesDependency,
    response: Response,
    request: OptionalKey,
) -> ServiceAccountMade:
    """Give a program a token; it is shown once, and again to a repeat under the same key."""
    response.headers["Cache-Control"] = "no-store"
    return await request.answer_once(
        caller.session,
        caller.organizer_id,
        ServiceAccountMade,
        lambda: service_accounts.create_service_account(caller, services, wanted),
    )


@router.get(_ACCOUNTS, responses=problem_responses(*_MANAGED, CursorInvalidError))
async def list_service_accounts(
    caller: MembersManager, page: PageDependency
) -> Page[ServiceAccountShown]:
    return await service_accounts.list_service_accounts(caller, page)


@router.delete(
    _ACCOUNTS + "/{account_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(*_MANAGED, ServiceAccountNotFoundError),
)
async def revoke_service_account(
    account_id: UUID, caller: MembersManager, services: ServicesDependency
) -> None:
    await service_accounts.revoke_service_account(caller, services, account_id)
