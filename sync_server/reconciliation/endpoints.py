"""HTTP: runs of reconciliation and what they found, for admins."""

from uuid import UUID

from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.reconciliation import reading
from sync_server.reconciliation.schemas import ItemShown, RunShown

router = ProblemRouter(
    prefix="/v1/reconciliation/runs",
    tags=["reconciliation"],
    responses=problem_responses(
        AuthenticationRequiredError,
        AdminRequiredError,
        SecondFactorNeededError,
        CursorInvalidError,
        RequestInvalidError,
    ),
)


@router.get("")
async def list_runs(
    _admin: Admin, services: ServicesDependency, page: PageDependency
) -> Page[RunShown]:
    """List runs, the newest first."""
    return await reading.list_runs(services, page)


@router.get("/{run_id}/items")
async def list_items(
    run_id: UUID, _admin: Admin, services: ServicesDependency, page: PageDependency
) -> Page[ItemShown]:
    """List what a run found, in the order of its checks; nothing of a run that there is not."""
    return await reading.list_items(services, run_id, page)
