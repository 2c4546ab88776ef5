"""Money that a bank took back and nobody told us of: the watch finds it, closes the gates, and the
books are clean.
"""

from collections.abc import AsyncIterator

import pytest

from shared.admission.facts import TicketStatus
from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.jobs import Job
from sync_server.kit.services import Services
from sync_server.orders import service
from sync_server.orders.holding import OrderState
from sync_server.orders.jobs import PAYMENTS, refresh_payments
from sync_server.orders.paying import payment_flow
from sync_server.orders.schemas import PaymentWanted
from sync_server.orders.service import OrderCall
from sync_server.payments.rules import PaymentState, Provider
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import drifts
from sync_server.reconciliation.service import RunSource
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.ledger import balances
from tests.factories.orders import (
    an_order,
    over,
    place,
    put_on_sale,
    references,
    taken,
    tickets_by_status,
)
from tests.factories.rails import FLUTTERWAVE, PESAPAL, Rail, RunningRail, running
from tests.factories.tenants import Tenant

_DAY_MS = 86_400_000
_JOB = Job(1, PAYMENTS, {}, 1)


@pytest.fixture(params=[PESAPAL, FLUTTERWAVE], ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 9)
        yield rail


async def test_a_chargeback_without_its_callback_closes_the_gates(
    services: Services, clock: SettableClock, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    shop = over(services, rail)
    type_id = await put_on_sale(shop, tenant, event_id)
    way = PaymentWanted(provider=Provider(rail.rail.name))
    placed = await place(shop, tenant, event_id, an_order(type_id, 2, payment=way))
    (reference,) = await references(shop, placed.id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    await payment_flow(shop).refresh(placed.payments[0].id)
    assert await tickets_by_status(shop, event_id) == {"valid": 2}
    await rail.engine.settle(reference, MovementState.REVERSED)
    for status in (TicketStatus.VALID, TicketStatus.PAYMENT_REVERSED):
        await refresh_payments(shop, _JOB)
        assert await tickets_by_status(shop, event_id) == {status.value: 2}
        clock.advance(_DAY_MS)
    own = await service.read_own_order(OrderCall(shop, placed.token))
    assert (own.state, own.payments[0].state) == (OrderState.REVERSED, PaymentState.REVERSED)
    assert await taken(shop, event_id) == 0
    assert set((await balances(shop, tenant)).values()) == {0}
    report = await reconciliation.run(shop, RunSource.OPERATOR)
    assert [item for item in drifts(report.items) if item.books_of == tenant.organizer_id] == []
