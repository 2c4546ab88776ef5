"""What no provider tells the end of for a week is said to a person, until something is heard."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.orders import refund_service
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import NewRefundWanted, PlacedOrder, RefundDecision
from sync_server.payments import stuck
from sync_server.payments.rules import PaymentState, RefundState
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances
from tests.factories.orders import a_request, place_and_pay, put_on_sale, references
from tests.factories.rails import RunningRail
from tests.factories.tenants import Tenant, founder_caller
from tests.plugins.postgres import ClonedDatabase, connected

WEEK_MS = 7 * 86_400_000
SEEN = RefundDecision(given_back=True, reason="It is in the statement")
_FAIL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$
"""
_TRIGGER = "CREATE TRIGGER fail BEFORE INSERT ON admin_action_log EXECUTE FUNCTION fail()"


@pytest.fixture
async def placed(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> PlacedOrder:
    """An order whose payer was asked and has not answered yet."""
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 99)
    type_id = await put_on_sale(shop, tenant, event_id)
    return await place_and_pay(shop, tenant, event_id, type_id)


async def _alarms(services: Services, kind: str) -> list[str]:
    return list(await open_alarms(services, kind))


async def _silently(clock: SettableClock, work: Callable[[], Awaitable[int]]) -> None:
    """After a week it is asked about once more, and never again."""
    clock.advance(WEEK_MS)
    assert await work() == 1
    clock.advance(WEEK_MS)
    assert await work() == 0


async def test_a_payment_that_nobody_tells_of(
    shop: Services, clock: SettableClock, placed: PlacedOrder
) -> None:
    flow, payment_id = payment_flow(shop), placed.payments[0].id
    await _silently(clock, flow.refresh_due)
    assert await _alarms(shop, stuck.PAYMENT) == [str(payment_id)]


async def test_a_payment_that_is_heard_of_after_all(
    shop: Services, clock: SettableClock, rail: RunningRail, placed: PlacedOrder
) -> None:
    flow, payment_id = payment_flow(shop), placed.payments[0].id
    await _silently(clock, flow.refresh_due)
    (reference,) = await references(shop, placed.id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    assert (await flow.refresh(payment_id)).state is PaymentState.SUCCEEDED
    assert await _alarms(shop, stuck.PAYMENT) == []


@pytest.fixture
async def asked(shop: Services, tenant: Tenant, rail: RunningRail, placed: PlacedOrder) -> UUID:
    """A refund that is under way."""
    (reference,) = await references(shop, placed.id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    await payment_flow(shop).refresh(placed.payments[0].id)
    wanted = NewRefundWanted(lines=frozenset({1}), reason="It rains")
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        made = await refund_service.refund_order(caller, a_request(shop), placed.id, wanted)
    return made.id


async def test_a_refund_that_nobody_tells_of(
    shop: Services, clock: SettableClock, asked: UUID
) -> None:
    await _silently(clock, refund_flow(shop).refresh_due)
    assert await _alarms(shop, stuck.REFUND) == [str(asked)]


async def test_a_refund_that_a_person_decides(
    shop: Services, clock: SettableClock, asked: UUID
) -> None:
    await _silently(clock, refund_flow(shop).refresh_due)
    decided = await refund_service.decide_refund(shop, shop.new_id(), asked, SEEN)
    assert decided.state is RefundState.SUCCEEDED
    assert await _alarms(shop, stuck.REFUND) == []


async def test_a_decision_that_cannot_be_recorded_is_none(
    shop: Services, tenant: Tenant, asked: UUID, spare_database: ClonedDatabase
) -> None:
    """Whoever is killed between the two leaves neither."""
    admin = shop.new_id()
    before = await balances(shop, tenant)
    async with connected(spare_database.administrator_url) as administrator:
        await administrator.execute(text(_FAIL))
        await administrator.execute(text(_TRIGGER))
        with pytest.raises(DBAPIError, match="the log is full"):
            await refund_service.decide_refund(shop, admin, asked, SEEN)
        assert await _decisions(shop, asked) == []
        assert await balances(shop, tenant) == before
        await administrator.execute(text("DROP TRIGGER fail ON admin_action_log"))
    made = await refund_service.decide_refund(shop, admin, asked, SEEN)
    assert made.state is RefundState.SUCCEEDED
    assert await _decisions(shop, asked) == [(admin, SEEN.reason, {"state": "succeeded"})]


async def _decisions(shop: Services, refund_id: UUID) -> list[tuple[object, ...]]:
    query = text(
        "SELECT actor_id, reason, after FROM admin_action_log"
        " WHERE kind = 'refund.decide' AND object_id = :id"
    )
    async with shop.database.reading(WORKER) as session:
        return [tuple(row) for row in await session.execute(query, {"id": str(refund_id)})]
