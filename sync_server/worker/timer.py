"""The inside timer: ticks every schedule once its time has come; the database counts each once."""

import asyncio
from typing import Final

from sync_server.kit.claims import WORKER
from sync_server.kit.schedules import TickSource, tick
from sync_server.kit.services import Services

INTERVAL_SECONDS: Final = 1.0


class Timer:
    """Remembers what it has ticked, so that an idle second asks the database nothing."""

    def __init__(self) -> None:
        self._ticked_ms: dict[str, int] = {}

    async def tick_due(self, services: Services) -> list[str]:
        """Tick what is due and name what that enqueued; others may have been first."""
        enqueued = []
        for schedule in services.jobs.schedules.values():
            due_ms = schedule.due_ms(services.clock.now_ms())
            if self._ticked_ms.get(schedule.name) == due_ms:
                continue
            async with services.database.transaction(WORKER) as session:
                ticked = await tick(session, services, schedule, TickSource.INSIDE)
            self._ticked_ms[schedule.name] = due_ms
            enqueued += [schedule.name] if ticked else []
        return enqueued


async def keep_time(services: Services) -> None:
    """Tick until cancelled. What came due while no worker ran is made up for, once."""
    timer = Timer()
    while True:
        await timer.tick_due(services)
        await asyncio.sleep(INTERVAL_SECONDS)
