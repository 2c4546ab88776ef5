"""One attempt at a job: what becomes of it when its handler ends well, fails, hangs, or its worker
stops. Knows no queue.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

import structlog

from sync_server.kit.jobs import FRACTION_BYTES, Job, JobHandler, jittered_ms
from sync_server.kit.metrics import count_attempt
from sync_server.kit.problems import place_of
from sync_server.kit.services import Services

WORKER_LOST: Final = "WorkerLost: every worker that took it ended before it was done"
_UNWINDING_SECONDS_MAX: Final = 5
_NANOSECONDS_PER_SECOND: Final = 1_000_000_000
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """Its effect is there."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """The worker stops; another may begin it anew at once, and the attempt does not count."""


@dataclass(frozen=True, slots=True)
class RetryLater:
    delay_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dead:
    """It is not tried again by itself."""

    reason: str


Verdict = Done | GivenBack | RetryLater | Dead


async def attempt(
    services: Services, handler: JobHandler, job: Job, ending: asyncio.Event
) -> Verdict:
    """Do the job once. `ending` says that the worker cannot wait for it any longer."""
    if job.attempt > handler.attempts_max:
        verdict: Verdict = Dead(WORKER_LOST)
    else:
        begun_ns = services.clock.monotonic_ns()
        with services.tracer.start_as_current_span(f"job {handler.name}"):
            reason = await _reason_it_failed(handler.handle(services, job), handler, ending)
        verdict = _verdict(services, handler, job, reason)
        seconds = (services.clock.monotonic_ns() - begun_ns) / _NANOSECONDS_PER_SECOND
        count_attempt(handler.name, type(verdict).__name__, seconds)
    _log(handler, job, verdict)
    return verdict


_GIVEN_BACK: Final = "the worker stops"


async def _reason_it_failed(
    work: Awaitable[None], handler: JobHandler, ending: asyncio.Event
) -> str | None:
    """Say why it failed by type and place: an error's message may hold what nobody may read."""
    running = asyncio.ensure_future(work)
    ended = asyncio.create_task(ending.wait())
    try:
        waited_for = {running, ended}
        await asyncio.wait(
            waited_for, timeout=handler.seconds_max, return_when=asyncio.FIRST_COMPLETED
        )
        if running.done():
            return _fault(running)
        running.cancel()
        await asyncio.wait({running}, timeout=_UNWINDING_SECONDS_MAX)
        if running.done() and not running.cancelled() and running.exception() is None:
            return None
        return _GIVEN_BACK if ending.is_set() else f"TimedOut after {handler.seconds_max:g} s"
    finally:
        running.cancel()
        ended.cancel()


def _fault(finished: "asyncio.Future[None]") -> str | None:
    if finished.cancelled():
        return "CancelledError"
    error = finished.exception()
    return None if error is None else f"{type(error).__name__} at {place_of(error)}"


def _verdict(services: Services, handler: JobHandler, job: Job, reason: str | None) -> Verdict:
    if reason is None:
        return Done()
    if reason == _GIVEN_BACK:
        return GivenBack()
    if job.attempt >= handler.attempts_max:
        return Dead(reason)
    delay_ms = jittered_ms(
        handler.first_delay_ms,
        handler.longest_delay_ms,
        job.attempt,
        services.randomness(FRACTION_BYTES),
    )
    return RetryLater(delay_ms, reason)


def _log(handler: JobHandler, job: Job, verdict: Verdict) -> None:
    said = {"job": handler.name, "job_id": job.id, "attempt": job.attempt}
    match verdict:
        case Done():
            pass
        case GivenBack():
            _LOG.info("jobs.given_back", **said)
        case RetryLater(delay_ms, reason):
            _LOG.warning("jobs.failed", reason=reason, retry_ms=delay_ms, **said)
        case Dead(reason):
            _LOG.error("jobs.dead", reason=reason, **said)
