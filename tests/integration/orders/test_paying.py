"""Orders and the money for them: paid, paid twice, paid late, never paid, and killed on the way."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.event import listen

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.idempotency import IdempotencyKeyReusedError
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.orders import paying, repository, service
from sync_server.orders.errors import (
    CurrencyNotTakenError,
    OrderNotPayableError,
    PaymentsExhaustedError,
    PaymentTooLargeError,
    PaymentUnderWayError,
    PhoneRequiredError,
)
from sync_server.orders.holding import PAYMENTS_MAX, OrderState
from sync_server.orders.paying import WayToPay, payment_flow, refund_flow
from sync_server.orders.schemas import BuyerGiven, PaymentWanted, PlacedOrder
from sync_server.orders.service import OrderCall
from sync_server.payments.errors import ProviderNotOfferedError
from sync_server.payments.rules import PaymentState, Provider
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    a_request,
    add_fees,
    an_order,
    expire,
    place,
    place_and_pay,
    put_on_sale,
    references,
    states_of_orders,
    taken,
    tickets_by_status,
)
from tests.factories.rails import PHONE, RunningRail
from tests.factories.tenants import Tenant

MINUTE_MS = 60_000
MTN = PaymentWanted(provider=Provider.MTN)


async def _settle(
    services: Services,
    rail: RunningRail,
    order_id: UUID,
    state: MovementState = MovementState.SUCCEEDED,
) -> None:
    """The payer decides about every payment of an order, and no callback tells."""
    for reference in await references(services, order_id):
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING)
        await rail.engine.settle(reference, state)


async def _ask(services: Services, placed: PlacedOrder) -> list[PaymentState]:
    own = await service.read_own_order(OrderCall(services, placed.token))
    flow = payment_flow(services)
    return [(await flow.refresh(payment.id)).state for payment in own.payments]


async def _state(services: Services, placed: PlacedOrder) -> OrderState:
    return (await service.read_own_order(OrderCall(services, placed.token))).state


async def test_an_order_and_its_payment_send_few_statements(
    shop: Services, tenant: Tenant, rail: RunningRail, event_id: EventId
) -> None:
    """Each is a message there and one back, on the day on which everybody buys."""
    type_id = await put_on_sale(shop, tenant, event_id)
    sent: list[str] = []
    engine = shop.database.worker_engine.sync_engine
    listen(engine, "before_cursor_execute", lambda _, __, sql, *___: sent.append(sql))
    placed = await place_and_pay(shop, tenant, event_id, type_id, 3)
    (payment,) = placed.payments
    placing = len(sent)
    await _settle(shop, rail, placed.id)
    sent.clear()
    assert (await payment_flow(shop).refresh(payment.id)).state is PaymentState.SUCCEEDED
    assert (placing, len(sent)) == (6, 7)


async def test_money_makes_tickets_once(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    await add_fees(shop, tenant)
    placed = await place_and_pay(shop, tenant, event_id, type_id, 2)
    (payment,) = placed.payments
    assert (placed.state, payment.state) == (OrderState.HELD, PaymentState.PENDING)
    assert await tickets_by_status(shop, event_id) == {}
    await _settle(shop, rail, placed.id)
    flow = payment_flow(shop)
    await asyncio.gather(*(flow.refresh(payment.id) for _ in range(8)))
    own = await service.read_own_order(OrderCall(shop, placed.token))
    assert own.state is OrderState.PAID
    assert len({line.wallet_link for line in own.tickets} - {None}) == 2
    assert await tickets_by_status(shop, event_id) == {"valid": 2}
    assert await taken(shop, event_id) == 2
    assert await balances(shop, tenant) == {
        f"organizer_pending:{event_id}": -(2 * PRICE - 5_900),
        "platform_fee": -5_000,
        "provider_clearing:mtn": 2 * PRICE,
        "tax_on_fees": -900,
    }


async def test_the_hold_outlives_the_rail(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    clock.advance(14 * MINUTE_MS)
    caller = OrderCall(shop, placed.token)
    own = await service.pay_own_order(caller, a_request(shop), MTN)
    assert own.hold_expires_at > own.payments[0].expires_at
    clock.advance(12 * MINUTE_MS)
    await expire(shop)
    assert await _state(shop, placed) is OrderState.HELD
    clock.advance(4 * MINUTE_MS)
    await expire(shop)
    assert await _state(shop, placed) is OrderState.EXPIRED


async def test_a_double_click_asks_for_the_money_once(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    caller, key = OrderCall(shop, placed.token), "one click"
    clicks = (service.pay_own_order(caller, a_request(shop, key), MTN) for _ in range(5))
    await asyncio.gather(*clicks)
    assert len(await references(shop, placed.id)) == len(rail.engine.movements) == 1


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.UNAVAILABLE])
async def test_a_lost_answer_leaves_a_payment_that_is_found(
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    fault: Fault,
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    rail.engine.dial.turn(Operation.COLLECT, fault)
    placed = await place_and_pay(shop, tenant, event_id, type_id)
    assert [payment.state for payment in placed.payments] == [PaymentState.UNKNOWN]
    await _ask(shop, placed)
    await _settle(shop, rail, placed.id)
    assert await _ask(shop, placed) == [PaymentState.SUCCEEDED]
    assert len(rail.engine.movements) == 1
    assert await tickets_by_status(shop, event_id) == {"valid": 1}


async def test_a_key_that_asked_for_a_payment_asks_for_no_other(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    caller, key = OrderCall(shop, placed.token), "one click"
    asked = await service.pay_own_order(caller, a_request(shop, key), MTN)
    other = a_request(shop, key, about="another telephone")
    with pytest.raises(IdempotencyKeyReusedError):
        await service.pay_own_order(caller, other, MTN)
    assert (await service.pay_own_order(caller, a_request(shop, key), MTN)) == asked
    assert len(rail.engine.movements) == 1


async def test_whoever_is_killed_before_the_call_leaves_a_payment_that_is_sent(
    shop: Services,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
) -> None:
    """The intent is committed, and its process is gone."""
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    async with shop.database.transaction(WORKER) as session:
        order = await repository.find_order(session, tenant.organizer_id, placed.id)
        assert order is not None
        way = WayToPay(Provider.MTN, PHONE, a_request(shop))
        await paying.begin_payment(session, shop, order, way)
    assert rail.engine.movements == {}
    clock.advance(121_000)
    await payment_flow(shop).refresh_due()
    assert list(rail.engine.movements) == list(await references(shop, placed.id))
    await _settle(shop, rail, placed.id)
    assert await _ask(shop, placed) == [PaymentState.SUCCEEDED]
    assert await _state(shop, placed) is OrderState.PAID


async def test_a_refusal_leaves_the_hold_for_another_try(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place_and_pay(shop, tenant, event_id, type_id)
    await _settle(shop, rail, placed.id, MovementState.FAILED)
    assert await _ask(shop, placed) == [PaymentState.FAILED]
    caller = OrderCall(shop, placed.token)
    own = await service.pay_own_order(caller, a_request(shop), MTN)
    assert (own.state, len(own.payments)) == (OrderState.HELD, 2)
    with pytest.raises(PaymentUnderWayError):
        await service.cancel_own_order(caller)


async def _expired(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> PlacedOrder:
    """An order for the last two tickets that was let go, and whose payer is about to say yes."""
    type_id = await put_on_sale(shop, tenant, event_id, quantity=2)
    placed = await place_and_pay(shop, tenant, event_id, type_id, 2)
    clock.advance(16 * MINUTE_MS)
    await expire(shop)
    assert (await _state(shop, placed), await taken(shop, event_id)) == (OrderState.EXPIRED, 0)
    return placed


async def test_a_late_success_gets_tickets_that_are_still_there(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    placed = await _expired(shop, clock, tenant, event_id)
    await _settle(shop, rail, placed.id)
    assert await _ask(shop, placed) == [PaymentState.SUCCEEDED]
    assert (await _state(shop, placed), await taken(shop, event_id)) == (OrderState.PAID, 2)
    assert await tickets_by_status(shop, event_id) == {"valid": 2}


async def _refunds_arrive(shop: Services, rail: RunningRail, clock: SettableClock) -> None:
    """The schedule sends what waits to be given back, and the provider does it."""
    clock.advance(31_000)
    await refund_flow(shop).refresh_due()
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 9)
    for movement in list(rail.engine.movements.values()):
        if movement.operation is Operation.REFUND:
            await rail.engine.settle(movement.reference, MovementState.SUCCEEDED)
    clock.advance(60_000)
    await refund_flow(shop).refresh_due()


async def test_a_late_success_without_tickets_is_given_back(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    """Somebody else took one of the two meanwhile, so not enough are left."""
    placed = await _expired(shop, clock, tenant, event_id)
    await place(shop, tenant, event_id, an_order(placed.tickets[0].ticket_type_id))
    await _settle(shop, rail, placed.id)
    assert await _ask(shop, placed) == [PaymentState.SUCCEEDED]
    await _refunds_arrive(shop, rail, clock)
    assert (await _state(shop, placed), await taken(shop, event_id)) == (OrderState.EXPIRED, 1)
    assert await tickets_by_status(shop, event_id) == {}
    assert set((await balances(shop, tenant)).values()) == {0}


async def test_what_was_paid_twice_is_given_back_once(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place_and_pay(shop, tenant, event_id, type_id)
    await service.pay_own_order(OrderCall(shop, placed.token), a_request(shop), MTN)
    await _settle(shop, rail, placed.id)
    assert await _ask(shop, placed) == [PaymentState.SUCCEEDED] * 2
    await _refunds_arrive(shop, rail, clock)
    assert (await _state(shop, placed), await taken(shop, event_id)) == (OrderState.PAID, 1)
    assert await tickets_by_status(shop, event_id) == {"valid": 1}
    left = await balances(shop, tenant)
    assert left["provider_clearing:mtn"] == PRICE
    assert left[f"organizer_pending:{event_id}"] == -PRICE


async def test_an_order_is_tried_to_be_paid_so_often_and_no_more(
    shop: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    caller = OrderCall(shop, placed.token)
    for _ in range(PAYMENTS_MAX):
        await service.pay_own_order(caller, a_request(shop), MTN)
    with pytest.raises(PaymentsExhaustedError):
        await service.pay_own_order(caller, a_request(shop), MTN)


async def test_a_rail_that_asks_a_telephone_is_told_of_one_before_anything_is_held(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    buyer = BuyerGiven(address="grace@example.org")
    with pytest.raises(PhoneRequiredError):
        await place(shop, tenant, event_id, an_order(type_id, buyer=buyer, payment=MTN))
    assert (await states_of_orders(shop, event_id), await taken(shop, event_id)) == ({}, 0)
    placed = await place(shop, tenant, event_id, an_order(type_id, buyer=buyer))
    caller = OrderCall(shop, placed.token)
    with pytest.raises(PhoneRequiredError):
        await service.pay_own_order(caller, a_request(shop), MTN)
    own = await service.read_own_order(caller)
    assert (own.payments, own.hold_expires_at) == ([], placed.hold_expires_at)
    assert rail.engine.movements == {}
    named = PaymentWanted(provider=Provider.MTN, phone=PHONE)
    paid = await service.pay_own_order(caller, a_request(shop), named)
    assert [payment.state for payment in paid.payments] == [PaymentState.PENDING]


@pytest.mark.parametrize(
    ("terms", "refused"),
    [
        ({"price": 5_000_001}, PaymentTooLargeError),
        ({"currency": "KES"}, CurrencyNotTakenError),
    ],
)
async def test_what_a_rail_cannot_carry_is_refused_before_anything_is_held(
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    terms: dict[str, Any],
    refused: type[ProblemError],
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id, **terms)
    with pytest.raises(refused):
        await place(shop, tenant, event_id, an_order(type_id, payment=MTN))
    assert (await states_of_orders(shop, event_id), await taken(shop, event_id)) == ({}, 0)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    assert placed.ways_to_pay == []
    with pytest.raises(refused):
        await service.pay_own_order(OrderCall(shop, placed.token), a_request(shop), MTN)
    assert rail.engine.movements == {}


async def test_what_a_rail_carries_just_so_is_offered(
    shop: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id, price=5_000_000)
    placed = await place(shop, tenant, event_id, an_order(type_id, payment=MTN))
    assert placed.ways_to_pay == [Provider.MTN]
    assert [payment.state for payment in placed.payments] == [PaymentState.PENDING]


async def test_what_costs_nothing_needs_no_telephone(
    shop: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id, price=0)
    buyer = BuyerGiven(address="grace@example.org")
    placed = await place(shop, tenant, event_id, an_order(type_id, buyer=buyer, payment=MTN))
    assert (placed.state, placed.payments) == (OrderState.PAID, [])


async def test_what_waits_for_no_payment_is_not_paid(
    shop: Services, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place(shop, tenant, event_id, an_order(type_id))
    caller = OrderCall(shop, placed.token)
    with pytest.raises(ProviderNotOfferedError):
        await service.pay_own_order(
            caller, a_request(shop), PaymentWanted(provider=Provider.AIRTEL)
        )
    clock.advance(16 * MINUTE_MS)
    with pytest.raises(OrderNotPayableError):
        await service.pay_own_order(caller, a_request(shop), MTN)
