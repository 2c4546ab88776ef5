from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId
from tests.factories.horizon import settled
from tests.factories.scanners import Door, make_door
from tests.factories.tenants import Tenant


@pytest.fixture
async def door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    """A deployment of one gate."""
    return await make_door(app_client, tenant, event_id)


Settle = Callable[[], Awaitable[None]]


@pytest.fixture
def settle(administrator: AsyncConnection) -> Settle:
    """Wait until all that was committed is readable in the change stream."""
    return partial(settled, administrator)
