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
from sync_server.composition import WEBHOOK_SOURCES
from sync_server.deployments.callers import ProofNonces
from sync_server.deployments.endpoints import router as deployments_router
from sync_server.deployments.endpoints import scanner_router
from sync_server.evidence.endpoints import admin_router as evidence_admin_router
from sync_server.evidence.endpoints import router as evidence_router
from sync_server.examples import show_examples
from sync_server.heartbeat.endpoints import router as heartbeat_router
from sync_server.heartbeat.endpoints import scanner_router as heartbeat_scanner_router
from sync_server.identity.door import router as door_router
from sync_server.identity.endpoints import admins_router
from sync_server.identity.endpoints import router as identity_router
from sync_server.identity.guessing import install_guessing_limits
from sync_server.identity.request_rates import RequestRates, TooManyRequestsError
from sync_server.kit.logging import RequestLog
from sync_server.kit.problems import (
    DatabaseUnavailableError,
    ProblemError,
    install_problem_handlers,
    problem_responses,
)
from sync_server.kit.routing import name_operations, name_problems
from sync_server.kit.services import Services, ServicesDependency
from sync_server.kit.tracing import RequestTraces
from sync_server.ledger.endpoints import router as ledger_router
from sync_server.media.endpoints import files_router
from sync_server.media.endpoints import router as media_router
from sync_server.migrations.runner import current_revision, head_revision
from sync_server.openid.endpoints import identities_router
from sync_server.openid.endpoints import router as openid_router
from sync_server.operations.dead_jobs import router as jobs_router
from sync_server.operations.endpoints import router as alarms_router
from sync_server.operations.jobs_cron import router as cron_router
from sync_server.operations.metrics import router as metrics_router
from sync_server.orders.endpoints import order_router, rules_router, shop_router
from sync_server.orders.endpoints import router as orders_router
from sync_server.orders.refund_endpoints import account_router, refunds_router
from sync_server.orders.refund_endpoints import router as order_refunds_router
from sync_server.organizers.endpoints import router as organizers_router
from sync_server.organizers.team import router as team_router
from sync_server.passkeys.endpoints import door_router as passkeys_door_router
from sync_server.passkeys.endpoints import router as passkeys_router
from sync_server.payments.endpoints import router as payments_router
from sync_server.payments.mismatched_endpoints import router as mismatched_router
from sync_server.payouts.endpoints import admin_router as payouts_admin_router
from sync_server.payouts.endpoints import router as payouts_router
from sync_server.realtime.endpoints import router as realtime_router
from sync_server.reconciliation.endpoints import router as reconciliation_router
from sync_server.reports.endpoints import router as reports_router
from sync_server.snapshots.endpoints import router as snapshots_router
from sync_server.snapshots.endpoints import scanner_router as snapshots_scanner_router
from sync_server.tickets.endpoints import router as tickets_router
from sync_server.tickets.endpoints import wallet_router
from sync_server.web.assets import router as assets_router
from sync_server.web.endpoints import router as web_router
from sync_server.web.error_pages import install_error_pages
from sync_server.web.headers import BrowserHeaders
from sync_server.web.pages import router as pages_router
from sync_server.webhooks.endpoints import router as webhooks_router
from sync_server.webhooks.sources import WebhookSources

ServicesSource = Callable[[], AbstractAsyncContextManager[Services]]
Job = Callable[[Services], Coroutine[None, None, None]]

ROUTERS: Final[tuple[APIRouter, ...]] = (
    door_router,
    identity_router,
    admins_router,
    openid_router,
    identities_router,
    passkeys_door_router,
    passkeys_router,
    organizers_router,
    team_router,
    evidence_router,
    evidence_admin_router,
    catalog_router,
    media_router,
    files_router,
    ledger_router,
    payments_router,
    mismatched_router,
    shop_router,
    order_router,
    orders_router,
    rules_router,
    payouts_router,
    payouts_admin_router,
    reports_router,
    account_router,
    order_refunds_router,
    refunds_router,
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
    jobs_router,
    cron_router,
    metrics_router,
    webhooks_router,
    realtime_router,
    alarms_router,
    reconciliation_router,
    web_router,
    pages_router,
    assets_router,
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
        if self.openapi_schema is None:
            described = name_operations(name_problems(super().openapi(), TooManyRequestsError))
            self.openapi_schema = show_examples(described)
        return self.openapi_schema


def create_app(
    services_source: ServicesSource, *jobs: Job, webhook_sources: WebhookSources = WEBHOOK_SOURCES
) -> FastAPI:
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

    # No /docs: its scripts come from elsewhere, and would run beside people's sessions.
    app = _Application(
        title="ZERAKET Gate",
        version="1",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        # As the routers made them: including a router would make each once more, at first use.
        routes=[route for router in (health_router, *ROUTERS) for route in router.routes],
    )
    app.state.webhook_sources = webhook_sources
    install_problem_handlers(app)
    install_guessing_limits(app)
    install_error_pages(app)
    app.add_middleware(ProofNonces)
    app.add_middleware(AuditTrail)
    app.add_middleware(RequestRates)
    app.add_middleware(BrowserHeaders)
    app.add_middleware(RequestLog)
    app.add_middleware(RequestTraces)
    return app
