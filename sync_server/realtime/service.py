"""Listening: a caller joins channels it may hear, goes on where it stopped, and is told the news.

Everything that asks the database is done before the stream begins; an open stream holds no
connection.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any, Final

import structlog

from shared.journal.entry import Cursor
from sync_server.kit.claims import WORKER, Claims, DatabaseRole
from sync_server.kit.outbox import Span, Untold, read_missed
from sync_server.kit.requests import AuthenticationRequiredError
from sync_server.kit.services import Services
from sync_server.realtime import encoding
from sync_server.realtime.encoding import ResyncReason
from sync_server.realtime.errors import (
    ChannelNotFoundError,
    StreamsExhaustedError,
    TooManyStreamsError,
)
from sync_server.realtime.guard import Guard
from sync_server.realtime.rules import Question, WantedChannel, read_channel, read_place
from sync_server.realtime.standing import Standing, ask
from sync_server.realtime.streams import Stream, StreamLimits
from sync_server.realtime.switchboard import Switchboard
from sync_server.realtime.tailer import Tailer
from sync_server.tickets.errors import ClaimTokenInvalidError

_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Joining:
    """Who wants to hear what; `last_event_id` is where they stopped, as they say it."""

    claims: Claims
    channels: Sequence[str]
    last_event_id: str | None = None


class Realtime:
    """The streams of one process, and the two tasks that serve them while there are any."""

    def __init__(self, services: Services, limits: StreamLimits | None = None) -> None:
        self.limits: Final = limits or StreamLimits()
        self.switchboard: Final = Switchboard()
        self._services = services
        self._tailer = Tailer(services, self.switchboard)
        self._guard = Guard(services, self.switchboard)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def join(self, joining: Joining) -> Stream:
        """Connect a stream to channels the caller may hear; it is the caller's to `leave`."""
        self._require_room(joining.claims)
        read = [read_channel(name) for name in dict.fromkeys(joining.channels)]
        wanted = tuple(channel for channel in read if channel is not None)
        (standing,) = await ask(self._services, [Question(joining.claims, wanted)])
        _require_allowed(joining.claims, standing, read)
        since = await self._tailer.place()
        self._require_room(joining.claims)
        stream = self._connect(joining.claims, wanted, standing, since)
        try:
            stream.opening = await self._opening(stream, joining.last_event_id)
        except BaseException:
            self.leave(stream)
            raise
        return stream

    def leave(self, stream: Stream) -> None:
        self.switchboard.disconnect(stream)

    def stop(self) -> None:
        """End every stream without a word: whoever comes back goes on where they stopped."""
        for stream in list(self.switchboard.streams):
            self.switchboard.end(stream, b"")

    async def rest(self) -> None:
        """Wait until nothing runs any more, once everybody has left."""
        await asyncio.gather(*self._tasks.values())

    async def lines(self, stream: Stream) -> AsyncIterator[bytes]:
        """Give what a stream tells, piece by piece, until its last word; never silent for long."""
        yield b"".join(stream.opening)
        while not stream.has_said_last:
            heard = await stream.take(self.limits.sign_of_life_seconds)
            if not heard and not stream.has_said_last:
                heard = encoding.sign_of_life(self._tailer.place_now(stream.after))
            yield heard

    def _connect(
        self, claims: Claims, wanted: tuple[WantedChannel, ...], standing: Standing, since: Cursor
    ) -> Stream:
        """Connect in the step that read the place: between them nothing can be told."""
        stream = Stream(
            claims=claims,
            wanted=wanted,
            standing=standing,
            since=since,
            after=since,
            waiting_max=self.limits.waiting_max,
            asked_at_ns=self._services.clock.monotonic_ns(),
            expires_at_ms=standing.expires_at_ms,
        )
        self.switchboard.connect(stream)
        self._keep_running("tailer", self._tailer.follow())
        self._keep_running("guard", self._guard.watch())
        return stream

    async def _opening(self, stream: Stream, last_event_id: str | None) -> list[bytes]:
        """Say what is heard from now on, and tell what was missed."""
        if last_event_id is None:
            return [encoding.listening(stream.channels, stream.since)]
        begun = [encoding.listening(stream.channels, None)]
        place = read_place(last_event_id)
        if place is None:
            return [*begun, encoding.resync(ResyncReason.PLACE_UNKNOWN, stream.since)]
        limits = self.limits
        span = Span(place, stream.since, limits.missed_walked_max, limits.missed_max)
        async with self._services.database.reading(WORKER) as session:
            missed = await read_missed(session, span, stream.channels)
        if isinstance(missed, Untold):
            return [*begun, encoding.resync(ResyncReason(missed.value), stream.since)]
        # Another process may have told more than this one did so far.
        stream.after = max(stream.since, place)
        return begun + [
            encoding.news(item, [it for it in item.message.channels if it in stream.channels])
            for item in missed
        ]

    def _require_room(self, claims: Claims) -> None:
        if self.switchboard.count_of(claims) >= self.limits.streams_per_caller_max:
            raise TooManyStreamsError(headers={"Retry-After": "60"})
        if len(self.switchboard.streams) >= self.limits.streams_max:
            raise StreamsExhaustedError(headers={"Retry-After": "10"})

    def _keep_running(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        running = self._tasks.get(name)
        if running is not None and not running.done():
            work.close()
            return
        # In a context of its own: it works for everybody, not for the request that came first.
        task = asyncio.create_task(work, name=f"realtime {name}", context=Context())
        task.add_done_callback(self._look_at_end)
        self._tasks[name] = task

    def _look_at_end(self, task: asyncio.Task[None]) -> None:
        """A bug must not leave streams open that nobody serves: they come back to a new start."""
        if task.cancelled() or task.exception() is None:
            return
        _LOG.error("realtime.failed", task=task.get_name(), exc_info=task.exception())
        for stream in list(self.switchboard.streams):
            place = self._tailer.place_now(stream.after)
            self.switchboard.end(stream, encoding.resync(ResyncReason.INTERRUPTED, place))


def _require_allowed(
    claims: Claims, standing: Standing, read: Sequence[WantedChannel | None]
) -> None:
    """What does not exist and what is forbidden are answered alike."""
    if not standing.is_known:
        is_wallet = claims.role is DatabaseRole.WALLET
        raise ClaimTokenInvalidError if is_wallet else AuthenticationRequiredError
    if any(channel is None or channel.name not in standing.channels for channel in read):
        raise ChannelNotFoundError
