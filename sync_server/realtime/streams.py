"""One open stream: who listens to what, what waits to be sent, and the word it ends with.

It knows no database and no socket.
"""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from shared.journal.entry import Cursor
from sync_server.kit.claims import Claims
from sync_server.realtime.rules import WantedChannel
from sync_server.realtime.standing import Standing


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How much one stream and one process may take up."""

    streams_max: int = 5_000
    streams_per_caller_max: int = 100
    waiting_max: int = 1_000
    """Messages a listener may be behind before it is told to fetch everything anew."""
    missed_max: int = 1_000
    """Messages that are told to a listener who comes back."""
    missed_walked_max: int = 50_000
    """Messages, whoever they are for, among which those are looked for."""
    sign_of_life_seconds: float = 10.0
    stuck_seconds: float = 30.0
    """How long a piece may take to leave before the connection is cut."""


@dataclass(eq=False, slots=True)
class Stream:
    """It holds at most `waiting_max` messages: one who does not keep up loses them all, and is
    told.
    """

    claims: Claims
    wanted: tuple[WantedChannel, ...]
    standing: Standing
    since: Cursor
    """Up to here all was told in this process when the stream was connected."""
    after: Cursor
    """The listener knows what comes up to here."""
    waiting_max: int
    asked_at_ns: int
    expires_at_ms: int | None
    in_doubt: bool = True
    """Something happened since the database was asked last, or between asking and connecting."""
    opening: list[bytes] = field(default_factory=list)
    has_said_last: bool = False
    _waiting: deque[tuple[Cursor, bytes]] = field(default_factory=deque)
    _last: bytes | None = None
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self.standing.channels[channel.name] for channel in self.wanted)

    @property
    def is_over(self) -> bool:
        return self._last is not None

    @property
    def is_full(self) -> bool:
        return len(self._waiting) >= self.waiting_max

    def hear(self, cursor: Cursor, line: bytes) -> None:
        if not self.is_over:
            self._waiting.append((cursor, line))
            self._woken.set()

    def end(self, last: bytes) -> None:
        """Let the stream end with this word: what waited is not told any more."""
        if not self.is_over:
            self._waiting.clear()
            self._last = last
            self._woken.set()

    async def take(self, seconds: float) -> bytes:
        """Give all that waits, or what comes within the time; nothing where nothing came."""
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            return b""
        self._woken.clear()
        if self._last is not None:
            self.has_said_last = True
            return self._last
        news = [(cursor, line) for cursor, line in self._waiting if cursor > self.after]
        self._waiting.clear()
        self.after = news[-1][0] if news else self.after
        return b"".join(line for _, line in news)
