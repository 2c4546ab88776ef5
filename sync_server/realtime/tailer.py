"""The process's reader of the outbox: follows it while anybody listens, and rests otherwise."""

from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from shared.journal.entry import Cursor
from sync_server.kit.claims import WORKER
from sync_server.kit.outbox import newest_cursor, read_after
from sync_server.kit.services import Services
from sync_server.realtime.switchboard import Switchboard

POLL_SECONDS: Final = 0.2
MESSAGES_AT_ONCE: Final = 500
_LOG: Final = structlog.get_logger(__name__)


class Tailer:
    """Reads below the horizon, so that a commit that comes late is told in its place."""

    def __init__(self, services: Services, switchboard: Switchboard) -> None:
        self._services = services
        self._switchboard = switchboard
        self._cursor: Cursor | None = None

    async def place(self) -> Cursor:
        """Say up to where all was told; what comes later is told to whoever is connected at once.

        A tailer that rested begins with what comes now.
        """
        if self._cursor is not None:
            return self._cursor
        async with self._services.database.reading(WORKER) as session:
            return self._begin(await newest_cursor(session))

    def _begin(self, newest: Cursor) -> Cursor:
        """Somebody else may have come meanwhile: then theirs is the place that is followed."""
        if self._cursor is None:
            self._cursor = newest
        return self._cursor

    def place_now(self, otherwise: Cursor) -> Cursor:
        """Say the same without waiting; the other place where the tailer rests."""
        return max(self._cursor or otherwise, otherwise)

    async def follow(self) -> None:
        """Read and tell until nobody listens; whoever comes next begins with what comes then."""
        try:
            while self._switchboard.streams:
                if not await self._look():
                    await self._switchboard.pause(POLL_SECONDS)
        finally:
            self._cursor = None

    async def _look(self) -> bool:
        """Say whether there is more to read at once; a database that is away is tried again."""
        try:
            return await self._read_on(await self.place())
        except (SQLAlchemyError, OSError) as error:
            _LOG.warning("realtime.tailer_failed", reason=type(error).__name__)
            return False

    async def _read_on(self, cursor: Cursor) -> bool:
        async with self._services.database.reading(WORKER) as session:
            news = await read_after(session, cursor, MESSAGES_AT_ONCE)
        if news:
            # In one step: whoever connects finds either both done or neither.
            self._switchboard.tell(news)
            self._cursor = news[-1].cursor
        return len(news) == MESSAGES_AT_ONCE
