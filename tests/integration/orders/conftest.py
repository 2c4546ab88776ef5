"""A shop over MTN's sandbox, and the branch of a bank."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from sync_server.kit.services import Services
from tests.factories.branch import Branch, a_branch
from tests.factories.orders import over
from tests.factories.rails import MTN, RunningRail, running
from tests.plugins.postgres import database_alone

cloned_database = database_alone


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(MTN) as rail:
        yield rail


@pytest.fixture
def shop(services: Services, rail: RunningRail) -> Services:
    """Services that offer one rail."""
    return over(services, rail)


@pytest.fixture
async def branch(services: Services, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Branch]:
    async with a_branch(services, clock, tmp_path / "bank") as opened:
        yield opened
