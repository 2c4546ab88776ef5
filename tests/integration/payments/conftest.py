"""MTN's sandbox, a flow over it, and somebody who wants to pay."""

from collections.abc import AsyncIterator

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.payments.flow import PaymentFlow
from sync_server.payments.views import PaymentFacts
from tests.factories.payments import Heard, an_intent, flow_on
from tests.factories.rails import MTN, Rail, RunningRail, running
from tests.factories.tenants import Tenant
from tests.factories.till import Till
from tests.plugins.postgres import database_alone

cloned_database = database_alone


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(MTN) as rail:
        yield rail


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def flow(services: Services, rail: RunningRail, heard: Heard) -> PaymentFlow:
    return flow_on(services, rail, heard)


@pytest.fixture
async def intent(services: Services, tenant: Tenant, event_id: EventId) -> PaymentFacts:
    return await an_intent(services, tenant, event_id)


@pytest.fixture
async def till(
    request: pytest.FixtureRequest,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    clock: SettableClock,
) -> AsyncIterator[Till]:
    """On the rail that a test is given: see `tests.factories.till.on_rails`."""
    wanted: Rail = request.param
    async with running(wanted) as rail:
        yield Till(services, tenant, event_id, clock, rail)
