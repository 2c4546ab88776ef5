from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from tests.factories.audit import World, opened_world
from tests.plugins.postgres import ClonedDatabase


@pytest.fixture
async def world(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[World]:
    async with opened_world(spare_database, clock, tmp_path) as world:
        yield world
