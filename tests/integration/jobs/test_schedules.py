"""Ticks: whoever says that it is time, a period's job is enqueued once."""

import asyncio
from dataclasses import replace

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import JobHandler, Schedule
from sync_server.kit.schedules import TickSource, tick
from sync_server.kit.services import Services
from sync_server.worker.timer import Timer
from tests.factories.jobs import Noting, Workshop

NAME = "tests.hourly"
HOUR = Schedule(NAME, 3_600)
HOUR_MS = 3_600_000


def hourly(workshop: Workshop, noting: Noting) -> Workshop:
    there = workshop.registering(JobHandler(NAME, noting))
    there.services.jobs.schedule(HOUR)
    return there


async def ticked(services: Services, source: TickSource = TickSource.OUTSIDE) -> bool:
    async with services.database.transaction(WORKER) as session:
        return await tick(session, services, HOUR, source)


async def test_a_period_is_ticked_once_from_inside_and_outside(workshop: Workshop) -> None:
    there = hourly(workshop, Noting())
    sources = (TickSource.INSIDE, TickSource.OUTSIDE) * 3
    answers = await asyncio.gather(*(ticked(there.services, source) for source in sources))
    assert sorted(answers) == [False] * 5 + [True]
    assert await there.states() == ["queued"]


async def test_the_next_period_is_ticked_anew(workshop: Workshop, clock: SettableClock) -> None:
    there = hourly(workshop, noting := Noting())
    async with there.working():
        for _ in range(2):
            assert await ticked(there.services)
            await noting.next()
            await there.until()
            clock.advance(HOUR_MS)
    assert len(noting.done) == 2


async def test_a_job_that_still_waits_stands_for_the_next_tick(
    workshop: Workshop, clock: SettableClock
) -> None:
    there = hourly(workshop, Noting())
    assert await ticked(there.services)
    clock.advance(HOUR_MS)
    assert await ticked(there.services)
    assert await there.states() == ["queued"]


async def test_a_tick_that_is_undone_may_come_again(workshop: Workshop) -> None:
    there = hourly(workshop, Noting())
    async with there.services.database.transaction(WORKER) as session:
        assert await tick(session, there.services, HOUR, TickSource.INSIDE)
        await session.rollback()
    assert await ticked(there.services)


async def test_the_job_is_told_which_tick_it_was(workshop: Workshop) -> None:
    there = hourly(workshop, noting := Noting())
    set_back = SettableClock(1_700_000_000_000)
    await ticked(replace(there.services, clock=set_back))
    async with there.working():
        job = await noting.next()
        await there.until()
    assert job.payload == {"due_at": "2023-11-14T22:00:00+00:00"}


async def test_the_timer_ticks_what_is_due_and_asks_no_more_in_that_period(
    workshop: Workshop, clock: SettableClock
) -> None:
    there, timer, other = hourly(workshop, Noting()), Timer(), Timer()
    assert await timer.tick_due(there.services) == [NAME]
    assert await timer.tick_due(there.services) == []
    assert await other.tick_due(there.services) == []
    clock.advance(HOUR_MS)
    assert await other.tick_due(there.services) == [NAME]
    assert await timer.tick_due(there.services) == []
