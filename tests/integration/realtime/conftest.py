"""A server whose listeners a test can look at."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import httpx
import pytest
from sqlalchemy import text

from sync_server.app import create_app
from sync_server.kit.claims import WORKER
from sync_server.kit.horizon import FUTURE
from sync_server.kit.outbox import Message, newest_cursor, publish
from sync_server.kit.services import Services
from sync_server.realtime.service import Realtime
from sync_server.realtime.streams import StreamLimits
from tests.factories.serving import served
from tests.integration.realtime.stage import Stage, make_stage
from tests.plugins.postgres import database_alone, given


@dataclass(frozen=True, slots=True)
class Hall:
    """A server on loopback, and what it holds of its listeners."""

    address: str
    services: Services
    realtime: Realtime

    async def tell(self, *messages: Message) -> None:
        async with self.services.database.transaction(WORKER) as session:
            await publish(session, *messages)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something nobody announces, and fail where it does not come."""
        async with asyncio.timeout(30):
            while not condition():  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)

    async def empty(self) -> None:
        """Wait until everybody has left and nobody serves them any more."""
        await self.until(lambda: not self.realtime.switchboard.streams)
        await self.realtime.rest()


OpenHall = Callable[[StreamLimits], Awaitable[Hall]]


cloned_database = database_alone


@pytest.fixture
async def open_hall(services: Services) -> AsyncIterator[OpenHall]:
    """Servers with limits of the test's own."""
    halls: list[Hall] = []
    ended = asyncio.Event()
    tasks: list[asyncio.Task[None]] = []

    async def serve(limits: StreamLimits, opened: asyncio.Future[Hall]) -> None:
        app = create_app(partial(given, services))
        realtime = app.state.realtime = Realtime(services, limits)
        async with served(app) as address:
            hall = Hall(address, services, realtime)
            halls.append(hall)
            opened.set_result(hall)
            await ended.wait()
            await hall.empty()

    async def open_one(limits: StreamLimits) -> Hall:
        opened: asyncio.Future[Hall] = asyncio.get_running_loop().create_future()
        tasks.append(asyncio.create_task(serve(limits, opened)))
        return await opened

    yield open_one
    ended.set()
    await asyncio.gather(*tasks)


@pytest.fixture
async def hall(open_hall: OpenHall) -> Hall:
    return await open_hall(StreamLimits())


@pytest.fixture
async def stage(services: Services, app_client: httpx.AsyncClient) -> Stage:
    """The organizers' calls go to one server, the listeners are in `hall`, another. Whoever listens
    then hears nothing of how the stage was made.
    """
    made = await make_stage(services, app_client)
    await _past(services)
    return made


async def _past(services: Services) -> None:
    """Wait until whatever was open in this cluster, whoever else uses it, has ended."""
    async with services.database.transaction(WORKER) as session:
        now = await session.scalar(text(f"SELECT {FUTURE}"))
    async with asyncio.timeout(60):
        while True:
            async with services.database.reading(WORKER) as session:
                if (await newest_cursor(session)).xid >= now:
                    return
            await asyncio.sleep(0.02)
