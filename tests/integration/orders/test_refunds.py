"""Money back: whole and in part, refused, lost and found; and money that was taken back. Tickets
and the gates' stream follow.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import cast
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.admission.facts import TicketStatus
from shared.clock import SettableClock
from shared.ids import DeploymentId, EventId
from shared.wire.changes import TicketChanged
from sync_server.composition import hear_provider
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.problems import ProblemError
from sync_server.kit.services import Services
from sync_server.orders import refund_service, service
from sync_server.orders.errors import LinesNotRefundableError, OrderNotFoundError
from sync_server.orders.holding import OrderState
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import (
    NewCashOrder,
    NewRefundWanted,
    OrderDetails,
    PlacedOrder,
    RefundShown,
    WantedTickets,
)
from sync_server.payments.callbacks import notice_to_bytes
from sync_server.payments.errors import NotRefundableError
from sync_server.payments.ports import Answer, CollectionReference, Notice, RefundRequest, Refused
from sync_server.payments.providers.mtn import Mtn
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Finding, Provider, Reading, RefundState
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from sync_server.tickets import changes
from sync_server.tickets.changes import Stream
from sync_server.webhooks.sources import WebhookEvent
from tests.factories.horizon import settled
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    a_request,
    add_fees,
    an_order,
    place,
    place_and_pay,
    put_on_sale,
    references,
    taken,
    tickets_by_status,
)
from tests.factories.payments import hear_of
from tests.factories.rails import RunningRail
from tests.factories.tenants import Tenant, founder_caller


@pytest.fixture
async def paid(shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail) -> PlacedOrder:
    """An order of three tickets that was paid, with fees."""
    type_id = await put_on_sale(shop, tenant, event_id)
    await add_fees(shop, tenant)
    placed = await place_and_pay(shop, tenant, event_id, type_id, 3)
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 99)
    (reference,) = await references(shop, placed.id)
    await rail.engine.settle(reference, MovementState.SUCCEEDED)
    await payment_flow(shop).refresh(placed.payments[0].id)
    return placed


async def _give_back(
    shop: Services, tenant: Tenant, order_id: UUID, *lines: int, key: str | None = None
) -> RefundShown:
    wanted = NewRefundWanted(lines=frozenset(lines), reason="It rains")
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        return await refund_service.refund_order(caller, a_request(shop, key), order_id, wanted)


async def _details(shop: Services, tenant: Tenant, order_id: UUID) -> OrderDetails:
    async with shop.database.reading(tenant.claims) as session:
        return await service.read_order(founder_caller(tenant, session), shop, order_id)


async def _decide(rail: RunningRail, state: MovementState) -> None:
    """The provider carries out what was asked of it, or does not."""
    for movement in list(rail.engine.movements.values()):
        if movement.operation is Operation.REFUND and movement.state is MovementState.PENDING:
            await rail.engine.settle(movement.reference, state)


async def _heard(
    shop: Services, administrator: AsyncConnection, tenant: Tenant, event_id: EventId
) -> dict[str, int]:
    """What the gates' stream says of the tickets, as each now stands."""
    await settled(administrator)
    stream = Stream(tenant.organizer_id, event_id, DeploymentId(shop.new_id()))
    async with shop.database.reading(WORKER) as session:
        page = await changes.read_page(session, stream, changes.BEGINNING, 100)
    last = {
        change.ticket_id: change.status.value
        for change in page.changes
        if isinstance(change, TicketChanged)
    }
    return {status: list(last.values()).count(status) for status in last.values()}


async def test_a_part_is_given_back_exactly(
    shop: Services,
    administrator: AsyncConnection,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    paid: PlacedOrder,
) -> None:
    asked = await _give_back(shop, tenant, paid.id, 2)
    assert (asked.state, asked.amount) == (RefundState.PENDING, PRICE)
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "blocked": 1}
    assert (await balances(shop, tenant))["refund_in_transit:mtn"] == -PRICE
    await _decide(rail, MovementState.SUCCEEDED)
    assert (await refund_flow(shop).refresh(asked.id)).state is RefundState.SUCCEEDED
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "refunded": 1}
    assert await _heard(shop, administrator, tenant, event_id) == {"valid": 2, "refunded": 1}
    assert await taken(shop, event_id) == 2
    assert await balances(shop, tenant) == {
        f"organizer_pending:{event_id}": -(2 * PRICE - 5_900),
        "platform_fee": -5_000,
        "provider_clearing:mtn": 2 * PRICE,
        "refund_in_transit:mtn": 0,
        "tax_on_fees": -900,
    }


async def _called_back(shop: Services, reference: str) -> None:
    """A callback that names a refund, taken out of the inbox."""
    body = b'{"status": "SUCCESSFUL"}'
    notice = notice_to_bytes(Notice("PUT", {}, {"reference": reference}, body))
    received_at = instant(shop.clock.now_ms())
    event = WebhookEvent("payments.mtn", reference, notice, received_at)
    await hear_provider(Provider.MTN, shop, event)


async def test_a_callback_of_a_refund_is_followed_by_a_question(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail, paid: PlacedOrder
) -> None:
    await _give_back(shop, tenant, paid.id, 2)
    (asked,) = [each for each in rail.engine.movements.values() if each.operation == "refund"]
    await _called_back(shop, asked.reference)
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "blocked": 1}
    await _decide(rail, MovementState.SUCCEEDED)
    await _called_back(shop, asked.reference)
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "refunded": 1}


@dataclass(slots=True)
class Overtaken(Mtn):
    """A rail that something happens to while a refund is on its way, before it is there."""

    rail: Mtn
    meanwhile: Callable[[RefundRequest], Awaitable[None]]

    async def refund(self, request: RefundRequest) -> Answer:
        await self.meanwhile(request)
        return await self.rail.refund(request)

    async def read_collection(self, reference: CollectionReference) -> Reading:
        return await self.rail.read_collection(reference)

    async def read_refund(self, request: RefundRequest) -> Reading:
        return await self.rail.read_refund(request)


async def test_a_stranger_s_callback_sends_no_refund_again_that_is_on_its_way(
    shop: Services, clock: SettableClock, tenant: Tenant, rail: RunningRail, paid: PlacedOrder
) -> None:
    """Some providers would give it twice."""
    mtn = cast("Mtn", rail.collector)
    polled: list[int] = []

    async def call(request: RefundRequest) -> None:
        for named in (request.reference, request.collection.reference):
            await _called_back(there, named)
        clock.advance(30_000)
        polled.append(await refund_flow(there).refresh_due())

    rails = PaymentRails({Provider.MTN: Overtaken(mtn, call)})
    there = replace(shop, parts={PaymentRails: rails})
    asked = await _give_back(there, tenant, paid.id, 2)
    assert (asked.state, polled) == (RefundState.PENDING, [0])


async def test_parts_sum_to_the_whole(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail, paid: PlacedOrder
) -> None:
    for lines in ((1,), ()):
        asked = await _give_back(shop, tenant, paid.id, *lines)
        await _decide(rail, MovementState.SUCCEEDED)
        await asyncio.gather(*(refund_flow(shop).refresh(asked.id) for _ in range(4)))
    assert await tickets_by_status(shop, event_id) == {"refunded": 3}
    assert (await taken(shop, event_id), set((await balances(shop, tenant)).values())) == (0, {0})
    details = await _details(shop, tenant, paid.id)
    assert [refund.state for refund in details.refunds] == [RefundState.SUCCEEDED] * 2
    assert {line.refund_id for line in details.tickets} == {each.id for each in details.refunds}
    with pytest.raises(LinesNotRefundableError):
        await _give_back(shop, tenant, paid.id)


async def test_the_same_key_gives_back_once_and_so_do_many_at_once(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail, paid: PlacedOrder
) -> None:
    first, second = [await _give_back(shop, tenant, paid.id, 1, key="k" * 16) for _ in range(2)]
    assert first.id == second.id
    asked = (_outcome(shop, tenant, paid.id) for _ in range(3))
    outcomes = sorted(await asyncio.gather(*asked))
    assert outcomes == ["lines_not_refundable", "lines_not_refundable", "pending"]
    asked_of_provider = [
        movement
        for movement in rail.engine.movements.values()
        if movement.operation is Operation.REFUND
    ]
    assert len(asked_of_provider) == 2
    assert await tickets_by_status(shop, event_id) == {"blocked": 3}


async def _outcome(shop: Services, tenant: Tenant, order_id: UUID) -> str:
    try:
        return (await _give_back(shop, tenant, order_id)).state.value
    except ProblemError as refused:
        return refused.code


async def test_what_the_provider_refuses_holds_again(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail, paid: PlacedOrder
) -> None:
    before = await balances(shop, tenant)
    asked = await _give_back(shop, tenant, paid.id)
    await _decide(rail, MovementState.FAILED)
    assert (await refund_flow(shop).refresh(asked.id)).state is RefundState.FAILED
    assert await tickets_by_status(shop, event_id) == {"valid": 3}
    assert {**await balances(shop, tenant)} == {**before, "refund_in_transit:mtn": 0}
    again = await _give_back(shop, tenant, paid.id)
    assert (again.id != asked.id, again.amount) == (True, 3 * PRICE)


@pytest.mark.parametrize("fault", [Fault.LOST_ANSWER, Fault.UNAVAILABLE])
async def test_a_lost_answer_is_unknown_and_then_found(
    shop: Services,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    paid: PlacedOrder,
    fault: Fault,
) -> None:
    rail.engine.dial.turn(Operation.REFUND, fault)
    asked = await _give_back(shop, tenant, paid.id)
    assert asked.state is RefundState.UNKNOWN
    clock.advance(120_000)
    await refund_flow(shop).refresh_due()
    await _decide(rail, MovementState.SUCCEEDED)
    assert (await refund_flow(shop).refresh(asked.id)).state is RefundState.SUCCEEDED
    assert await tickets_by_status(shop, event_id) == {"refunded": 3}


@dataclass(slots=True)
class Forgetful(Mtn):
    """A rail that once does not find what it has, and refuses to have it twice."""

    rail: Mtn
    forgets: int = 1
    calls: int = 0

    async def refund(self, request: RefundRequest) -> Answer:
        self.calls += 1
        return await self.rail.refund(request) if self.calls == 1 else Refused("DUPLICATE")

    async def read_refund(self, request: RefundRequest) -> Reading:
        self.forgets -= 1
        is_lost = self.forgets >= 0
        return Reading(Finding.NOT_FOUND) if is_lost else await self.rail.read_refund(request)


@pytest.mark.parametrize(
    ("forgets", "state", "tickets"),
    [(1, RefundState.PENDING, {"blocked": 3}), (9, RefundState.FAILED, {"valid": 3})],
    ids=["found", "never there"],
)
async def test_a_second_call_that_is_refused_says_nothing_of_the_first(
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    paid: PlacedOrder,
    forgets: int,
    state: RefundState,
    tickets: dict[str, int],
) -> None:
    rail.engine.dial.turn(Operation.REFUND, Fault.LOST_ANSWER)
    forgetful = Forgetful(cast("Mtn", rail.collector), forgets)
    there = replace(shop, parts={PaymentRails: PaymentRails({Provider.MTN: forgetful})})
    asked = await _give_back(there, tenant, paid.id)
    assert asked.state is RefundState.UNKNOWN
    assert (await refund_flow(there).refresh(asked.id)).state is state
    assert (forgetful.calls, await tickets_by_status(shop, event_id)) == (2, tickets)


async def test_what_an_organizer_did_to_a_ticket_meanwhile_stands(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail, paid: PlacedOrder
) -> None:
    asked = await _give_back(shop, tenant, paid.id, 1, 2)
    async with shop.database.transaction(tenant.claims) as session:
        query = (
            "UPDATE tickets SET status = 'revoked', status_reason = 'sold on' WHERE id ="
            " (SELECT id FROM tickets WHERE event_id = :id AND status = 'blocked' LIMIT 1)"
        )
        await session.execute(text(query), {"id": event_id})
    await _decide(rail, MovementState.FAILED)
    await refund_flow(shop).refresh(asked.id)
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "revoked": 1}


async def test_cash_goes_back_over_the_counter(
    shop: Services, tenant: Tenant, event_id: EventId
) -> None:
    type_id = await put_on_sale(shop, tenant, event_id)
    await add_fees(shop, tenant)
    wanted = NewCashOrder(tickets=[WantedTickets(ticket_type_id=type_id, count=3)])
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        sold = await service.place_cash_order(caller, a_request(shop), event_id, wanted)
    first, again = [await _give_back(shop, tenant, sold.id, 1, key="k" * 16) for _ in range(2)]
    assert (first.id, first.state, first.amount) == (again.id, RefundState.SUCCEEDED, PRICE)
    assert (await balances(shop, tenant))["organizer_receivable"] == 5_900
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "refunded": 1}
    await _give_back(shop, tenant, sold.id)
    assert await tickets_by_status(shop, event_id) == {"refunded": 3}
    assert (await taken(shop, event_id), set((await balances(shop, tenant)).values())) == (0, {0})
    with pytest.raises(LinesNotRefundableError):
        await _give_back(shop, tenant, sold.id)


async def test_what_is_not_sold_for_money_is_not_given_back(
    shop: Services, tenant: Tenant, other_tenant: Tenant, event_id: EventId, paid: PlacedOrder
) -> None:
    held = await place(shop, tenant, event_id, an_order(paid.tickets[0].ticket_type_id))
    with pytest.raises(NotRefundableError):
        await _give_back(shop, tenant, held.id)
    with pytest.raises(LinesNotRefundableError):
        await _give_back(shop, tenant, paid.id, 1, 9)
    with pytest.raises(OrderNotFoundError):
        await _give_back(shop, other_tenant, paid.id)


async def test_money_that_is_taken_back_closes_the_gates(
    shop: Services,
    administrator: AsyncConnection,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    paid: PlacedOrder,
) -> None:
    """MTN takes nothing back; other rails say so when they are read."""
    asked = await _give_back(shop, tenant, paid.id, 1)
    await _decide(rail, MovementState.SUCCEEDED)
    await refund_flow(shop).refresh(asked.id)
    flow = payment_flow(shop)
    for _ in range(2):
        reading = Reading(Finding.REVERSED, reason="chargeback")
        await hear_of(flow, paid.payments[0].id, reading)
    own = await service.read_own_order(service.OrderCall(shop, paid.token))
    assert own.state is OrderState.REVERSED
    expected = {TicketStatus.REFUNDED.value: 1, TicketStatus.PAYMENT_REVERSED.value: 2}
    assert await tickets_by_status(shop, event_id) == expected
    assert await _heard(shop, administrator, tenant, event_id) == expected
    assert await taken(shop, event_id) == 0
    # The bank took what was left, not what had been given back before.
    assert set((await balances(shop, tenant)).values()) == {0}
    with pytest.raises(NotRefundableError):
        await _give_back(shop, tenant, paid.id)
