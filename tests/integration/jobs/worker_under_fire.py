"""Workers that are killed: started by test_killing.py, one fork a line read.

Each fork is a whole worker (queue, relay, timer, watches). It writes its process id and `began` for
every job, when its effect is there and the note of it is not.
"""

import asyncio
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from sqlalchemy import text

from shared.clock import system_clock
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.job_queue import PgQueuerJobs, QueueLimits
from sync_server.kit.jobs import Job, JobHandler
from sync_server.kit.keys import KeySealer, MasterKey
from sync_server.kit.logging import configure_logging
from sync_server.kit.services import Services
from sync_server.worker.process import work
from tests.plugins.postgres import services_with

KIND = "fire.said"
EFFECT = "fire.effect"
_HOLD_SECONDS = 0.05
_APPLY = text("INSERT INTO effects (key) VALUES (:key) ON CONFLICT DO NOTHING")


def say(word: str) -> None:
    """Write a line in one piece, so that a kill cuts between lines."""
    os.write(sys.stdout.fileno(), f"{os.getpid()} {word}\n".encode())


async def apply(services: Services, job: Job) -> None:
    """Do the job under its business key."""
    key = job.payload["payload"]["key"]
    async with services.database.transaction(WORKER) as session:
        await session.execute(_APPLY, {"key": key})
    say(f"began {key}")
    await asyncio.sleep(_HOLD_SECONDS)


async def work_until_killed(url: str, folder: Path) -> None:
    jobs = PgQueuerJobs()
    hears = frozenset((KIND,))
    jobs.handler(JobHandler(EFFECT, apply, hears=hears, attempts_max=100, first_delay_ms=50))
    alone = services_with(Database(url), system_clock(), folder, jobs)
    # One installation has one master key, however many processes.
    services = replace(alone, key_sealer=KeySealer((MasterKey(bytes(range(32))),)))
    say("started")
    await work(services, QueueLimits(at_once_max=8, heartbeat_seconds=2))


def main() -> None:
    url, folder = sys.argv[1], Path(sys.argv[2])
    configure_logging()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for _ in sys.stdin:
        if os.fork() == 0:
            try:
                asyncio.run(work_until_killed(url, folder))
            finally:
                os._exit(1)


if __name__ == "__main__":
    main()
