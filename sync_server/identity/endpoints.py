"""HTTP: who am I, and sign me out everywhere."""

from fastapi import APIRouter

from sync_server.identity import service
from sync_server.identity.callers import SignedInUser
from sync_server.identity.schemas import Me, SessionsEnded
from sync_server.kit.problems import problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.services import ServicesDependency

router = APIRouter(
    prefix="/v1/me",
    tags=["identity"],
    responses=problem_responses(AuthenticationRequiredError),
)


@router.get("")
async def read_me(caller: SignedInUser) -> Me:
    name = await service.find_user_name(caller.session, caller.user_id)
    return Me(user_id=caller.user_id, display_name=name or "")


@router.delete("/sessions")
async def sign_out_everywhere(caller: SignedInUser, services: ServicesDependency) -> SessionsEnded:
    ended = await service.revoke_own_sessions(caller.session, services, caller.user_id)
    return SessionsEnded(sessions_ended=ended)
