import httpx
import pytest

from shared.ids import EventId
from tests.factories.scanners import Door, make_door
from tests.factories.tenants import Tenant


@pytest.fixture
async def door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    """A deployment of one gate."""
    return await make_door(app_client, tenant, event_id)
