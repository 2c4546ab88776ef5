"""HTTP: jobs and the dead among them, for admins."""

from typing import Annotated

from fastapi import Path, status

from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Subject
from sync_server.identity.callers import Admin
from sync_server.identity.errors import AdminRequiredError, SecondFactorNeededError
from sync_server.kit.pagination import CursorInvalidError, Page, PageDependency
from sync_server.kit.problems import RequestInvalidError, problem_responses
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import ServicesDependency
from sync_server.operations import dead_jobs_service as service
from sync_server.operations.dead_jobs_errors import DeadJobNotFoundError, JobWaitsAlreadyError
from sync_server.operations.dead_jobs_schemas import DeadJobShown, Discarding, JobsShown

router = ProblemRouter(
    prefix="/v1/jobs",
    tags=["jobs"],
    responses=problem_responses(
        AuthenticationRequiredError, AdminRequiredError, SecondFactorNeededError
    ),
)
_ONE = problem_responses(DeadJobNotFoundError, RequestInvalidError)
JobId = Annotated[int, Path(ge=1, le=service.JOB_ID_MAX)]


@router.get("")
async def show_jobs(_admin: Admin, services: ServicesDependency) -> JobsShown:
    """Count jobs by name and state, and say when each schedule ran last."""
    return await service.show_jobs(services)


@router.get("/dead", responses=problem_responses(CursorInvalidError, RequestInvalidError))
async def list_dead_jobs(
    _admin: Admin, services: ServicesDependency, page: PageDependency
) -> Page[DeadJobShown]:
    audit.note_access(Access(AccessKind.READ, Subject("job", "*")))
    return await service.list_dead_jobs(services, page)


@router.post(
    "/dead/{job_id}/retry",
    status_code=status.HTTP_204_NO_CONTENT,
    responses=_ONE | problem_responses(JobWaitsAlreadyError),
)
async def retry_dead_job(job_id: JobId, admin: Admin, services: ServicesDependency) -> None:
    """Let it be tried again; the cause should be gone."""
    await service.retry_dead_job(services, admin.user_id, job_id)


@router.post("/dead/{job_id}/discard", status_code=status.HTTP_204_NO_CONTENT, responses=_ONE)
async def discard_dead_job(
    job_id: JobId, wanted: Discarding, admin: Admin, services: ServicesDependency
) -> None:
    """Give it up, with a reason that is kept."""
    await service.discard_dead_job(services, admin.user_id, job_id, wanted.reason)
