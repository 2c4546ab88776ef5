"""The queue: jobs a second through the port, and from news in the outbox to its job begun.

One process with a database of its own: enqueueing, relay and worker share the two cores. Figures
only; what they should be stands with the budgets.
"""

import asyncio
import json
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from sync_server.composition import open_services
from sync_server.kit.claims import WORKER
from sync_server.kit.job_queue import QueueLimits
from sync_server.kit.jobs import Job, JobHandler, NewJob
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.settings import Settings
from sync_server.worker.process import work

JOBS = 5_000
MESSAGES = 100
BATCH = 500
COUNTED = "bench.counted"
HEARD = "bench.heard"
_KIND = "bench.said"


class _Counter:
    """Handlers that note when a job began; the last one expected says so."""

    def __init__(self, expected: int) -> None:
        self.expected = expected
        self.begun = 0
        self.all_begun = asyncio.Event()
        self.heard: asyncio.Queue[float] = asyncio.Queue()

    async def count(self, services: Services, _: Job) -> None:
        """Do as little as a job can: one statement in one transaction."""
        async with services.database.reading(WORKER):
            pass
        self.begun += 1
        if self.begun == self.expected:
            self.all_begun.set()

    async def hear(self, _services: Services, _: Job) -> None:
        self.heard.put_nowait(time.perf_counter())


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Measure both; half a minute."""
    with tempfile.TemporaryDirectory(prefix="zeraket-bench-") as folder:
        # PostgreSQL runs as a user of its own and must be able to walk in.
        Path(folder).chmod(0o711)
        return asyncio.run(_measure(Path(folder), JOBS // 5 if quick else JOBS))


async def _measure(folder: Path, jobs: int) -> dict[str, Any]:
    async with open_services(Settings(data_directory=folder / "data")) as services:
        counter = _Counter(jobs)
        services.jobs.handler(JobHandler(COUNTED, counter.count))
        services.jobs.handler(JobHandler(HEARD, counter.hear, hears=frozenset((_KIND,))))
        enqueue_seconds = await _enqueue(services, jobs)
        async with _worker(services):
            begun = time.perf_counter()
            await counter.all_begun.wait()
            done_seconds = time.perf_counter() - begun
            latencies = [await _relayed(services, counter) for _ in range(MESSAGES)]
    ordered = sorted(latencies)
    return {
        "cores": os.cpu_count(),
        "jobs": jobs,
        "jobs_enqueued_per_second": round(jobs / enqueue_seconds),
        "jobs_done_per_second": round(jobs / done_seconds),
        "relay_median_ms": round(statistics.median(ordered) * 1_000, 1),
        "relay_p95_ms": round(ordered[int(len(ordered) * 0.95) - 1] * 1_000, 1),
    }


async def _enqueue(services: Services, jobs: int) -> float:
    begun = time.perf_counter()
    for start in range(0, jobs, BATCH):
        batch = [NewJob(COUNTED, {"id": number}) for number in range(start, start + BATCH)]
        async with services.database.transaction(WORKER) as session:
            await services.jobs.enqueue_many(session, batch)
    return time.perf_counter() - begun


@asynccontextmanager
async def _worker(services: Services) -> AsyncIterator[None]:
    working = asyncio.create_task(work(services, QueueLimits()))
    try:
        yield
    finally:
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


async def _relayed(services: Services, counter: _Counter) -> float:
    """Publish as a business transaction does, and wait until the job that hears it begins."""
    message = Message(_KIND, UUID(int=1), payload={"id": "1"})
    async with services.database.transaction(WORKER) as session:
        await publish(session, message)
    begun = time.perf_counter()
    return await counter.heard.get() - begun


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
