"""A workshop: a queue in a database of its own, handlers that note what they did, and workers that
run beside the test.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import httpx
from sqlalchemy import text

from sync_server.app import create_app
from sync_server.kit.claims import WORKER
from sync_server.kit.job_queue import PgQueuerJobs, QueueLimits, work_off
from sync_server.kit.jobs import Job, JobHandler, NewJob
from sync_server.kit.services import Services
from sync_server.webhooks.sources import WebhookSources
from sync_server.worker.process import keep_running
from tests.factories.tenants import PUBLIC_URL, Person, make_person
from tests.plugins.postgres import connected, given

WAIT_SECONDS = 30
QUICK = QueueLimits(at_once_max=8, heartbeat_seconds=2, stopping_seconds=1)


@dataclass
class Noting:
    """A handler that notes its jobs, and then does what the test says."""

    then: Callable[[Job], Awaitable[None]] | None = None
    seen: "asyncio.Queue[Job]" = field(default_factory=asyncio.Queue)
    done: list[Job] = field(default_factory=list)

    async def __call__(self, _: Services, job: Job) -> None:
        self.seen.put_nowait(job)
        if self.then is not None:
            await self.then(job)
        self.done.append(job)

    async def next(self) -> Job:
        async with asyncio.timeout(WAIT_SECONDS):
            return await self.seen.get()


@dataclass(frozen=True)
class Workshop:
    services: Services

    def registering(self, *handlers: JobHandler) -> "Workshop":
        """The same database as another process would see it, with handlers of its own."""
        jobs = PgQueuerJobs()
        for handler in handlers:
            jobs.handler(handler)
        return Workshop(replace(self.services, jobs=jobs))

    async def enqueue(self, *jobs: NewJob) -> int:
        async with self.services.database.transaction(WORKER) as session:
            return await self.services.jobs.enqueue_many(session, jobs)

    @asynccontextmanager
    async def working(self, limits: QueueLimits = QUICK) -> AsyncIterator[asyncio.Event]:
        """Keep one worker running; what is given stops it when it is set."""
        stopping = asyncio.Event()

        async def work() -> None:
            await work_off(self.services, limits, stopping)

        running = asyncio.create_task(keep_running(self.services, "queue", work, stopping))
        try:
            yield stopping
        finally:
            stopping.set()
            await running

    async def rows(self) -> list[dict[str, Any]]:
        query = "SELECT id, entrypoint, status::text, attempts FROM jobs.pgqueuer ORDER BY id"
        async with self.services.database.reading(WORKER) as session:
            return [dict(row) for row in (await session.execute(text(query))).mappings()]

    async def states(self) -> list[str]:
        return [row["status"] for row in await self.rows()]

    async def until(self, *states: str) -> None:
        """Wait until the queue holds jobs in exactly these states; nobody tells of it."""
        async with asyncio.timeout(WAIT_SECONDS):
            while await self.states() != list(states):  # noqa: ASYNC110
                await asyncio.sleep(0.02)

    async def reason(self) -> str | None:
        """Why the job that died last did."""
        query = (
            "SELECT traceback->>'exception_message' FROM jobs.pgqueuer_log"
            " WHERE status = 'failed' ORDER BY id DESC LIMIT 1"
        )
        async with self.services.database.reading(WORKER) as session:
            found = await session.scalar(text(query))
        return None if found is None else str(found)


_MAKE_ADMIN = (
    "INSERT INTO user_roles (user_id, role) VALUES (:user_id, 'admin')",
    "UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :user_id",
)


async def make_admin(services: Services, administrator_url: str) -> Person:
    """Somebody who may see jobs: an admin, signed in with a second factor."""
    admin = await make_person(services, "Florence")
    async with connected(administrator_url) as administrator:
        for statement in _MAKE_ADMIN:
            await administrator.execute(text(statement), {"user_id": admin.user_id})
    return admin


@asynccontextmanager
async def client_of(
    services: Services, sources: WebhookSources | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The application over these services, with no worker beside it."""
    app = create_app(partial(given, services), webhook_sources=sources or {})
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client,
    ):
        yield client
