"""Flutterwave knows a refund by nothing that keeps it from being given twice, and its list of them
may lag: what was sent is not sent again before the list would long tell.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.orders import refund_service
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import NewRefundWanted, PaymentWanted, RefundShown
from sync_server.payments.ports import Answer, CollectionReference, RefundRequest
from sync_server.payments.providers.flutterwave import Flutterwave
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Finding, Provider, Reading, RefundState
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.orders import (
    PRICE,
    a_request,
    an_order,
    over,
    place,
    put_on_sale,
    references,
)
from tests.factories.rails import FLUTTERWAVE, RunningRail, running
from tests.factories.tenants import Tenant, founder_caller

MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS


@pytest.fixture
async def rail() -> AsyncIterator[RunningRail]:
    async with running(FLUTTERWAVE) as rail:
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 9)
        yield rail


@dataclass(slots=True)
class Lagging(Flutterwave):
    """A rail whose list does not know yet what was sent."""

    rail: Flutterwave
    lags: bool = True
    asked: list[str] = field(default_factory=list)

    async def read_collection(self, reference: CollectionReference) -> Reading:
        return await self.rail.read_collection(reference)

    async def refund(self, request: RefundRequest) -> Answer:
        self.asked.append(request.reference)
        return await self.rail.refund(request)

    async def read_refund(self, request: RefundRequest) -> Reading:
        return Reading(Finding.NOT_FOUND) if self.lags else await self.rail.read_refund(request)


@pytest.fixture
def lagging(rail: RunningRail) -> Lagging:
    return Lagging(cast("Flutterwave", rail.collector))


@pytest.fixture
def shop(services: Services, rail: RunningRail, lagging: Lagging) -> Services:
    rails = PaymentRails({Provider.FLUTTERWAVE: lagging})
    return replace(over(services, rail), parts={PaymentRails: rails})


async def _give_a_part_back(
    services: Services, shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> RefundShown:
    """Of an order of three, one ticket."""
    open_shop = over(services, rail)
    type_id = await put_on_sale(open_shop, tenant, event_id)
    way = PaymentWanted(provider=Provider.FLUTTERWAVE)
    placed = await place(open_shop, tenant, event_id, an_order(type_id, 3, payment=way))
    (reference,) = await references(open_shop, placed.id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    await payment_flow(open_shop).refresh(placed.payments[0].id)
    wanted = NewRefundWanted(lines=frozenset({1}), reason="It rains")
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        return await refund_service.refund_order(caller, a_request(shop), placed.id, wanted)


async def test_a_refund_that_a_list_does_not_tell_of_yet_is_not_given_twice(
    services: Services,
    shop: Services,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    lagging: Lagging,
) -> None:
    rail.engine.dial.turn(Operation.REFUND, Fault.LOST_ANSWER)
    asked = await _give_a_part_back(services, shop, tenant, event_id, rail)
    assert (asked.state, asked.amount) == (RefundState.UNKNOWN, PRICE)
    for waited_ms in (2 * MINUTE_MS, 60 * MINUTE_MS, DAY_MS - 63 * MINUTE_MS):
        clock.advance(waited_ms)
        assert (await refund_flow(shop).refresh(asked.id)).state is RefundState.UNKNOWN
    assert len(lagging.asked) == 1
    lagging.lags = False
    await rail.finish_refund()
    assert (await refund_flow(shop).refresh(asked.id)).state is RefundState.SUCCEEDED
    given = [each for each in rail.engine.movements.values() if each.operation == "refund"]
    assert len(given) == 1


async def test_what_never_arrived_is_sent_again_after_a_day_and_by_one_of_many(
    services: Services,
    shop: Services,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    lagging: Lagging,
) -> None:
    rail.engine.dial.turn(Operation.REFUND, Fault.UNAVAILABLE)
    asked = await _give_a_part_back(services, shop, tenant, event_id, rail)
    clock.advance(DAY_MS)
    await asyncio.gather(*(refund_flow(shop).refresh(asked.id) for _ in range(4)))
    lagging.lags = False
    assert lagging.asked == [lagging.asked[0]] * 2
    await rail.finish_refund()
    assert (await refund_flow(shop).refresh(asked.id)).state is RefundState.SUCCEEDED
