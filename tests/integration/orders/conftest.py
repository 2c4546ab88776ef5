"""A shop over MTN's sandbox, a refund that was refused there, and the branch of a bank."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.services import Services
from tests.factories.branch import Branch, a_branch
from tests.factories.jobs import client_of, make_admin
from tests.factories.orders import over
from tests.factories.rails import MTN, RunningRail, running
from tests.factories.refused import Refused, three_paid, two_refused
from tests.factories.tenants import Tenant
from tests.plugins.postgres import ClonedDatabase, database_alone

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


@pytest.fixture
async def refused(
    shop: Services,
    services: Services,
    cloned_database: ClonedDatabase,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
) -> AsyncIterator[Refused]:
    placed = await three_paid(shop, rail, tenant, event_id)
    refund_id = await two_refused(shop, rail, tenant, placed)
    admin = await make_admin(services, cloned_database.administrator_url)
    async with client_of(shop) as client:
        yield Refused(client, admin, placed, refund_id)
