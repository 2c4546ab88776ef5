"""Money for an order that was let go buys its tickets by the rules of any order, or goes back."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.orders import service
from sync_server.orders.fulfilment import (
    CODE_USED_UP_MEANWHILE,
    LIMIT_REACHED_MEANWHILE,
    SOLD_OUT_MEANWHILE,
)
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import NewOrder, PaymentWanted, PlacedOrder
from sync_server.orders.service import OrderCall
from sync_server.payments.rules import Provider
from sync_server.sandboxes.engine import MovementState, Operation
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    add_promo_code,
    an_order,
    expire,
    place,
    put_on_sale,
    references,
    states_of_orders,
    taken,
    tickets_by_status,
)
from tests.factories.rails import RunningRail
from tests.factories.tenants import Tenant

MTN = PaymentWanted(provider=Provider.MTN)
_LONG_ENOUGH_MS = 16 * 60_000


@dataclass(frozen=True, slots=True)
class _Counter:
    """Where orders are placed, let go, and paid after that."""

    shop: Services
    clock: SettableClock
    tenant: Tenant
    event_id: EventId
    rail: RunningRail

    async def let_go(self, wanted: NewOrder) -> PlacedOrder:
        late = await self.place(wanted)
        self.clock.advance(_LONG_ENOUGH_MS)
        await expire(self.shop)
        return late

    async def place(self, wanted: NewOrder) -> PlacedOrder:
        return await place(self.shop, self.tenant, self.event_id, wanted)

    async def pay(self, placed: PlacedOrder) -> str:
        """The payer says yes; say how the order then stands."""
        for reference in await references(self.shop, placed.id):
            await self.rail.engine.settle(reference, MovementState.SUCCEEDED)
        for payment in placed.payments:
            await payment_flow(self.shop).refresh(payment.id)
        return (await service.read_own_order(OrderCall(self.shop, placed.token))).state

    async def both_paid(self, wanted: NewOrder) -> list[str]:
        """Order the same twice, the first of them let go before: the second is paid first."""
        late = await self.let_go(wanted)
        second = await self.place(wanted)
        return [await self.pay(second), await self.pay(late)]

    async def reasons(self) -> Sequence[str]:
        """Why money goes back."""
        async with self.shop.database.reading(WORKER) as session:
            query = text("SELECT reason FROM refunds WHERE organizer_id = :id")
            found = await session.scalars(query, {"id": self.tenant.organizer_id})
            return list(found)

    async def uses(self) -> int:
        async with self.shop.database.reading(WORKER) as session:
            query = text("SELECT uses FROM promo_codes WHERE event_id = :id")
            return int(await session.scalar(query, {"id": self.event_id}) or 0)

    async def give_back(self) -> None:
        """The schedule sends what waits to be given back, and the provider does it."""
        self.clock.advance(31_000)
        await refund_flow(self.shop).refresh_due()
        for movement in list(self.rail.engine.movements.values()):
            if movement.operation is Operation.REFUND:
                await self.rail.engine.settle(movement.reference, MovementState.SUCCEEDED)
        self.clock.advance(60_000)
        await refund_flow(self.shop).refresh_due()


@pytest.fixture
def counter(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> _Counter:
    return _Counter(shop, clock, tenant, event_id, rail)


async def test_what_is_above_the_limit_of_a_buyer_goes_back(counter: _Counter) -> None:
    type_id = await put_on_sale(counter.shop, counter.tenant, counter.event_id, per_buyer_max=1)
    states = await counter.both_paid(an_order(type_id, payment=MTN))
    assert (states, await counter.reasons()) == (["paid", "expired"], [LIMIT_REACHED_MEANWHILE])
    await counter.give_back()
    assert await states_of_orders(counter.shop, counter.event_id) == {"paid": 1, "expired": 1}
    assert await taken(counter.shop, counter.event_id) == 1
    assert await tickets_by_status(counter.shop, counter.event_id) == {"valid": 1}
    left = await balances(counter.shop, counter.tenant)
    assert (left["provider_clearing:mtn"], sum(left.values())) == (PRICE, 0)


async def test_what_is_within_the_limit_of_a_buyer_is_theirs(counter: _Counter) -> None:
    type_id = await put_on_sale(counter.shop, counter.tenant, counter.event_id, per_buyer_max=2)
    states = await counter.both_paid(an_order(type_id, payment=MTN))
    assert (states, await counter.reasons()) == (["paid", "paid"], [])
    assert await taken(counter.shop, counter.event_id) == 2


async def test_the_limit_is_each_buyers_own(counter: _Counter) -> None:
    type_id = await put_on_sale(counter.shop, counter.tenant, counter.event_id, per_buyer_max=1)
    late = await counter.let_go(an_order(type_id, payment=MTN))
    another = await counter.place(an_order(type_id, payment=MTN))
    assert [await counter.pay(order) for order in (another, late)] == ["paid", "paid"]


@pytest.mark.parametrize(
    ("uses_max", "states", "reasons"),
    [(1, ["paid", "expired"], [CODE_USED_UP_MEANWHILE]), (2, ["paid", "paid"], [])],
)
async def test_a_promo_code_is_used_anew(
    counter: _Counter, uses_max: int, states: list[str], reasons: list[str]
) -> None:
    type_id = await put_on_sale(counter.shop, counter.tenant, counter.event_id)
    promo = await add_promo_code(counter.shop, counter.tenant, counter.event_id, uses_max=uses_max)
    wanted = an_order(type_id, promo_code=promo.code, payment=MTN)
    assert await counter.both_paid(wanted) == states
    assert await counter.reasons() == reasons
    assert [await counter.uses(), await taken(counter.shop, counter.event_id)] == [uses_max] * 2


async def test_what_is_sold_out_uses_no_promo_code(counter: _Counter) -> None:
    type_id = await put_on_sale(counter.shop, counter.tenant, counter.event_id, quantity=1)
    promo = await add_promo_code(counter.shop, counter.tenant, counter.event_id)
    late = await counter.let_go(an_order(type_id, promo_code=promo.code, payment=MTN))
    await counter.place(an_order(type_id))
    assert await counter.pay(late) == "expired"
    assert (await counter.reasons(), await counter.uses()) == ([SOLD_OUT_MEANWHILE], 0)
