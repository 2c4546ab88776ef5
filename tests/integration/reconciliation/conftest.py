"""Each test has books of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from tests.factories.house import House, open_house
from tests.plugins.postgres import ClonedDatabase, database_alone

cloned_database = database_alone


@pytest.fixture
async def house(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[House]:
    async with open_house(spare_database, clock, tmp_path) as house:
        yield house
