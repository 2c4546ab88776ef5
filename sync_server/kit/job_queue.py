"""The queue: PgQueuer behind the port of `kit.jobs`. The only file that imports it.

Its tables stand in a schema of their own. Each worker reads them over one connection of its own, as
a role that reaches nothing else; jobs are added over the connection of the caller's transaction.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field, replace
from datetime import timedelta
from functools import partial
from typing import Any, Final, NoReturn

import structlog
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models, types
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.settings import DBSettings, Durability
from pgqueuer.ports.repository import EntrypointExecutionParameter
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.database import CONNECTION_FAULTS
from sync_server.kit.job_attempts import Dead, Done, GivenBack, RetryLater, Verdict, attempt
from sync_server.kit.jobs import Job, JobHandler, JobRegistry, NewJob
from sync_server.kit.services import Services

QUEUE_SCHEMA: Final = "jobs"
QUEUE_ROLE: Final = "zeraket_jobs"
_CONNECTION_NAME: Final = "zeraket-jobs"
_CLOSING_SECONDS_MAX: Final = 5
_WATCHING_SECONDS: Final = 0.2
# Every name is given, so that no variable of the environment can change one.
_SETTINGS: Final = DBSettings(
    prefix="",
    db_schema=QUEUE_SCHEMA,
    channel=types.Channel("ch_pgqueuer"),
    function="fn_pgqueuer_changed",
    statistics_table="pgqueuer_statistics",
    queue_status_type="pgqueuer_status",
    queue_table="pgqueuer",
    queue_table_log="pgqueuer_log",
    trigger="tg_pgqueuer_changed",
    schedules_table="pgqueuer_schedules",
    durability=Durability.durable,
    widen_id=False,
)
_GIVEN_BACK: Final = "given back"
_NOTES: Final = """
    SELECT job_id, status = 'picked' AS is_taken,
        status = 'queued' AND traceback IS NULL AS is_clean
    FROM jobs.pgqueuer_log WHERE job_id = ANY($1::bigint[]) ORDER BY id
"""
_HOLDS: Final = """
    SELECT 1 FROM jobs.pgqueuer
    WHERE id = $1::bigint AND status = 'picked' AND queue_manager_id = $2::uuid
"""
_LOG: Final = structlog.get_logger(__name__)


class QueueLostError(Exception):
    """The queue's connection ended; its jobs are taken over unless it comes back in time."""


class _JobDeadError(Exception):
    """What PgQueuer is told of a job that is not tried again; its text is the reason kept."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How much a worker takes on, and when it is thought dead by the others."""

    at_once_max: int = 10
    heartbeat_seconds: float = 30
    stopping_seconds: float = 5

    @property
    def batch(self) -> int:
        """At most half of what may run at once: PgQueuer insists."""
        return max(1, self.at_once_max // 2)


def install_queue() -> str:
    """SQL that makes the queue's schema, tables, function and trigger."""
    return QueryBuilderEnvironment(_SETTINGS).build_install_query()


def tune_queue() -> str:
    """SQL that has busy tables vacuumed often."""
    return QueryBuilderEnvironment(_SETTINGS).build_optimize_autovacuum_query()


def uninstall_queue() -> str:
    return QueryBuilderEnvironment(_SETTINGS).build_uninstall_query()


class PgQueuerJobs(JobRegistry):
    """The port, filled."""

    async def enqueue(self, session: AsyncSession, job: NewJob) -> bool:
        return await self.enqueue_many(session, (job,)) == 1

    async def enqueue_many(self, session: AsyncSession, jobs: Sequence[NewJob]) -> int:
        if not jobs:
            return 0
        connection = await (await session.connection()).get_raw_connection()
        queries = Queries(AsyncpgDriver(connection.driver_connection), **_builders())
        added = await queries.enqueue(
            [job.name for job in jobs],
            [json.dumps(dict(job.payload)).encode() for job in jobs],
            [0] * len(jobs),
            [timedelta(seconds=job.delay_seconds) for job in jobs],
            [job.unique_key for job in jobs],
            on_conflict="skip",
        )
        return sum(job_id is not None for job_id in added)


def _builders() -> dict[str, Any]:
    return {
        "qbe": QueryBuilderEnvironment(_SETTINGS),
        "qbq": QueryQueueBuilder(_SETTINGS),
        "qbs": QuerySchedulerBuilder(_SETTINGS),
    }


@dataclass
class _WorkQueue(Queries):
    """PgQueuer's statements as one worker gives them, mended where they would lose a job."""

    _: KW_ONLY
    worker_id: types.QueueManagerId | None = None
    ending: asyncio.Event = field(default_factory=asyncio.Event)

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[types.QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: types.QueueManagerId,
        global_concurrency_limit: int | None,
        heartbeat_timeout: timedelta,
    ) -> list[models.Job]:
        """Count the attempts of workers that were killed as well."""
        try:
            jobs = await super().dequeue(
                batch_size,
                entrypoints,
                queue_manager_id,
                global_concurrency_limit,
                heartbeat_timeout,
            )
            times = await self._times_taken(jobs) if jobs else {}
        except Exception:
            # Nothing more can be noted: what still runs is given up, for another to begin anew.
            self.ending.set()
            raise
        for job in jobs:
            job.attempts = times[job.id] - 1
        return jobs

    async def _times_taken(self, jobs: Sequence[models.Job]) -> dict[types.JobId, int]:
        """Say how often each was taken since it was enqueued, revived or given back: all three
        leave a clean note. PgQueuer's own count leaves out the attempts whose worker was killed.
        """
        notes: list[Any] = await self.driver.fetch(_NOTES, [job.id for job in jobs])
        times = dict.fromkeys((job.id for job in jobs), 0)
        for note in notes:
            before = 0 if note["is_clean"] else times[note["job_id"]]
            times[note["job_id"]] = before + note["is_taken"]
        return times

    async def retry_job(
        self,
        job: models.Job,
        delay: timedelta,
        traceback_record: models.TracebackRecord | None,
    ) -> None:
        """Leave a job alone that another has taken over meanwhile, or that cannot be noted: it
        would be marked dead, and is taken over later.
        """
        given_back = traceback_record and traceback_record.exception_message == _GIVEN_BACK
        try:
            if await self.holds(job):
                kept = None if given_back else traceback_record
                await super().retry_job(job, delay, kept)
                # PgQueuer tells the others of new jobs and of this one nothing: they would look
                # only after their whole wait.
                await self.driver.notify(_SETTINGS.channel, _changed())
        except CONNECTION_FAULTS as error:
            _LOG.warning("jobs.unrecorded", job_id=job.id, reason=type(error).__name__)

    async def log_jobs(
        self,
        job_status: list[tuple[models.Job, types.JOB_STATUS, models.TracebackRecord | None]],
    ) -> None:
        """Nobody cancels a job of ours: one that is said to be cancelled is not dropped, and is
        taken over later.
        """
        over = [noted for noted in job_status if noted[1] != "canceled"]
        if over:
            await super().log_jobs(over)

    async def holds(self, job: models.Job) -> bool:
        return bool(await self.driver.fetch(_HOLDS, job.id, self.worker_id))


class _WorkManager(QueueManager):
    """PgQueuer's loop, deaf to cancellations: whoever can run SQL could send one by NOTIFY, which
    asks for no right, and the job would be dropped.
    """

    def get_context(self, job_id: types.JobId) -> models.Context:
        context = super().get_context(job_id)
        return replace(context, cancellation=type(context.cancellation)())


def _changed() -> str:
    return models.TableChangedEvent(
        channel=_SETTINGS.channel,
        operation="update",
        sent_at=models.utc_now(),
        table=_SETTINGS.queue_table,
        type="table_changed_event",
    ).model_dump_json()


async def work_off(services: Services, limits: QueueLimits, stopping: asyncio.Event) -> None:
    """Do jobs until `stopping`, and what is begun then to its end if that is soon; raises where
    the queue's connection is lost.
    """
    logging.getLogger("pgqueuer").disabled = True  # it repeats what errors say
    async with _queue_connection(services) as connection:
        queue = _WorkQueue(AsyncpgDriver(connection), **_builders())
        manager = _WorkManager(queue, channel=_SETTINGS.channel)
        queue.worker_id = manager.queue_manager_id
        for handler in services.jobs.handlers.values():
            performed = partial(_perform, services, queue, handler)
            manager.entrypoint(handler.name, accepts_context=False, on_failure="hold")(performed)

        closing = asyncio.create_task(_close(manager, queue, limits, stopping))
        watching = asyncio.create_task(_watch(connection, manager, queue))
        try:
            await manager.run(
                # Of a worker that was killed nobody is told: looking twice a heartbeat finds out.
                dequeue_timeout=timedelta(seconds=limits.heartbeat_seconds / 2),
                batch_size=limits.batch,
                max_concurrent_tasks=2 * limits.batch,
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=limits.heartbeat_seconds),
                log_aggregation_interval=timedelta(0),
            )
        finally:
            closing.cancel()
            watching.cancel()
    if not stopping.is_set():
        raise QueueLostError


@asynccontextmanager
async def _queue_connection(services: Services) -> AsyncIterator[Any]:
    connection = await services.database.connect_apart(QUEUE_ROLE, _CONNECTION_NAME)
    try:
        yield connection
    finally:
        with suppress(*CONNECTION_FAULTS):
            await connection.close(timeout=_CLOSING_SECONDS_MAX)


async def _watch(connection: Any, manager: QueueManager, queue: _WorkQueue) -> None:  # noqa: ANN401 - asyncpg has no types
    """Give up what runs once the connection has ended. It is asked, since asyncpg tells its
    termination listeners nothing where the end comes between two messages.
    """
    while not connection.is_closed():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(_WATCHING_SECONDS)
    queue.ending.set()
    manager.shutdown.set()


async def _close(
    manager: QueueManager, queue: _WorkQueue, limits: QueueLimits, stopping: asyncio.Event
) -> None:
    """Take no more, then wait for what runs, then give it back."""
    await stopping.wait()
    manager.shutdown.set()
    await asyncio.sleep(limits.stopping_seconds)
    queue.ending.set()


async def _perform(
    services: Services, queue: _WorkQueue, handler: JobHandler, queued: models.Job
) -> None:
    """Do a job as PgQueuer expects: return when it is done, raise what is to become of it.

    A task that is cancelled must not say so: PgQueuer would take the job for unwanted and drop it.
    """
    try:
        job = Job(queued.id, handler.name, json.loads(queued.payload or b"{}"), queued.attempts + 1)
        verdict: Verdict = await attempt(services, handler, job, queue.ending)
    except asyncio.CancelledError:
        verdict = GivenBack()
    except ValueError as error:
        verdict = Dead(f"{type(error).__name__} in the payload")
    match verdict:
        case Done():
            return
        case GivenBack():
            raise RetryRequested(timedelta(0), _GIVEN_BACK)
        case RetryLater(delay_ms, reason):
            raise RetryRequested(timedelta(milliseconds=delay_ms), reason)
        case Dead(reason):
            await _bury(queue, queued, reason)


async def _bury(queue: _WorkQueue, job: models.Job, reason: str) -> NoReturn:
    """A job that another worker has taken over is not this one's to bury."""
    with suppress(*CONNECTION_FAULTS):
        if not await queue.holds(job):
            raise RetryRequested(timedelta(0), _GIVEN_BACK)
    raise _JobDeadError(reason)
