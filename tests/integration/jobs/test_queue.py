"""The port on PostgreSQL: what is enqueued is done, whatever becomes of those who do it."""

import asyncio

import pytest
from sqlalchemy import text

from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.job_queue import QueueLimits
from sync_server.kit.jobs import Job, JobHandler, NewJob
from tests.factories.jobs import WAIT_SECONDS, Noting, Workshop
from tests.plugins.postgres import ClonedDatabase, connected

NAME = "tests.work"
_CUT_QUEUE = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE application_name = 'zeraket-jobs' AND datname = current_database()
"""


class SecretTold(Exception):
    pass


async def fail(_: Job) -> None:
    message = "the token is zgu_very_secret"
    raise SecretTold(message)


async def hang(_: Job) -> None:
    await asyncio.Event().wait()


async def wait_for_nothing() -> None:
    """End at once."""


async def fail_twice(job: Job) -> None:
    await (fail(job) if job.attempt <= 2 else wait_for_nothing())


async def hang_first(job: Job) -> None:
    await (hang(job) if job.attempt == 1 else wait_for_nothing())


def dispatching() -> list[asyncio.Task[object]]:
    """The tasks that the library does jobs in."""
    return [
        task
        for task in asyncio.all_tasks()
        if "_dispatch" in getattr(task.get_coro(), "__qualname__", "")
    ]


async def test_a_handler_is_given_what_was_enqueued(workshop: Workshop) -> None:
    noting = Noting()
    there = workshop.registering(JobHandler(NAME, noting))
    async with there.working():
        await there.enqueue(NewJob(NAME, {"order_id": "7"}))
        job = await noting.next()
        await there.until()
    assert (job.name, job.payload, job.attempt) == (NAME, {"order_id": "7"}, 1)


async def test_a_job_is_there_if_and_only_if_its_transaction_commits(workshop: Workshop) -> None:
    services = workshop.services
    async with services.database.transaction(WORKER) as session:
        assert await services.jobs.enqueue(session, NewJob(NAME))
        await session.rollback()
    assert await workshop.rows() == []
    assert await workshop.enqueue(NewJob(NAME), NewJob(NAME)) == 2
    assert await workshop.states() == ["queued", "queued"]


async def test_enqueueing_nothing_is_nothing(workshop: Workshop) -> None:
    assert await workshop.enqueue() == 0


async def test_of_one_unique_key_one_job_waits_or_runs(workshop: Workshop) -> None:
    release = asyncio.Event()

    async def wait(_: Job) -> None:
        await release.wait()

    noting = Noting(wait)
    there = workshop.registering(JobHandler(NAME, noting))
    same = NewJob(NAME, unique_key="order 7")
    assert await there.enqueue(same, same, NewJob(NAME, unique_key="order 8")) == 2
    async with there.working():
        await noting.next()
        assert await there.enqueue(same) == 0
        release.set()
        await there.until()
        assert await there.enqueue(same) == 1
        await there.until()
    assert len(noting.done) == 3


async def test_a_job_that_is_put_off_waits(workshop: Workshop) -> None:
    noting = Noting()
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob(NAME, {"n": 1}, delay_seconds=3_600), NewJob(NAME, {"n": 2}))
    async with there.working():
        assert (await noting.next()).payload == {"n": 2}
        await there.until("queued")


async def test_a_failure_is_tried_again_and_its_attempts_are_counted(workshop: Workshop) -> None:
    noting = Noting(fail_twice)
    there = workshop.registering(JobHandler(NAME, noting, first_delay_ms=1))
    await there.enqueue(NewJob(NAME))
    async with there.working():
        attempts = [(await noting.next()).attempt for _ in range(3)]
        await there.until()
    assert attempts == [1, 2, 3]


async def test_a_job_that_always_fails_is_kept_dead_with_type_and_place(
    workshop: Workshop,
) -> None:
    noting = Noting(fail)
    there = workshop.registering(JobHandler(NAME, noting, attempts_max=3, first_delay_ms=1))
    await there.enqueue(NewJob(NAME))
    async with there.working():
        await there.until("failed")
    assert noting.seen.qsize() == 3
    assert (await there.reason() or "").startswith("SecretTold at fail:")


async def test_no_table_keeps_what_an_error_said(
    workshop: Workshop,
    spare_database: ClonedDatabase,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = workshop.registering(JobHandler(NAME, Noting(fail), attempts_max=2, first_delay_ms=1))
    await there.enqueue(NewJob(NAME))
    async with there.working():
        await there.until("failed")
    async with connected(spare_database.administrator_url) as administrator:
        notes = await administrator.scalars(text("SELECT l::text FROM jobs.pgqueuer_log l"))
        kept = "".join(notes)
    assert "SecretTold" in kept
    printed = capsys.readouterr()
    assert "very_secret" not in kept + caplog.text + printed.out + printed.err


async def test_a_handler_that_hangs_is_ended(workshop: Workshop) -> None:
    handler = JobHandler(NAME, Noting(hang), attempts_max=1, seconds_max=0.2)
    there = workshop.registering(handler)
    await there.enqueue(NewJob(NAME))
    async with there.working():
        await there.until("failed")
    assert await there.reason() == "TimedOut after 0.2 s"


async def test_a_payload_that_cannot_be_read_is_dead_at_once(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    noting = Noting()
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob(NAME))
    async with connected(spare_database.administrator_url) as administrator:
        await administrator.execute(text("UPDATE jobs.pgqueuer SET payload = '{'"))
    async with there.working():
        await there.until("failed")
    assert await there.reason() == "JSONDecodeError in the payload"
    assert noting.seen.empty()


async def test_workers_side_by_side_do_each_job_once(workshop: Workshop) -> None:
    notes = [Noting() for _ in range(3)]
    shops = [workshop.registering(JobHandler(NAME, noting)) for noting in notes]
    await workshop.enqueue(*(NewJob(NAME, {"n": number}) for number in range(120)))
    async with shops[0].working(), shops[1].working(), shops[2].working():
        await workshop.until()
    done = sorted(job.payload["n"] for noting in notes for job in noting.done)
    assert done == list(range(120))


async def test_more_jobs_than_connections_wait_for_one_another(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    database = Database(spare_database.login_url, DatabaseLimits(connections_max=1))

    async def use(_: Job) -> None:
        async with database.reading(WORKER) as session:
            await session.execute(text("SELECT pg_sleep(0.01)"))

    noting = Noting(use)
    there = workshop.registering(JobHandler(NAME, noting, attempts_max=1))
    await there.enqueue(*(NewJob(NAME) for _ in range(40)))
    async with there.working(QueueLimits(at_once_max=20, heartbeat_seconds=2)):
        await there.until()
    await database.close()
    assert len(noting.done) == 40


async def test_a_job_that_found_no_connection_is_tried_again(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    database = Database(spare_database.login_url, DatabaseLimits(connections_max=1))

    async def use(_: Job) -> None:
        async with asyncio.timeout(0.1), database.reading(WORKER) as session:
            await session.execute(text("SELECT 1"))

    noting = Noting(use)
    there = workshop.registering(JobHandler(NAME, noting, attempts_max=100, first_delay_ms=1))
    async with there.working():
        async with database.reading(WORKER) as holder:
            await holder.execute(text("SELECT 1"))
            await there.enqueue(NewJob(NAME))
            await noting.next()
            await noting.next()
        await there.until()
    await database.close()
    assert len(noting.done) == 1


async def test_a_worker_that_lost_its_connection_comes_back(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    noting = Noting()
    there = workshop.registering(JobHandler(NAME, noting))
    async with (
        connected(spare_database.administrator_url) as administrator,
        there.working(),
    ):
        for number in range(3):
            await there.enqueue(NewJob(NAME, {"n": number}))
            assert (await noting.next()).payload == {"n": number}
            await there.until()
            assert list(await administrator.scalars(text(_CUT_QUEUE))) == [True]
        await there.enqueue(NewJob(NAME, {"n": 3}))
        assert (await noting.next()).payload == {"n": 3}


async def test_jobs_that_ran_when_the_connection_was_lost_are_done_by_another_attempt(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    noting = Noting(hang_first)
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob(NAME))
    async with (
        connected(spare_database.administrator_url) as administrator,
        there.working(),
    ):
        await noting.next()
        await administrator.execute(text(_CUT_QUEUE))
        assert (await noting.next()).attempt == 2
        await there.until()


async def test_a_worker_that_stops_finishes_what_is_soon_done(workshop: Workshop) -> None:
    release = asyncio.Event()

    async def wait(_: Job) -> None:
        await release.wait()

    noting = Noting(wait)
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob(NAME))
    async with there.working(QueueLimits(stopping_seconds=WAIT_SECONDS)) as stopping:
        await noting.next()
        stopping.set()
        release.set()
    assert (len(noting.done), await there.rows()) == (1, [])


async def test_a_worker_that_stops_gives_the_rest_back_and_no_attempt_is_lost(
    workshop: Workshop,
) -> None:
    noting = Noting(hang)
    there = workshop.registering(JobHandler(NAME, noting, attempts_max=1))
    await there.enqueue(NewJob(NAME))
    for _ in range(3):
        async with there.working(QueueLimits(stopping_seconds=0)):
            assert (await noting.next()).attempt == 1
        assert await there.states() == ["queued"]


async def test_a_job_whose_task_is_cancelled_is_given_back_and_not_dropped(
    workshop: Workshop,
) -> None:
    cancelled = asyncio.Event()

    async def cancel(job: Job) -> None:
        await (wait_for_nothing() if cancelled.is_set() else cancel_dispatch(job))

    async def cancel_dispatch(job: Job) -> None:
        cancelled.set()
        for task in dispatching():
            task.cancel()
        await hang(job)

    noting = Noting(cancel)
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob(NAME))
    async with there.working():
        attempts = [(await noting.next()).attempt for _ in range(2)]
        await there.until()
    assert attempts == [1, 1]


_CANCEL = """
    SELECT pg_notify('ch_pgqueuer', json_build_object('channel', 'ch_pgqueuer', 'sent_at', now(),
        'type', 'cancellation_event', 'ids', (SELECT json_agg(id) FROM jobs.pgqueuer))::text)
"""


async def test_nobody_cancels_a_job_by_a_notification(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    release = asyncio.Event()

    async def wait(_: Job) -> None:
        await release.wait()

    noting = Noting(wait)
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob(NAME, {"n": 1}), NewJob(NAME, {"n": 2}))
    async with (
        connected(spare_database.administrator_url) as administrator,
        there.working(),
    ):
        await noting.next()
        await noting.next()
        await administrator.execute(text(_CANCEL))
        # Notifications come in order: when this job begins, the cancellation was heard.
        await there.enqueue(NewJob(NAME, {"n": 3}))
        await noting.next()
        release.set()
        await there.until()
        notes = await administrator.scalars(
            text("SELECT status::text FROM jobs.pgqueuer_log WHERE status > 'picked'")
        )
        assert list(notes) == ["successful"] * 3
    assert sorted(job.payload["n"] for job in noting.done) == [1, 2, 3]


async def test_a_job_that_took_every_worker_with_it_is_dead(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    noting = Noting(hang)
    there = workshop.registering(JobHandler(NAME, noting, attempts_max=2))
    await there.enqueue(NewJob(NAME))
    async with connected(spare_database.administrator_url) as administrator, there.working():
        for attempt in (1, 2):
            assert (await noting.next()).attempt == attempt
            await administrator.execute(text(_CUT_QUEUE))
        await there.until("failed")
    assert (await there.reason() or "").startswith("WorkerLost")


async def test_a_worker_that_was_thought_dead_decides_nothing_about_its_job(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    taken_over = asyncio.Event()

    async def fail_late(job: Job) -> None:
        await taken_over.wait()
        await fail(job)

    noting = Noting(fail_late)
    there = workshop.registering(JobHandler(NAME, noting, attempts_max=1))
    await there.enqueue(NewJob(NAME))
    seized = text("UPDATE jobs.pgqueuer SET queue_manager_id = gen_random_uuid()")
    async with connected(spare_database.administrator_url) as administrator:
        async with there.working(QueueLimits(heartbeat_seconds=3_600)):
            await noting.next()
            await administrator.execute(seized)
            taken_over.set()
        assert await there.states() == ["picked"]
