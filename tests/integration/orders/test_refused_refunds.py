"""Refunds that a provider refused for good: somebody is told, and an admin asks once more, once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.ledger.postings import Shares
from sync_server.orders import refund_service, service
from sync_server.orders.fulfilment import REFUSED
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import NewRefundWanted, PaymentWanted, PlacedOrder
from sync_server.orders.service import OrderCall
from sync_server.payments import refunds
from sync_server.payments.refunds import NewRefund, request_refund
from sync_server.payments.rules import Finding, Provider, Reading, RefundState
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.alarms import open_alarms
from tests.factories.jobs import client_of, make_admin
from tests.factories.ledger import balances, ugx
from tests.factories.orders import (
    PRICE,
    a_request,
    place_and_pay,
    put_on_sale,
    references,
    taken,
    tickets_by_status,
)
from tests.factories.payments import hear_of
from tests.factories.rails import RunningRail
from tests.factories.refused import three_paid
from tests.factories.tenants import Person, Tenant, founder_caller
from tests.plugins.postgres import ClonedDatabase

MTN = PaymentWanted(provider=Provider.MTN)
WHY = {"reason": "The buyer's line works again"}
ACCOUNT = {"holder": "Grace Nakato", "account": "3100012345", "bank": "CERBUGKA"}


@pytest.fixture
async def client(shop: Services) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(shop) as client:
        yield client


@pytest.fixture
async def admin(services: Services, cloned_database: ClonedDatabase) -> Person:
    return await make_admin(services, cloned_database.administrator_url)


@pytest.fixture
async def paid(shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail) -> PlacedOrder:
    return await three_paid(shop, rail, tenant, event_id)


@pytest.fixture
async def twice(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail
) -> PlacedOrder:
    """An order that was paid twice: what is too much goes back without anybody asking."""
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 99)
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place_and_pay(shop, tenant, event_id, type_id)
    await service.pay_own_order(OrderCall(shop, placed.token), a_request(shop), MTN)
    await _pay_all(shop, rail, placed)
    return placed


async def _pay_all(shop: Services, rail: RunningRail, placed: PlacedOrder) -> None:
    for reference in await references(shop, placed.id):
        await rail.engine.settle(reference, MovementState.SUCCEEDED)
    own = await service.read_own_order(OrderCall(shop, placed.token))
    for payment in own.payments:
        await payment_flow(shop).refresh(payment.id)


async def _give_back(shop: Services, tenant: Tenant, order_id: UUID, *lines: int) -> UUID:
    wanted = NewRefundWanted(lines=frozenset(lines), reason="It rains")
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        made = await refund_service.refund_order(caller, a_request(shop), order_id, wanted)
    return made.id


async def _decide(shop: Services, rail: RunningRail, refund_id: UUID, state: MovementState) -> None:
    """The provider does what was asked of it, or refuses, and is read."""
    if await _state(shop, refund_id) == "requested":
        await refund_flow(shop).refresh(refund_id)
    await rail.finish_refund(state)
    await refund_flow(shop).refresh(refund_id)


async def _state(shop: Services, refund_id: UUID) -> str:
    async with shop.database.reading(WORKER) as session:
        query = text("SELECT state FROM refunds WHERE id = :id")
        return str(await session.scalar(query, {"id": refund_id}))


async def _only_refund(shop: Services, placed: PlacedOrder) -> UUID:
    async with shop.database.reading(WORKER) as session:
        query = text(
            "SELECT r.id FROM refunds r JOIN payments p ON p.id = r.payment_id"
            " WHERE p.order_id = :id"
        )
        return UUID(str((await session.scalars(query, {"id": placed.id})).one()))


async def _alarms(shop: Services) -> list[tuple[str, dict[str, Any]]]:
    return list((await open_alarms(shop, REFUSED)).items())


async def _refused(client: httpx.AsyncClient, admin: Person) -> list[dict[str, Any]]:
    answer = await client.get("/v1/refunds/refused", headers=admin.headers)
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def _retry(
    client: httpx.AsyncClient,
    who: Person | Tenant,
    refund_id: UUID,
    key: str = "a",
    **more: object,
) -> tuple[int, dict[str, Any]]:
    answer = await client.post(
        f"/v1/refunds/{refund_id}/retry",
        json={**WHY, **more},
        headers={**who.headers, "Idempotency-Key": key},
    )
    return answer.status_code, answer.json()


async def test_money_that_came_twice_and_was_refused_waits_for_an_admin(
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    twice: PlacedOrder,
) -> None:
    refused = await _only_refund(shop, twice)
    await _decide(shop, rail, refused, MovementState.FAILED)
    ((subject, detail),) = await _alarms(shop)
    assert (subject, detail["order_id"], detail["amount"]) == (str(refused), str(twice.id), PRICE)
    (waiting,) = await _refused(client, admin)
    assert (waiting["id"], waiting["currency"], waiting["wants_account"]) == (
        str(refused),
        "UGX",
        False,
    )
    status, made = await _retry(client, admin, refused)
    assert (status, made["state"], made["amount"]) == (201, "pending", PRICE)
    assert (await _alarms(shop), await _refused(client, admin)) == ([], [])
    assert (await _retry(client, admin, refused))[1]["id"] == made["id"]
    await _decide(shop, rail, UUID(made["id"]), MovementState.SUCCEEDED)
    assert (await _retry(client, admin, refused))[1]["state"] == "succeeded"
    assert await tickets_by_status(shop, event_id) == {"valid": 1}
    left = await balances(shop, tenant)
    assert (left["provider_clearing:mtn"], left["refund_in_transit:mtn"]) == (PRICE, 0)


async def test_an_admins_reason_is_kept(
    shop: Services,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    twice: PlacedOrder,
) -> None:
    refused = await _only_refund(shop, twice)
    await _decide(shop, rail, refused, MovementState.FAILED)
    _, made = await _retry(client, admin, refused)
    assert (await _retry(client, admin, refused))[1]["id"] == made["id"]
    async with shop.database.reading(WORKER) as session:
        query = text(
            "SELECT actor_id, reason, after FROM admin_action_log"
            " WHERE kind = 'refund.retry' AND object_id = :id"
        )
        rows = (await session.execute(query, {"id": str(refused)})).all()
    ((actor_id, reason, after),) = [tuple(row) for row in rows]
    assert (actor_id, reason) == (admin.user_id, WHY["reason"])
    assert after == {"refund_id": made["id"], "account_id": None}


async def test_the_tickets_of_a_refund_go_with_its_retry(
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    paid: PlacedOrder,
) -> None:
    refused = await _give_back(shop, tenant, paid.id, 1, 3)
    await _decide(shop, rail, refused, MovementState.FAILED)
    assert await tickets_by_status(shop, event_id) == {"valid": 3}
    _, made = await _retry(client, admin, refused)
    assert await tickets_by_status(shop, event_id) == {"valid": 1, "blocked": 2}
    await _decide(shop, rail, UUID(made["id"]), MovementState.SUCCEEDED)
    assert await tickets_by_status(shop, event_id) == {"valid": 1, "refunded": 2}
    assert await taken(shop, event_id) == 1
    assert (await balances(shop, tenant))["provider_clearing:mtn"] == PRICE


async def test_of_many_retries_at_once_one_gives_money_back(
    shop: Services,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    twice: PlacedOrder,
) -> None:
    refused = await _only_refund(shop, twice)
    await _decide(shop, rail, refused, MovementState.FAILED)
    keys = ("a", "a", "b", "c")
    answers = await asyncio.gather(*(_retry(client, admin, refused, key) for key in keys))
    made = {answer["id"] for status, answer in answers if status == 201}
    codes = {answer["code"] for status, answer in answers if status != 201}
    assert (len(made), codes) == (1, {"refund_retried"})
    asked = [each for each in rail.engine.movements.values() if each.operation is Operation.REFUND]
    assert len(asked) == 2
    (named,) = {answer["refund_id"] for status, answer in answers if status == 409}
    assert {named} == made


async def test_a_retry_that_is_refused_as_well_waits_in_its_place(
    shop: Services,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    twice: PlacedOrder,
) -> None:
    refund_id = await _only_refund(shop, twice)
    for _ in range(3):
        await _decide(shop, rail, refund_id, MovementState.FAILED)
        assert [subject for subject, _ in await _alarms(shop)] == [str(refund_id)]
        assert [each["id"] for each in await _refused(client, admin)] == [str(refund_id)]
        _, made = await _retry(client, admin, refund_id)
        refund_id = UUID(made["id"])
    await _decide(shop, rail, refund_id, MovementState.SUCCEEDED)
    assert (await _alarms(shop), await _refused(client, admin)) == ([], [])


async def test_what_was_not_refused_is_not_asked_for_again(
    shop: Services,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    tenant: Tenant,
    twice: PlacedOrder,
) -> None:
    refund_id = await _only_refund(shop, twice)
    status, refusal = await _retry(client, admin, refund_id)
    assert (status, refusal["code"], refusal["state"]) == (409, "refund_not_failed", "requested")
    await _decide(shop, rail, refund_id, MovementState.SUCCEEDED)
    assert (await _retry(client, admin, refund_id))[1]["code"] == "refund_not_failed"
    unknown = await _retry(client, admin, shop.new_id())
    assert (unknown[0], unknown[1]["code"]) == (404, "refund_not_found")
    assert (await _retry(client, tenant, refund_id))[1]["code"] == "admin_required"
    listed = await client.get("/v1/refunds/refused", headers=tenant.headers)
    assert listed.json()["code"] == "admin_required"
    path = f"/v1/refunds/{refund_id}/retry"
    keyless = await client.post(path, json=WHY, headers=admin.headers)
    assert keyless.json()["code"] == "idempotency_key_required"


@pytest.mark.parametrize(
    ("lines", "otherwise", "refusal"),
    [((1, 2), (), "refund_too_large"), ((1,), (1,), "lines_not_refundable")],
)
async def test_money_that_was_given_back_otherwise_is_not_given_back_again(
    shop: Services,
    tenant: Tenant,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    paid: PlacedOrder,
    lines: tuple[int, ...],
    otherwise: tuple[int, ...],
    refusal: str,
) -> None:
    """The organizer asked again by themselves, for all that was left or for the same ticket."""
    refused = await _give_back(shop, tenant, paid.id, *lines)
    await _decide(shop, rail, refused, MovementState.FAILED)
    another = await _give_back(shop, tenant, paid.id, *otherwise)
    assert (await _alarms(shop), await _refused(client, admin)) == ([], [])
    await _decide(shop, rail, another, MovementState.SUCCEEDED)
    before = await balances(shop, tenant)
    status, answer = await _retry(client, admin, refused)
    assert (status, answer["code"]) == (409, refusal)
    assert await balances(shop, tenant) == before


async def test_money_that_a_bank_took_back_is_owed_no_more(
    shop: Services,
    tenant: Tenant,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    paid: PlacedOrder,
) -> None:
    refused = await _give_back(shop, tenant, paid.id, 1)
    await _decide(shop, rail, refused, MovementState.FAILED)
    reading = Reading(Finding.REVERSED, reason="chargeback")
    await hear_of(payment_flow(shop), paid.payments[0].id, reading)
    assert (await _alarms(shop), await _refused(client, admin)) == ([], [])
    status, answer = await _retry(client, admin, refused)
    assert (status, answer["code"]) == (409, "not_refundable")


async def test_money_that_goes_back_as_it_came_needs_no_account(
    shop: Services,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    twice: PlacedOrder,
) -> None:
    refused = await _only_refund(shop, twice)
    await _decide(shop, rail, refused, MovementState.FAILED)
    status, answer = await _retry(client, admin, refused, account=ACCOUNT)
    assert (status, answer["code"]) == (409, "refund_account_not_needed")
    owner = {"Authorization": f"Bearer {twice.token}"}
    own = await client.post("/v1/order/refund-account", json=ACCOUNT, headers=owner)
    assert (own.status_code, own.json()["code"]) == (409, "refund_account_not_needed")
    async with shop.database.reading(WORKER) as session:
        assert await session.scalar(text("SELECT count(*) FROM refund_accounts")) == 0


async def test_a_rail_that_is_offered_no_more_is_asked_for_nothing(
    services: Services,
    shop: Services,
    rail: RunningRail,
    admin: Person,
    twice: PlacedOrder,
) -> None:
    refused = await _only_refund(shop, twice)
    await _decide(shop, rail, refused, MovementState.FAILED)
    async with client_of(services) as client:
        status, answer = await _retry(client, admin, refused)
    assert (status, answer["code"]) == (422, "provider_not_offered")
    assert [subject for subject, _ in await _alarms(shop)] == [str(refused)]


async def test_a_refund_whose_tickets_are_not_known_is_left_to_a_new_one(
    shop: Services,
    tenant: Tenant,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    paid: PlacedOrder,
) -> None:
    """Before a refund kept its lines, only the order knew them, and forgot when it failed."""
    nothing = ugx(0)
    shares = Shares(ugx(PRICE), nothing, nothing, nothing, nothing)
    payment_id = paid.payments[0].id
    async with shop.database.transaction(WORKER) as session:
        wanted = NewRefund(tenant.organizer_id, payment_id, shares, "It rains")
        old = await request_refund(session, shop, wanted)
    await _decide(shop, rail, old.id, MovementState.FAILED)
    status, answer = await _retry(client, admin, old.id)
    assert (status, answer["code"]) == (409, "lines_not_refundable")
    async with shop.database.reading(WORKER) as session:
        made = await refunds.refunds_of_payment(session, tenant.organizer_id, payment_id)
    assert [refund.state for refund in made] == [RefundState.FAILED]


async def test_refused_refunds_are_listed_in_pages(
    shop: Services,
    tenant: Tenant,
    rail: RunningRail,
    client: httpx.AsyncClient,
    admin: Person,
    paid: PlacedOrder,
) -> None:
    refused = [await _give_back(shop, tenant, paid.id, line) for line in (1, 2, 3)]
    movements = list(rail.engine.movements.values())
    for movement in [each for each in movements if each.operation is Operation.REFUND]:
        await rail.engine.settle(movement.reference, MovementState.FAILED)
    for refund_id in refused:
        await refund_flow(shop).refresh(refund_id)
    path = "/v1/refunds/refused?limit=2"
    first = (await client.get(path, headers=admin.headers)).json()
    cursor = first["next_cursor"]
    second = (await client.get(f"{path}&cursor={cursor}", headers=admin.headers)).json()
    found = [each["id"] for each in (*first["items"], *second["items"])]
    assert (found, second["next_cursor"]) == (sorted(map(str, refused)), None)
    wrong = await client.get("/v1/refunds/refused?cursor=x", headers=admin.headers)
    assert wrong.json()["code"] == "cursor_invalid"
