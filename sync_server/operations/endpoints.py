"""HTTP: alarms, for admins."""

from uuid import UUID

from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.operations import service
from sync_server.operations.errors import AlarmNotFoundError
from sync_server.operations.schemas import AlarmShown

router = ProblemRouter(
    prefix="/v1/alarms",
    tags=["alarms"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        RequestInvalidError,
    ),
)


@router.get("", responses=problem_responses(CursorInvalidError))
async def list_alarms(
    _admin: Admin, services: ServicesDependency, page: PageDependency
) -> Page[AlarmShown]:
    """List open alarms first, then cleared ones; the newest of each first."""
    return await service.list_alarms(services, page)


@router.post("/{alarm_id}/acknowledge", responses=problem_responses(AlarmNotFoundError))
async def acknowledge_alarm(
    alarm_id: UUID, admin: Admin, services: ServicesDependency
) -> AlarmShown:
    """Take an alarm on; it stays open until what is wrong is right."""
    return await service.acknowledge_alarm(services, admin.user_id, alarm_id)
