"""The worker: the queue, the relay, the timer and the watches, each kept running by itself.

It runs in a process of its own (`zeraket-server worker`) or beside the answers of `serve`; any
number of them may run at once.
"""

import asyncio
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from shared.clock import MILLISECONDS_PER_SECOND
from sync_server.audit.sealing import keep_sealing
from sync_server.deployments.stale_sessions import watch_stale_sessions
from sync_server.kit.idempotency import watch_kept_answers
from sync_server.kit.job_queue import QueueLimits, work_off
from sync_server.kit.jobs import FRACTION_BYTES, jittered_ms
from sync_server.kit.outbox_care import watch_outbox
from sync_server.kit.problems import place_of
from sync_server.kit.services import Services
from sync_server.worker.relay import keep_relaying
from sync_server.worker.timer import keep_time

_FIRST_WAIT_MS: Final = 500
_LONGEST_WAIT_MS: Final = 10_000
_STEADY_NS: Final = 60_000_000_000
"""What ran for so long was well: the next failure waits briefly again."""
_UNWINDING_SECONDS: Final = 15
_LOG: Final = structlog.get_logger(__name__)

Work = Callable[[], Awaitable[None]]


async def work(services: Services, limits: QueueLimits | None = None) -> None:
    """Work until cancelled; then jobs that run are waited for, and given back if they are slow."""
    limits = limits or QueueLimits()
    stopping = asyncio.Event()
    watches = [
        asyncio.create_task(keep_running(services, name, partial(watch, services), stopping))
        for name, watch in _WATCHES
    ]
    queue = asyncio.create_task(
        keep_running(services, "queue", partial(work_off, services, limits, stopping), stopping)
    )
    try:
        # Waiting for tasks leaves them alone when it is cancelled: a job must not be.
        await asyncio.wait({queue, *watches})
    finally:
        stopping.set()
        for watch in watches:
            watch.cancel()
        await asyncio.wait({queue, *watches}, timeout=limits.stopping_seconds + _UNWINDING_SECONDS)
        queue.cancel()


async def run_until_told(services: Services, limits: QueueLimits) -> None:
    """Work until the process is told to end."""
    working = asyncio.create_task(work(services, limits))
    loop = asyncio.get_running_loop()
    for told in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(told, working.cancel)
    with suppress(asyncio.CancelledError):
        await working


async def keep_running(services: Services, name: str, run: Work, stopping: asyncio.Event) -> None:
    """Begin again whatever ends with an error, after a while: a database that is away comes back,
    and a bug in one part does not stop the others.
    """
    failures = 0
    while not stopping.is_set():
        begun_ns = services.clock.monotonic_ns()
        try:
            await run()
        except Exception as error:  # noqa: BLE001 - said, and tried again
            was_steady = services.clock.monotonic_ns() - begun_ns > _STEADY_NS
            failures = 1 if was_steady else failures + 1
            randomness = services.randomness(FRACTION_BYTES)
            wait_ms = jittered_ms(_FIRST_WAIT_MS, _LONGEST_WAIT_MS, failures, randomness)
            _LOG.error(
                "worker.failed", part=name, reason=type(error).__name__, place=place_of(error)
            )
            with suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), wait_ms / MILLISECONDS_PER_SECOND)


_WATCHES: Final = (
    ("relay", keep_relaying),
    ("timer", keep_time),
    ("stale sessions", watch_stale_sessions),
    ("sealing", keep_sealing),
    ("kept answers", watch_kept_answers),
    ("outbox", watch_outbox),
)
