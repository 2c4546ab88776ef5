"""The job that keeps the queue's own records short."""

from datetime import timedelta
from typing import Final

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.jobs import Job, JobHandler, Jobs, Schedule
from sync_server.kit.services import Services
from sync_server.operations import dead_jobs_repository as repository

PRUNING: Final = "jobs.prune"
KEPT_FOR: Final = timedelta(days=7)
_EVERY_SECONDS: Final = 3_600


async def prune(services: Services, _: Job) -> None:
    """Forget the notes of jobs that are over, and old ticks.

    Of a schedule's dead jobs only the last is kept: each would do what the next tick did.
    """
    before = instant(services.clock.now_ms()) - KEPT_FOR
    async with services.database.transaction(WORKER) as session:
        await repository.forget_before(session, before)
        await repository.forget_earlier_dead(session, list(services.jobs.schedules))


def register(jobs: Jobs) -> None:
    jobs.handler(JobHandler(PRUNING, prune))
    jobs.schedule(Schedule(PRUNING, _EVERY_SECONDS))
