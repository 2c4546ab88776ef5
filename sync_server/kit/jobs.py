"""Jobs: work that outlives the request that asked for it. What domains know of the queue, and no
more; `kit.job_queue` fills it.

A job may run more than once (its worker was killed after the effect and before the note of it), so
a handler does its work under a key of the business's own. Payloads hold ids and no secrets.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from sqlalchemy.ext.asyncio import AsyncSession

if TYPE_CHECKING:  # services hold this port
    from sync_server.kit.services import Services

ATTEMPTS_MAX: Final = 8
SECONDS_MAX: Final = 120
_DOUBLINGS_MAX: Final = 30
_NAME: Final = re.compile(r"[a-z][a-z0-9_-]*(\.[a-z0-9_-]+)*")
_NAME_CHARACTERS_MAX: Final = 60
_MILLISECONDS: Final = 1_000
_FRACTION_BITS: Final = 64
FRACTION_BYTES: Final = _FRACTION_BITS // 8


@dataclass(frozen=True, slots=True)
class NewJob:
    """Work to be done by the handler of that name.

    Of those with one `unique_key` only one waits or runs at a time; a second is left out.
    """

    name: str
    payload: Mapping[str, Any] = field(default_factory=dict)
    unique_key: str | None = None
    delay_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """What a handler is given; the first attempt is number 1."""

    id: int
    name: str
    payload: Mapping[str, Any]
    attempt: int


Handle = Callable[["Services", Job], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class JobHandler:
    """How jobs of a name are done. After the last attempt, or at once where the payload cannot be
    read, a job is dead: kept, and shown to admins.

    `hears` names kinds of outbox messages; each such message becomes a job, with `kind`,
    `organizer_id` and `payload` of the message as its payload.
    """

    name: str
    handle: Handle
    hears: frozenset[str] = frozenset()
    attempts_max: int = ATTEMPTS_MAX
    seconds_max: float = SECONDS_MAX
    first_delay_ms: int = 1_000
    longest_delay_ms: int = 600_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job of this name in every period; periods are counted from midnight UTC.

    The job finds its work in the database: its payload says no more than which tick it was.
    """

    name: str
    every_seconds: int
    offset_seconds: int = 0

    def due_ms(self, now_ms: int) -> int:
        """The last moment it was due, in Unix milliseconds."""
        every_ms = self.every_seconds * _MILLISECONDS
        offset_ms = self.offset_seconds * _MILLISECONDS
        return (now_ms - offset_ms) // every_ms * every_ms + offset_ms


class Jobs(Protocol):
    """The queue as domains and the composition root see it."""

    @property
    def handlers(self) -> Mapping[str, JobHandler]: ...

    @property
    def schedules(self) -> Mapping[str, Schedule]: ...

    async def enqueue(self, session: AsyncSession, job: NewJob) -> bool:
        """Add a job in the caller's transaction, which must be the worker's: it is there if, and
        only if, that commits. False where one with its unique key waits or runs.
        """
        ...

    async def enqueue_many(self, session: AsyncSession, jobs: Sequence[NewJob]) -> int:
        """Add jobs in one statement, and say how many were added."""
        ...

    def handler(self, handler: JobHandler) -> None:
        """Say who does jobs of a name; a second of that name is a bug."""
        ...

    def schedule(self, schedule: Schedule) -> None:
        """Have a job enqueued in every period; its handler must be there."""
        ...


class JobRegistry:
    """Handlers and schedules by name: the half of the port that remembers."""

    def __init__(self) -> None:
        self._handlers: dict[str, JobHandler] = {}
        self._schedules: dict[str, Schedule] = {}

    @property
    def handlers(self) -> Mapping[str, JobHandler]:
        return self._handlers

    @property
    def schedules(self) -> Mapping[str, Schedule]:
        return self._schedules

    def handler(self, handler: JobHandler) -> None:
        name = handler.name
        if len(name) > _NAME_CHARACTERS_MAX or not _NAME.fullmatch(name) or name in self._handlers:
            message = f"jobs cannot be named {name!r}, or have a handler already"
            raise ValueError(message)
        self._handlers[name] = handler

    def schedule(self, schedule: Schedule) -> None:
        if schedule.name not in self._handlers or schedule.name in self._schedules:
            message = f"{schedule.name!r} has no handler, or a schedule already"
            raise ValueError(message)
        self._schedules[schedule.name] = schedule


def jittered_ms(first_ms: int, longest_ms: int, failures: int, randomness: bytes) -> int:
    """How long to wait after failures in a row: anything up to a ceiling that doubles each time.

    Full jitter keeps those that failed together from coming back together.
    """
    doublings = min(failures - 1, _DOUBLINGS_MAX)
    ceiling_ms = min(longest_ms, first_ms << doublings)
    return ceiling_ms * int.from_bytes(randomness[:FRACTION_BYTES], "big") >> _FRACTION_BITS
