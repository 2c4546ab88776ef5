"""An order is the same over every rail: asked, paid, and given back as far as the rail tells."""

from collections.abc import AsyncIterator

import pytest

from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.orders import refund_service, service
from sync_server.orders.holding import OrderState
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import NewRefundWanted, PaymentWanted, RefundDecision
from sync_server.orders.service import OrderCall
from sync_server.payments.rules import PaymentState, Provider, RefundState
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    a_request,
    an_order,
    over,
    place,
    put_on_sale,
    references,
    tickets_by_status,
)
from tests.factories.rails import CALLED_RAILS, Rail, RunningRail, running
from tests.factories.tenants import Tenant, founder_caller


@pytest.fixture(params=CALLED_RAILS, ids=lambda rail: rail.name)
async def rail(request: pytest.FixtureRequest) -> AsyncIterator[RunningRail]:
    wanted: Rail = request.param
    async with running(wanted) as rail:
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 9)
        yield rail


@pytest.fixture
def shop(services: Services, rail: RunningRail) -> Services:
    return over(services, rail)


async def test_an_order_is_paid_and_given_back(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id, currency=rail.rail.currency)
    way = PaymentWanted(provider=Provider(rail.rail.name))
    placed = await place(shop, tenant, event_id, an_order(type_id, 2, payment=way))
    assert [payment.state for payment in placed.payments] == [PaymentState.PENDING]
    (reference,) = await references(shop, placed.id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    await payment_flow(shop).refresh(placed.payments[0].id)
    own = await service.read_own_order(OrderCall(shop, placed.token))
    assert (own.state, await tickets_by_status(shop, event_id)) == (OrderState.PAID, {"valid": 2})

    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        wanted = NewRefundWanted(reason="It rains")
        asked = await refund_service.refund_order(caller, a_request(shop), placed.id, wanted)
    assert (asked.state, asked.amount) == (RefundState.PENDING, 2 * PRICE)
    for _ in range(rail.rail.tells_refunds):
        await rail.finish_refund()
    told = await refund_flow(shop).refresh(asked.id)
    left = await balances(shop, tenant)
    expected = {
        True: (RefundState.SUCCEEDED, {"refunded": 2}, 0),
        False: (RefundState.PENDING, {"blocked": 2}, -2 * PRICE),
    }[rail.rail.tells_refunds]
    transit = left[f"refund_in_transit:{rail.rail.name}"]
    assert (told.state, await tickets_by_status(shop, event_id), transit) == expected

    decided = RefundDecision(given_back=True, reason="It stands in the provider's statement")
    admin = tenant.founder.user_id
    ended = [await refund_service.decide_refund(shop, admin, asked.id, decided) for _ in range(2)]
    assert [refund.state for refund in ended] == [RefundState.SUCCEEDED] * 2
    assert await tickets_by_status(shop, event_id) == {"refunded": 2}
    assert set((await balances(shop, tenant)).values()) == {0}
