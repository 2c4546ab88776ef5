"""The HTTP application: every router by name, problems, request log, and whether the server is
well.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Literal

from fastapi import APIRouter, FastAPI
from pydantic import BaseModel

from sync_server.admissions.endpoints import router as admissions_router
from sync_server.admissions.endpoints import scanner_router as admissions_scanner_router
from sync_server.audit.trail import AuditTrail
from sync_server.catalog.endpoints import router as catalog_router
from sync_server.deployments.callers import ProofNonces
from sync_server.deployments.endpoints import router as deployments_router
from sync_server.deployments.endpoints import scanner_router
from sync_server.evidence.endpoints import admin_router as evidence_admin_router
from sync_server.evidence.endpoints import router as evidence_router
from sync_server.heartbeat.endpoints import router as heartbeat_router
from sync_server.heartbeat.endpoints import scanner_router as heartbeat_scanner_router
from sync_server.identity.door import router as door_router
from sync_server.identity.endpoints import admins_router
from sync_server.identity.endpoints import router as identity_router
from sync_server.kit.logging import RequestLog
from sync_server.kit.problems import (
    DatabaseUnavailableError,
    ProblemError,
    install_problem_handlers,
    problem_responses,
)
from sync_server.kit.routing import name_problems
from sync_server.kit.services import Services, ServicesDependency
from sync_server.migrations.runner import current_revision, head_revision
from sync_server.organizers.endpoints import router as organizers_router
from sync_server.organizers.team import router as team_router
from sync_server.snapshots.endpoints import router as snapshots_router
from sync_server.snapshots.endpoints import scanner_router as snapshots_scanner_router
from sync_server.tickets.endpoints import router as tickets_router
from sync_server.tickets.endpoints import wallet_router

ServicesSource = Callable[[], AbstractAsyncContextManager[Services]]
Job = Callable[[Services], Coroutine[None, None, None]]

ROUTERS: Final[tuple[APIRouter, ...]] = (
    door_router,
    identity_router,
    admins_router,
    organizers_router,
    team_router,
    evidence_router,
    evidence_admin_router,
    catalog_router,
    tickets_router,
    wallet_router,
    deployments_router,
    scanner_router,
    snapshots_router,
    snapshots_scanner_router,
    admissions_router,
    admissions_scanner_router,
    heartbeat_router,
    heartbeat_scanner_router,
)


class MigrationsPendingError(ProblemError):
    status = 503
    code = "migrations_pending"
    title = "The database is older than this program; run `zeraket-server migrate`"


class Health(BaseModel):
    status: Literal["ok"] = "ok"


health_router = APIRouter(tags=["health"])


@health_router.get("/health")
async def read_health() -> Health:
    """Say that the process answers; it asks nothing of anything else."""
    return Health()


@health_router.get(
    "/ready",
    responses=problem_responses(DatabaseUnavailableError, MigrationsPendingError),
)
async def read_readiness(services: ServicesDependency) -> Health:
    """Say that the database answers and is at this program's revision."""
    if await current_revision(services.database) != head_revision():
        raise MigrationsPendingError
    return Health()


class _Application(FastAPI):
    """Describes its refusals as problems."""

    def openapi(self) -> dict[str, Any]:
        return name_problems(super().openapi())


def create_app(services_source: ServicesSource, *jobs: Job) -> FastAPI:
    """Build the application; its services are opened when it starts and closed when it ends.

    `jobs` run beside the answers until the application ends.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with services_source() as services:
            app.state.services = services
            running = [asyncio.create_task(job(services)) for job in jobs]
            yield
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    app = _Application(title="ZERAKET Gate", version="1", lifespan=lifespan)
    for router in (health_router, *ROUTERS):
        app.include_router(router)
    install_problem_handlers(app)
    app.add_middleware(ProofNonces)
    app.add_middleware(AuditTrail)
    app.add_middleware(RequestLog)
    return app
