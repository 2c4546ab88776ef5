"""HTTP: a kiosk says how it is; an organizer reads how all of them are."""

from shared.wire import paths
from shared.wire.scanners import Heartbeat, HeartbeatAnswer
from sync_server.deployments import errors
from sync_server.deployments.callers import ScannerSessionCaller
from sync_server.deployments.endpoints import DeploymentPlace
from sync_server.heartbeat import service
from sync_server.heartbeat.schemas import HeartbeatShown
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.organizers.callers import AnyMember
from sync_server.organizers.errors import OrganizerNotFoundError

router = ProblemRouter(
    prefix="/v1/organizers/{organizer_id}/events/{event_id}/deployments/{deployment_id}",
    tags=["heartbeats"],
    responses=problem_responses(
        AuthenticationRequiredError, OrganizerNotFoundError, errors.DeploymentNotFoundError
    ),
)
scanner_router = ProblemRouter(tags=["scanner"])


@scanner_router.post(
    paths.HEARTBEATS,
    responses=problem_responses(
        errors.ProofInvalidError,
        errors.ProofNonceRequiredError,
        errors.ProofReplayedError,
        errors.TokenInvalidError,
        errors.TokenExpiredError,
        errors.SessionRevokedError,
        errors.SessionSupersededError,
        RequestInvalidError,
    ),
)
async def hear(heartbeat: Heartbeat, caller: ScannerSessionCaller) -> HeartbeatAnswer:
    return await service.hear(caller, heartbeat)


@router.get("/heartbeats", responses=problem_responses(CursorInvalidError))
async def list_heartbeats(
    place: DeploymentPlace, caller: AnyMember, page: PageDependency
) -> Page[HeartbeatShown]:
    return await service.list_heartbeats(caller, place, page)
