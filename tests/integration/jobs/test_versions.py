"""The queue on each version of PostgreSQL that we run on."""

from pathlib import Path

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.jobs import Job, JobHandler, NewJob, Schedule
from sync_server.kit.outbox import Message, publish
from sync_server.kit.pagination import PageRequest
from sync_server.migrations.runner import migrate
from sync_server.operations import jobs_pruning
from sync_server.operations.dead_jobs_service import list_dead_jobs, retry_dead_job, show_jobs
from sync_server.worker.timer import Timer
from tests.factories.jobs import Noting, Workshop
from tests.factories.tenants import make_person
from tests.integration.jobs.test_relay import relay_all
from tests.plugins.postgres import ClonedDatabase, services_on

NAME = "tests.work"
KIND = "tests.said"


class Broken(Exception):
    pass


async def fail_once(job: Job) -> None:
    await (fail() if job.attempt == 1 else succeed())


async def fail() -> None:
    raise Broken


async def succeed() -> None:
    """Do nothing."""


async def test_jobs_live_and_die_on_each_version(
    empty_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> None:
    await migrate(empty_database.administrator_url)
    database = Database(empty_database.login_url)
    broken = Noting(lambda _: fail())
    shop = Workshop(services_on(database, clock, tmp_path)).registering(
        JobHandler(NAME, Noting(fail_once), frozenset((KIND,)), first_delay_ms=1),
        JobHandler("tests.broken", broken, attempts_max=1),
    )
    shop.services.jobs.schedule(Schedule("tests.broken", 3_600))
    async with database.transaction(WORKER) as session:
        await publish(session, Message(KIND))
    await relay_all(shop.services)
    assert await Timer().tick_due(shop.services) == ["tests.broken"]
    assert await shop.enqueue(NewJob(NAME, unique_key="a"), NewJob(NAME, unique_key="a")) == 1
    async with shop.working():
        await shop.until("failed")
        admin = await make_person(shop.services)
        (dead,) = (await list_dead_jobs(shop.services, PageRequest())).items
        broken.then = None
        await retry_dead_job(shop.services, admin.user_id, dead.id)
        await shop.until()
    await jobs_pruning.prune(shop.services, Job(1, jobs_pruning.PRUNING, {}, 1))
    shown = await show_jobs(shop.services)
    await database.close()
    assert (dead.name, dead.attempts) == ("tests.broken", 1)
    assert (dead.reason or "").startswith("Broken at fail:")
    assert (shown.jobs, shown.schedules[0].last_source) == ([], "inside")
