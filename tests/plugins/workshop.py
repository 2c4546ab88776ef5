"""A queue that no other test fills or empties."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from sync_server.kit.database import Database, DatabaseLimits
from tests.factories.jobs import Workshop
from tests.plugins.postgres import ClonedDatabase, services_on


@pytest.fixture
async def workshop(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Workshop]:
    """A database of the test's own, and what a server would be handed on it."""
    database = Database(spare_database.login_url, DatabaseLimits(connections_max=5))
    yield Workshop(services_on(database, clock, tmp_path))
    await database.close()
