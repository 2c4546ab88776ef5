"""HTTP: who am I, where am I signed in, and who is an admin."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, BackgroundTasks, Query, Response, status

from sync_server.identity import accounts, roles, second_factor, service
from sync_server.identity.callers import Admin, OwnSession, Person, SignedInUser
from sync_server.identity.errors import (
    AdminRequiredError,
    LastAdminError,
    PasswordGuessableError,
    PasswordWrongError,
    SecondFactorExistsError,
    SecondFactorMissingError,
    SecondFactorNeededError,
    SecondFactorWrongError,
    SessionNotFoundError,
    TooManyAttemptsError,
    UserNotFoundError,
)
from sync_server.identity.schemas import (
    AdminsShown,
    Me,
    NewSecondFactor,
    PasswordChange,
    SecondFactorCode,
    SecondFactorMade,
    SessionsEnded,
    SessionShown,
)
from sync_server.kit.mail import send_quietly
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError, UserTransaction
from sync_server.kit.services import ServicesDependency

router = APIRouter(
    prefix="/v1/me",
    tags=["identity"],
    responses=problem_responses(AuthenticationRequiredError),
)
admins_router = APIRouter(
    prefix="/v1/admins",
    tags=["admins"],
    responses=problem_responses(
        AuthenticationRequiredError, AdminRequiredError, SecondFactorNeededError
    ),
)
_SECOND_FACTOR = problem_responses(
    SecondFactorMissingError, SecondFactorWrongError, RequestInvalidError, TooManyAttemptsError
)


@router.get("")
async def read_me(caller: SignedInUser) -> Me:
    name = await service.find_user_name(caller.session, caller.user_id)
    return Me(user_id=caller.user_id, display_name=name or "")


@router.get("/sessions", responses=problem_responses(CursorInvalidError, RequestInvalidError))
async def list_sessions(
    current: OwnSession,
    session: UserTransaction,
    services: ServicesDependency,
    page: PageDependency,
) -> Page[SessionShown]:
    return await service.list_own_sessions(session, services, current, page)


@router.delete("/sessions", responses=problem_responses(RequestInvalidError))
async def sign_out_everywhere(
    current: OwnSession,
    session: UserTransaction,
    services: ServicesDependency,
    keep_current: Annotated[bool, Query(description="Stay signed in here")] = False,  # noqa: FBT002 - a query's default
) -> SessionsEnded:
    kept = current.session_id if keep_current else None
    ended = await service.revoke_own_sessions(session, services, current.user_id, kept)
    return SessionsEnded(sessions_ended=ended)


@router.delete("/sessions/current", status_code=status.HTTP_204_NO_CONTENT)
async def sign_out(
    current: OwnSession, session: UserTransaction, services: ServicesDependency
) -> None:
    own = (current.user_id, current.session_id)
    await service.revoke_own_session(session, services, *own, kind="session.sign_out")


@router.delete(
    "/sessions/{session_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(SessionNotFoundError, RequestInvalidError),
)
async def end_session(session_id: UUID, caller: SignedInUser, services: ServicesDependency) -> None:
    await service.revoke_own_session(caller.session, services, caller.user_id, session_id)


@router.put(
    "/password",
    responses=problem_responses(
        PasswordWrongError, PasswordGuessableError, RequestInvalidError, TooManyAttemptsError
    ),
)
async def change_password(
    wanted: PasswordChange,
    current: Person,
    services: ServicesDependency,
    background: BackgroundTasks,
) -> SessionsEnded:
    changed = await accounts.change_password(services, current, wanted)
    if changed.letter is not None:
        background.add_task(send_quietly, services.mail, changed.letter)
    return SessionsEnded(sessions_ended=changed.sessions_ended)


@router.post(
    "/second-factor",
    status_code=status.HTTP_201_CREATED,
    responses=problem_responses(
        PasswordWrongError,
        SecondFactorNeededError,
        SecondFactorExistsError,
        RequestInvalidError,
        TooManyAttemptsError,
    ),
)
async def begin_second_factor(
    wanted: NewSecondFactor, current: Person, services: ServicesDependency, response: Response
) -> SecondFactorMade:
    """Give a secret for an authenticator app, once; a first code turns it on."""
    response.headers["Cache-Control"] = "no-store"
    present_password = wanted.present_password.get_secret_value()
    return await second_factor.begin(services, current, present_password)


@router.post(
    "/second-factor/confirm", status_code=status.HTTP_204_NO_CONTENT, responses=_SECOND_FACTOR
)
async def confirm_second_factor(
    given: SecondFactorCode, current: Person, services: ServicesDependency
) -> None:
    await second_factor.confirm(services, current, given.code)


@router.post(
    "/second-factor/prove", status_code=status.HTTP_204_NO_CONTENT, responses=_SECOND_FACTOR
)
async def prove_second_factor(
    given: SecondFactorCode, current: Person, services: ServicesDependency
) -> None:
    """Show the digits again, for what asks for a fresh proof."""
    await second_factor.prove(services, current, given.code)


@router.post(
    "/second-factor/remove", status_code=status.HTTP_204_NO_CONTENT, responses=_SECOND_FACTOR
)
async def remove_second_factor(
    given: SecondFactorCode, current: Person, services: ServicesDependency
) -> None:
    await second_factor.remove(services, current, given.code)


@admins_router.get("")
async def list_admins(_admin: Admin, services: ServicesDependency) -> AdminsShown:
    return await roles.list_admins(services)


@admins_router.put(
    "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(UserNotFoundError, RequestInvalidError),
)
async def grant_admin(user_id: UUID, granter: Admin, services: ServicesDependency) -> None:
    await roles.grant_admin(services, granter.user_id, user_id)


@admins_router.delete(
    "/{user_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=problem_responses(UserNotFoundError, LastAdminError, RequestInvalidError),
)
async def revoke_admin(user_id: UUID, revoker: Admin, services: ServicesDependency) -> None:
    await roles.revoke_admin(services, revoker.user_id, user_id)
