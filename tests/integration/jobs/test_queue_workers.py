"""Who does which job, with what in hand, and what a worker does between jobs."""

import asyncio

from sync_server.kit.job_queue import QueueLimits
from sync_server.kit.jobs import Job, JobHandler, NewJob
from sync_server.kit.services import Services
from tests.factories.jobs import WAIT_SECONDS, Noting, Workshop

NAME = "tests.work"


async def test_other_names_are_left_to_those_who_know_them(workshop: Workshop) -> None:
    noting = Noting()
    there = workshop.registering(JobHandler(NAME, noting))
    await there.enqueue(NewJob("tests.unknown"), NewJob(NAME))
    async with there.working():
        await noting.next()
        await there.until("queued")
    assert [row["entrypoint"] for row in await there.rows()] == ["tests.unknown"]


async def test_a_waiting_worker_is_woken_and_does_not_poll(workshop: Workshop) -> None:
    noting = Noting()
    there = workshop.registering(JobHandler(NAME, noting))
    async with there.working(QueueLimits(heartbeat_seconds=60)):
        await there.enqueue(NewJob(NAME, {"n": 1}))
        await noting.next()
        await there.until()
        async with asyncio.timeout(10):  # it would look again after 30 seconds
            await there.enqueue(NewJob(NAME, {"n": 2}))
            assert (await noting.next()).payload == {"n": 2}


async def test_services_reach_the_handler(workshop: Workshop) -> None:
    given: asyncio.Queue[Services] = asyncio.Queue()

    async def take(services: Services, _: Job) -> None:
        given.put_nowait(services)

    there = workshop.registering(JobHandler(NAME, take))
    async with there.working():
        await there.enqueue(NewJob(NAME))
        async with asyncio.timeout(WAIT_SECONDS):
            assert await given.get() is there.services
