"""The process's guard: streams in doubt are asked about again, and all of them now and then.

A stream whose right is over ends with a word that says so.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from sync_server.kit.claims import DatabaseRole
from sync_server.kit.services import Services
from sync_server.realtime import encoding
from sync_server.realtime.encoding import ClosedReason
from sync_server.realtime.rules import Question
from sync_server.realtime.standing import Standing, ask
from sync_server.realtime.streams import Stream
from sync_server.realtime.switchboard import Switchboard

LOOK_SECONDS: Final = 0.2
ASK_AGAIN_SECONDS: Final = 60
"""A net below the messages: nobody goes unasked for longer."""
ASKED_AT_ONCE: Final = 100
"""Streams a statement asks about, and streams of the net a look takes up."""
_NANOSECONDS: Final = 1_000_000_000
_LOG: Final = structlog.get_logger(__name__)


class Guard:
    def __init__(self, services: Services, switchboard: Switchboard) -> None:
        self._services = services
        self._switchboard = switchboard

    async def watch(self) -> None:
        """Look until nobody listens; while the database is away nothing is told anyway."""
        while self._switchboard.streams:
            for streams in _in_batches(dict.fromkeys((*self._in_doubt(), *self._in_turn()))):
                await self._ask_about(streams)
            await self._switchboard.pause_until_doubt(LOOK_SECONDS)

    def _in_doubt(self) -> list[Stream]:
        now_ms = self._services.clock.now_ms()
        return [
            stream
            for stream in self._switchboard.streams
            if stream.in_doubt
            or (stream.expires_at_ms is not None and stream.expires_at_ms <= now_ms)
        ]

    def _in_turn(self) -> list[Stream]:
        before_ns = self._services.clock.monotonic_ns() - ASK_AGAIN_SECONDS * _NANOSECONDS
        due = [stream for stream in self._switchboard.streams if stream.asked_at_ns <= before_ns]
        return sorted(due, key=lambda stream: stream.asked_at_ns)[:ASKED_AT_ONCE]

    async def _ask_about(self, streams: Sequence[Stream]) -> None:
        for stream in streams:
            # Before asking: what happens during the question is a doubt of its own.
            stream.in_doubt = False
        questions = [Question(stream.claims, stream.wanted) for stream in streams]
        try:
            standings = await ask(self._services, questions)
        except (SQLAlchemyError, OSError) as error:
            _LOG.warning("realtime.guard_failed", reason=type(error).__name__)
            for stream in streams:
                stream.in_doubt = True
            return
        for stream, standing in zip(streams, standings, strict=True):
            self._judge(stream, standing)

    def _judge(self, stream: Stream, standing: Standing) -> None:
        stream.asked_at_ns = self._services.clock.monotonic_ns()
        stream.expires_at_ms = standing.expires_at_ms
        known = stream.standing.channels
        lost = [known[it.name] for it in stream.wanted if it.name not in standing.channels]
        if not standing.is_known:
            self._close(stream, ClosedReason.TOKEN_ENDED, lost)
        elif lost:
            self._close(stream, ClosedReason.RIGHT_ENDED, lost)

    def _close(self, stream: Stream, reason: ClosedReason, lost: list[str]) -> None:
        self._switchboard.end(stream, encoding.closed(reason, lost))


def _in_batches(streams: Iterable[Stream]) -> list[list[Stream]]:
    """Part by role, since a transaction has one, and into pieces that are quickly answered."""
    by_role: dict[DatabaseRole, list[Stream]] = {}
    for stream in streams:
        by_role.setdefault(stream.claims.role, []).append(stream)
    return [
        own[begin : begin + ASKED_AT_ONCE]
        for own in by_role.values()
        for begin in range(0, len(own), ASKED_AT_ONCE)
    ]
