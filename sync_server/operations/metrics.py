"""HTTP: what Prometheus scrapes, for whoever has the token; without one there is no such
endpoint.
"""

import secrets
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Header, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text
from sqlalchemy.pool import QueuePool

from sync_server.kit.claims import WORKER
from sync_server.kit.metrics import ALARMS_OPEN, CONNECTIONS_IN_USE, JOBS, REGISTRY
from sync_server.kit.problems import (
    DatabaseUnavailableError,
    NotFoundError,
    ProblemError,
    problem_responses,
)
from sync_server.kit.routing import ProblemRouter
from sync_server.kit.services import Services, ServicesDependency

_JOBS: Final = text("SELECT status::text, count(*) FROM jobs.pgqueuer GROUP BY status")
_ALARMS: Final = text("SELECT kind, count(*) FROM alarms WHERE cleared_at IS NULL GROUP BY kind")


class MetricsOffError(NotFoundError):
    code = "metrics_off"
    title = "This server shows no metrics"


class MetricsTokenInvalidError(ProblemError):
    status = 401
    code = "metrics_token_invalid"
    title = "The metrics token is missing or wrong"


@dataclass(frozen=True, slots=True)
class Scraper:
    """A monitoring system that knows the token; it reads numbers and nothing else."""


async def scraper(
    services: ServicesDependency,
    authorization: Annotated[str, Header(description="Bearer, and the token")] = "",
) -> Scraper:
    if services.metrics_token is None:
        raise MetricsOffError
    expected = f"Bearer {services.metrics_token.get_secret_value()}"
    if not secrets.compare_digest(authorization.encode(), expected.encode()):
        raise MetricsTokenInvalidError
    return Scraper()


KnownScraper = Annotated[Scraper, Depends(scraper)]

router = ProblemRouter(tags=["metrics"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={
        200: {
            "description": "Metrics in Prometheus' text format",
            "content": {"text/plain": {"example": 'zeraket_jobs{state="queued"} 3.0'}},
        },
        **problem_responses(MetricsOffError, MetricsTokenInvalidError, DatabaseUnavailableError),
    },
)
async def read_metrics(_scraper: KnownScraper, services: ServicesDependency) -> Response:
    """Show this process's counts, and the queue's and the alarms' of all processes."""
    await _look(services)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)


async def _look(services: Services) -> None:
    """What is a state and no event is read when it is asked for."""
    database = services.database
    for name, engine in (("requests", database.engine), ("worker", database.worker_engine)):
        pool = engine.pool
        in_use = pool.checkedout() if isinstance(pool, QueuePool) else 0
        CONNECTIONS_IN_USE.labels(name).set(in_use)
    async with database.reading(WORKER) as session:
        for gauge, query in ((JOBS, _JOBS), (ALARMS_OPEN, _ALARMS)):
            rows = (await session.execute(query)).all()
            gauge.clear()
            for label, count in rows:
                gauge.labels(label).set(count)
