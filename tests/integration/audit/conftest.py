from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from sync_server.audit.sealing import open_sealer
from sync_server.kit.database import Database
from tests.factories.audit import World
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on


@pytest.fixture
async def world(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[World]:
    """A tenant alone in a database, since a log is one for all tenants."""
    database = Database(spare_database.login_url)
    services = services_on(database, clock, tmp_path)
    async with connected(spare_database.administrator_url) as administrator:
        yield World(services, open_sealer(services), administrator, await make_tenant(services))
    await database.close()
