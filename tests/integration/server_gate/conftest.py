import asyncio
from collections.abc import Awaitable, Callable

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId
from tests.factories.scanners import Door, make_door
from tests.factories.tenants import Tenant


@pytest.fixture
async def door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    """A deployment of one gate."""
    return await make_door(app_client, tenant, event_id)


Settle = Callable[[], Awaitable[None]]


@pytest.fixture
def settle(administrator: AsyncConnection) -> Settle:
    """Wait until all that was committed is readable in the change stream.

    Transactions of any database of the cluster hold its horizon back, those of tests beside this
    one too.
    """

    async def wait() -> None:
        mark = await administrator.scalar(text("SELECT pg_current_xact_id()::text"))
        passed = text(
            "SELECT pg_snapshot_xmin(pg_current_snapshot()) > CAST(CAST(:mark AS text) AS xid8)"
        )
        async with asyncio.timeout(20):
            # PostgreSQL tells nobody when its horizon moves.
            while not await administrator.scalar(passed, {"mark": mark}):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    return wait
