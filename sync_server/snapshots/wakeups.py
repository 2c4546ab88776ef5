"""Waking kiosks when their event changed: one reader of the database a process, any number of
listeners.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Final
from uuid import UUID

import structlog
from fastapi import Depends, Request
from sqlalchemy.exc import DBAPIError

from shared.journal.entry import Cursor
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services, ServicesDependency
from sync_server.tickets import changes

POLL_SECONDS: Final = 0.2
_LOG: Final = structlog.get_logger(__name__)


@dataclass(eq=False, slots=True)
class _Listener:
    """One open stream: it holds the newest place only, so that a slow reader costs nothing."""

    event_id: UUID
    newest: Cursor = changes.BEGINNING
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, newest: Cursor) -> None:
        if newest > self.newest:
            self.newest = newest
            self.woken.set()


class ChangeTailer:
    """Follows the change stream of every event that somebody listens to, and rests otherwise."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._listeners: set[_Listener] = set()
        self._task: asyncio.Task[None] | None = None

    async def listen(self, event_id: UUID) -> AsyncIterator[Cursor]:
        """Give the newest place at once and again whenever there is a newer one."""
        with self._listening(event_id) as listener:
            while True:
                await listener.woken.wait()
                listener.woken.clear()
                yield listener.newest

    @contextmanager
    def _listening(self, event_id: UUID) -> Iterator[_Listener]:
        listener = _Listener(event_id)
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._follow())
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

    async def _look(self) -> None:
        event_ids = {listener.event_id for listener in self._listeners}
        async with self._services.database.reading(WORKER) as session:
            newest = await changes.newest_places(session, sorted(event_ids))
        for listener in self._listeners:
            listener.hear(newest.get(listener.event_id, changes.BEGINNING))


def change_tailer(request: Request, services: ServicesDependency) -> ChangeTailer:
    """Give the process's only tailer."""
    tailer = getattr(request.app.state, "change_tailer", None)
    if not isinstance(tailer, ChangeTailer):
        tailer = ChangeTailer(services)
        request.app.state.change_tailer = tailer
    return tailer


ChangeTailerDependency = Annotated[ChangeTailer, Depends(change_tailer)]
