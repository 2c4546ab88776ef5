"""Each test has books of its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from tests.factories.house import House, open_house
from tests.plugins.postgres import ClonedDatabase


@pytest.fixture
def cloned_database(spare_database: ClonedDatabase) -> ClonedDatabase:
    """A database alone: what falls due for one test would fall due for all."""
    return spare_database


@pytest.fixture
async def house(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[House]:
    async with open_house(spare_database, clock, tmp_path) as house:
        yield house
