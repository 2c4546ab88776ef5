import asyncio
import threading

import pytest

from sync_server.media.workshop import PICTURES_AT_ONCE, Workshop


class _Jobs:
    """Counts who works at the same time; all wait until they are let go."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.working = 0
        self.most_at_once = 0
        self.all_busy = threading.Event()
        self._lock = threading.Lock()

    def work(self, number: int) -> int:
        with self._lock:
            self.working += 1
            self.most_at_once = max(self.most_at_once, self.working)
            busy = self.working == PICTURES_AT_ONCE
        if busy:
            self.all_busy.set()
        self.go_on.wait()
        with self._lock:
            self.working -= 1
        return number


async def test_no_more_pictures_are_decoded_at_once_than_there_are_threads() -> None:
    workshop, jobs = Workshop(), _Jobs()
    waiting = [asyncio.create_task(workshop.run(jobs.work, number)) for number in range(8)]
    await asyncio.to_thread(jobs.all_busy.wait)
    jobs.go_on.set()
    assert await asyncio.gather(*waiting) == list(range(8))
    assert jobs.most_at_once == PICTURES_AT_ONCE


async def test_one_that_gives_up_waiting_lets_nobody_past() -> None:
    workshop, jobs = Workshop(), _Jobs()
    waiting = [asyncio.create_task(workshop.run(jobs.work, number)) for number in range(4)]
    await asyncio.to_thread(jobs.all_busy.wait)
    waiting[0].cancel()
    await asyncio.gather(waiting[0], return_exceptions=True)
    assert jobs.working == PICTURES_AT_ONCE
    jobs.go_on.set()
    assert await asyncio.gather(*waiting[1:]) == [1, 2, 3]
    assert jobs.most_at_once == PICTURES_AT_ONCE


async def test_what_goes_wrong_is_told_to_whoever_waits() -> None:
    with pytest.raises(ZeroDivisionError):
        await Workshop().run(divmod, 1, 0)
