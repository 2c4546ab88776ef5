"""The worker as a whole: its parts are kept running, and it ends when told without losing a job."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import text

from sync_server.composition import WEBHOOK_SOURCES, registered_jobs
from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import Job, JobHandler, NewJob, Schedule
from sync_server.kit.outbox import Message, publish
from sync_server.operations.jobs_pruning import PRUNING
from sync_server.webhooks.service import PRUNING as WEBHOOKS_PRUNING
from sync_server.worker.process import keep_running, work
from tests.factories.jobs import QUICK, WAIT_SECONDS, Noting, Workshop
from tests.plugins.postgres import ClonedDatabase, connected

NAME = "tests.work"
KIND = "tests.said"
MASTER_KEY = bytes(range(32)).hex()


async def hang(_: Job) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def at_work(shop: Workshop) -> AsyncIterator[None]:
    working = asyncio.create_task(work(shop.services, QUICK))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def test_news_and_ticks_become_jobs_and_are_done(workshop: Workshop) -> None:
    heard, scheduled = Noting(), Noting()
    shop = workshop.registering(
        JobHandler(NAME, heard, hears=frozenset((KIND,))), JobHandler("tests.hourly", scheduled)
    )
    shop.services.jobs.schedule(Schedule("tests.hourly", 3_600))
    async with shop.services.database.transaction(WORKER) as session:
        await publish(session, Message(KIND))
    async with at_work(shop):
        assert (await heard.next()).payload["kind"] == KIND
        assert "due_at" in (await scheduled.next()).payload
        await shop.until()


async def test_a_worker_that_is_cancelled_gives_its_jobs_back(workshop: Workshop) -> None:
    shop = workshop.registering(JobHandler(NAME, noting := Noting(hang)))
    await shop.enqueue(NewJob(NAME))
    async with at_work(shop):
        await noting.next()
    assert await shop.states() == ["queued"]


class Broken(Exception):
    pass


async def test_a_part_that_fails_is_begun_again_and_its_message_is_not_told(
    workshop: Workshop, capsys: pytest.CaptureFixture[str]
) -> None:
    stopping, begun = asyncio.Event(), 0

    async def fail_twice() -> None:
        nonlocal begun
        begun += 1
        await (failing() if begun <= 2 else stop())

    async def failing() -> None:
        message = "the token is zgu_very_secret"
        raise Broken(message)

    async def stop() -> None:
        stopping.set()

    await keep_running(workshop.services, "tests", fail_twice, stopping)
    printed = capsys.readouterr().out
    assert begun == 3
    assert printed.count("worker.failed") == 2
    assert "reason=Broken" in printed
    assert "very_secret" not in printed


async def test_a_part_that_waits_to_begin_again_ends_when_told(workshop: Workshop) -> None:
    stopping, failed = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        failed.set()
        raise Broken

    running = asyncio.create_task(keep_running(workshop.services, "tests", fail, stopping))
    await failed.wait()
    stopping.set()
    async with asyncio.timeout(WAIT_SECONDS):
        await running
    assert running.done()


@asynccontextmanager
async def running(
    database: ClonedDatabase, folder: Path, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A command as an operator runs it; it is told to end, and must end well."""
    environment = {
        "PATH": os.environ["PATH"],
        "ZERAKET_DATABASE_URL": database.login_url,
        "ZERAKET_DATA_DIRECTORY": str(folder),
        "ZERAKET_MASTER_KEY": MASTER_KEY,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sync_server", *arguments, env=environment
    )
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(WAIT_SECONDS):
            # Uvicorn hands the signal on once it has ended everything.
            assert await process.wait() in {0, -signal.SIGTERM}
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(found: Callable[[], Awaitable[object]], expected: object) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while await found() != expected:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("arguments", [("worker",), ("serve", "--port", "0")])
async def test_the_commands_do_what_is_scheduled(
    workshop: Workshop, spare_database: ClonedDatabase, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    schedules = set(registered_jobs(WEBHOOK_SOURCES).schedules)

    async def is_all_done() -> bool:
        query = "SELECT entrypoint FROM jobs.pgqueuer_log WHERE status = 'successful'"
        async with workshop.services.database.reading(WORKER) as session:
            return schedules <= set(await session.scalars(text(query)))

    async with running(spare_database, tmp_path, *arguments):
        await until(is_all_done, expected=True)
    assert {PRUNING, WEBHOOKS_PRUNING} <= schedules
    assert {row["status"] for row in await workshop.rows()} <= {"queued"}


async def test_a_server_without_a_worker_leaves_jobs_alone(
    workshop: Workshop, spare_database: ClonedDatabase, tmp_path: Path
) -> None:
    async with connected(spare_database.administrator_url) as administrator:

        async def is_connected() -> bool:
            query = (
                "SELECT count(*) > 0 FROM pg_stat_activity"
                " WHERE usename = 'zeraket_worker_login' AND datname = current_database()"
            )
            return bool(await administrator.scalar(text(query)))

        await workshop.enqueue(NewJob(PRUNING))
        await workshop.services.database.close()
        async with running(spare_database, tmp_path, "serve", "--port", "0", "--no-worker"):
            await until(is_connected, expected=True)
        ticks = await administrator.scalar(text("SELECT count(*) FROM cron_ticks"))
    assert (ticks, await workshop.states()) == (0, ["queued"])
