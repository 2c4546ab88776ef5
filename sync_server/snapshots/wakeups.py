"""Waking kiosks when their event changed: one reader of the database a process, any number of
listeners.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass, field
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import Depends, FastAPI, Request
from sqlalchemy.exc import DBAPIError

from shared.ids import ScannerSessionId
from shared.journal.entry import Cursor
from shared.wire.paths import STREAM_KEEPALIVE_SECONDS
from sync_server.deployments import sessions
from sync_server.deployments.callers import AdmittedScanner
from sync_server.deployments.rules import Scanner
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services, ServicesDependency
from sync_server.tickets import changes

POLL_SECONDS: Final = 0.2
_SIGN_OF_LIFE_SECONDS: Final = 0.8 * STREAM_KEEPALIVE_SECONDS
"""Sooner than promised, so that one that takes its time on the way is not late."""
_LOG: Final = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Listener:
    """One open stream: it holds the newest place only, so that a slow reader costs nothing."""

    event_id: UUID
    session_id: ScannerSessionId
    newest: Cursor = changes.BEGINNING
    over: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, newest: Cursor) -> None:
        if newest > self.newest:
            self.newest = newest
            self.woken.set()

    def end(self) -> None:
        self.over = True
        self.woken.set()

    async def wait(self, seconds: float) -> bool:
        """Say whether there was something to hear before the time was over."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return False
        self.woken.clear()
        return True


class ChangeTailer:
    """Follows the change stream of every event that somebody listens to, and rests otherwise."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._listeners: set[_Listener] = set()
        self._task: asyncio.Task[None] | None = None

    async def listen(self, caller: AdmittedScanner) -> AsyncIterator[Cursor | None]:
        """Give the newest place at once and again whenever there is a newer one, and None when a
        sign of life is due; end with the session or the token.
        """
        clock = self._services.clock
        with self._listening(caller.scanner) as listener:
            while clock.now_ms() < caller.token_until_ms:
                heard = await listener.wait(_SIGN_OF_LIFE_SECONDS)
                if listener.over:
                    return
                yield listener.newest if heard else None

    def stop(self) -> None:
        """End every stream: whoever comes back reads what it missed."""
        for listener in self._listeners:
            listener.end()

    @contextmanager
    def _listening(self, scanner: Scanner) -> Iterator[_Listener]:
        listener = _Listener(scanner.event_id, scanner.session_id)
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            # In a context of its own: it works for all, not for the request that came first.
            self._task = asyncio.create_task(self._follow(), context=Context())
            self._task.add_done_callback(self._look_at_end)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    async def _follow(self) -> None:
        """Poll while anybody listens; a database that is away is tried again."""
        while self._listeners:
            try:
                await self._look()
            except (DBAPIError, OSError) as error:
                _LOG.warning("changes.tailer_failed", reason=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    def _look_at_end(self, task: asyncio.Task[None]) -> None:
        """A bug must not leave streams that say they live and wake nobody: they come back to a new
        start.
        """
        if task.cancelled() or task.exception() is None:
            return
        _LOG.error("changes.failed", exc_info=task.exception())
        self.stop()

    async def _look(self) -> None:
        event_ids = {listener.event_id for listener in self._listeners}
        session_ids = [listener.session_id for listener in self._listeners]
        async with self._services.database.reading(WORKER) as session:
            newest = await changes.newest_places(session, sorted(event_ids))
            running = await sessions.running_sessions(session, session_ids)
        for listener in self._listeners:
            listener.hear(newest.get(listener.event_id, changes.BEGINNING))
            # Whoever began to listen during the look was not asked about.
            if listener.session_id in session_ids and listener.session_id not in running:
                listener.end()


def change_tailer(request: Request, services: ServicesDependency) -> ChangeTailer:
    """Give the process's only tailer."""
    tailer = getattr(request.app.state, "change_tailer", None)
    if not isinstance(tailer, ChangeTailer):
        tailer = ChangeTailer(services)
        request.app.state.change_tailer = tailer
    return tailer


ChangeTailerDependency = Annotated[ChangeTailer, Depends(change_tailer)]


def stop_waking(app: FastAPI) -> None:
    """End every stream of an application that stops."""
    tailer = getattr(app.state, "change_tailer", None)
    if isinstance(tailer, ChangeTailer):
        tailer.stop()
