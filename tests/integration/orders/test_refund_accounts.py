"""Money that came by transfer goes back to the account that its buyer names, as a file to the bank
and by its statement; with nothing but a folder between.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.keys import MASTER_KEY_BYTES, KeySealer, MasterKey
from sync_server.orders import refund_service
from sync_server.orders.fulfilment import REFUSED
from sync_server.orders.paying import refund_flow
from sync_server.orders.schemas import NewRefundWanted, PlacedOrder
from sync_server.payments.providers.bank.channels import OUTBOX
from sync_server.payments.providers.bank.rail import REFUND_NEEDS_AN_ACCOUNT
from sync_server.payments.refund_flow import CAME_BACK
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import drifts
from sync_server.reconciliation.service import RunSource
from sync_server.sandboxes.engine import MovementState
from tests.factories.branch import (
    BY_TRANSFER,
    Branch,
    late_money,
    pay_by_transfer,
    refuse_refund,
)
from tests.factories.jobs import client_of, make_admin
from tests.factories.ledger import balances
from tests.factories.orders import (
    a_request,
    add_fees,
    an_order,
    expire,
    place,
    put_on_sale,
    tickets_by_status,
)
from tests.factories.tenants import Tenant, founder_caller
from tests.plugins.postgres import ClonedDatabase

DAY_MS = 86_400_000
ACCOUNT = {"holder": "Grace Nakato", "account": "3100012345", "bank": "CERBUGKA"}
OTHER = {**ACCOUNT, "account": "3100099999"}
_REFUNDS = """
    SELECT r.id, r.state, r.refusal, r.reference::text AS reference, r.retry_of FROM refunds AS r
    JOIN payments AS p ON p.id = r.payment_id WHERE p.order_id = :id ORDER BY r.retry_of NULLS FIRST
"""


@pytest.fixture
async def client(branch: Branch) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(branch.services) as client:
        yield client


async def _by_transfer(
    branch: Branch, tenant: Tenant, event_id: EventId, type_id: UUID
) -> PlacedOrder:
    wanted = an_order(type_id, payment=BY_TRANSFER)
    return await place(branch.services, tenant, event_id, wanted)


@pytest.fixture
async def late(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> PlacedOrder:
    """An order whose money came when its ticket was somebody else's: a refund waits to be sent."""
    await add_fees(branch.services, tenant)
    return await late_money(branch, clock, tenant, event_id)


@pytest.fixture
async def refused(branch: Branch, clock: SettableClock, late: PlacedOrder) -> PlacedOrder:
    """The same, once the bank was asked."""
    await refuse_refund(branch, clock)
    return late


async def _refunds(branch: Branch, placed: PlacedOrder) -> list[Any]:
    async with branch.services.database.reading(WORKER) as session:
        return list(await session.execute(text(_REFUNDS), {"id": placed.id}))


async def _states(branch: Branch, placed: PlacedOrder) -> list[str]:
    return [row.state for row in await _refunds(branch, placed)]


async def _name(
    client: httpx.AsyncClient, placed: PlacedOrder, account: dict[str, str]
) -> httpx.Response:
    owner = {"Authorization": f"Bearer {placed.token}"}
    return await client.post("/v1/order/refund-account", json=account, headers=owner)


async def _wants_account(client: httpx.AsyncClient, placed: PlacedOrder) -> list[bool]:
    owner = {"Authorization": f"Bearer {placed.token}"}
    own = await client.get("/v1/order", headers=owner)
    return [refund["wants_account"] for refund in own.json()["refunds"]]


async def _round(branch: Branch) -> None:
    """The bank does its round, and we take in what it says."""
    branch.sandbox.do_round()
    await branch.take_in()


async def _settle(branch: Branch, placed: PlacedOrder, state: MovementState) -> None:
    """The bank takes the file of the refund that is under way, and does as it says or does not."""
    await _round(branch)
    (sent,) = [row for row in await _refunds(branch, placed) if row.state == "pending"]
    await branch.engine.settle(sent.reference, state)
    await _round(branch)


async def test_a_wrong_payment_goes_back_to_the_account_that_its_buyer_names(
    branch: Branch,
    client: httpx.AsyncClient,
    tenant: Tenant,
    event_id: EventId,
    refused: PlacedOrder,
) -> None:
    (first,) = await _refunds(branch, refused)
    assert (first.state, first.refusal) == ("failed", REFUND_NEEDS_AN_ACCOUNT)
    assert await branch.alarms(REFUSED) == [str(first.id)]
    assert await _wants_account(client, refused) == [True]
    named = await _name(client, refused, ACCOUNT)
    assert (named.status_code, named.json()["account_ending"]) == (200, "2345")
    _, second = await _refunds(branch, refused)
    assert (named.json()["retried"], second.retry_of) == ([str(second.id)], first.id)
    assert (len(branch.names_in(OUTBOX)), await branch.alarms(REFUSED)) == (1, [])
    assert await _wants_account(client, refused) == [False]
    await _settle(branch, refused, MovementState.SUCCEEDED)
    branch.sandbox.close_day()
    await branch.take_in()
    assert await _states(branch, refused) == ["failed", "succeeded"]
    left = await balances(branch.services, tenant)
    assert (left["provider_clearing:bank"], left["refund_in_transit:bank"]) == (0, 0)
    report = await reconciliation.run(branch.services, RunSource.OPERATOR)
    assert drifts(report.items) == []
    assert await tickets_by_status(branch.services, event_id) == {}


async def test_the_same_account_again_sends_nothing_more(
    branch: Branch, client: httpx.AsyncClient, refused: PlacedOrder
) -> None:
    answers = await asyncio.gather(*(_name(client, refused, ACCOUNT) for _ in range(3)))
    assert [answer.status_code for answer in answers] == [200] * 3
    assert sorted(len(answer.json()["retried"]) for answer in answers) == [0, 0, 1]
    assert await _states(branch, refused) == ["failed", "pending"]
    async with branch.services.database.reading(WORKER) as session:
        assert await session.scalar(text("SELECT count(*) FROM refund_accounts")) == 1
    assert len(branch.names_in(OUTBOX)) == 1


async def test_whoever_named_an_account_before_waits_for_nobody(
    branch: Branch,
    client: httpx.AsyncClient,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
) -> None:
    type_id = await put_on_sale(branch.services, tenant, event_id, quantity=1)
    placed = await _by_transfer(branch, tenant, event_id, type_id)
    assert (await _name(client, placed, ACCOUNT)).json()["retried"] == []
    clock.advance(7 * DAY_MS)
    await expire(branch.services)
    await place(branch.services, tenant, event_id, an_order(type_id))
    await pay_by_transfer(branch, placed)
    clock.advance(60_000)
    await refund_flow(branch.services).refresh_due()
    await _settle(branch, placed, MovementState.SUCCEEDED)
    assert (await _states(branch, placed), await branch.alarms(REFUSED)) == (["succeeded"], [])


async def test_an_account_that_comes_before_the_bank_was_asked_is_used(
    branch: Branch, client: httpx.AsyncClient, late: PlacedOrder
) -> None:
    assert await _states(branch, late) == ["requested"]
    assert len((await _name(client, late, ACCOUNT)).json()["retried"]) == 1
    assert await _states(branch, late) == ["failed", "pending"]
    assert await branch.alarms(REFUSED) == []


async def test_a_wrong_account_is_followed_by_another_a_few_times(
    branch: Branch, client: httpx.AsyncClient, refused: PlacedOrder
) -> None:
    for number in range(5):
        account = {**ACCOUNT, "account": f"310001234{number}"}
        assert len((await _name(client, refused, account)).json()["retried"]) == 1
        assert await branch.alarms(REFUSED) == []
        await _settle(branch, refused, MovementState.FAILED)
        assert len(await branch.alarms(REFUSED)) == 1
        # What was refused with this account is not tried with it again.
        assert (await _name(client, refused, account)).json()["retried"] == []
    answer = await _name(client, refused, OTHER)
    assert (answer.status_code, answer.json()["code"]) == (429, "refund_accounts_exhausted")
    assert await _states(branch, refused) == ["failed"] * 6


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"bank": "no bank!"}, "refund_account_unusable"),
        ({"account": "+256772123456"}, "refund_account_unusable"),
        ({"account": "3100 012345"}, "request_invalid"),
        ({"account": "1"}, "request_invalid"),
        ({"bank": ""}, "request_invalid"),
        ({"holder": ""}, "request_invalid"),
        ({"iban": "x"}, "request_invalid"),
    ],
)
async def test_an_account_that_is_none_is_not_kept(
    branch: Branch,
    client: httpx.AsyncClient,
    refused: PlacedOrder,
    changes: dict[str, str],
    refusal: str,
) -> None:
    answer = await _name(client, refused, {**ACCOUNT, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, refusal)
    assert await _states(branch, refused) == ["failed"]


async def test_an_account_is_the_owners_to_name(
    client: httpx.AsyncClient, tenant: Tenant, refused: PlacedOrder
) -> None:
    ending = "B" if refused.token.endswith("A") else "A"
    forged = refused.model_copy(update={"token": refused.token[:-1] + ending})
    assert (await _name(client, forged, ACCOUNT)).json()["code"] == "order_token_invalid"
    for headers in ({}, tenant.headers):
        answer = await client.post("/v1/order/refund-account", json=ACCOUNT, headers=headers)
        assert answer.status_code == 401


async def test_an_account_is_nowhere_to_be_read(
    branch: Branch,
    client: httpx.AsyncClient,
    administrator: AsyncConnection,
    refused: PlacedOrder,
) -> None:
    with capture_logs() as logs:
        named = await _name(client, refused, ACCOUNT)
        wrong = await _name(client, refused, {**OTHER, "bank": "no bank!"})
    written = [str(logs), named.text, wrong.text]
    for table in ("refund_accounts", "refunds", "admin_action_log", "outbox", "alarms"):
        rows = await administrator.scalars(text(f"SELECT row_to_json(t)::text FROM {table} AS t"))
        written += list(rows)
    assert not any(
        secret in seen for seen in written for secret in ("3100012345", "3100099999", "Nakato")
    )
    async with branch.services.database.reading(WORKER) as session:
        query = text("SELECT after FROM admin_action_log WHERE kind = 'refund_account.name'")
        (after,) = (await session.scalars(query)).all()
    assert after["retried"] == named.json()["retried"]


async def test_an_admin_names_the_account_that_a_buyer_told_them(
    branch: Branch,
    client: httpx.AsyncClient,
    cloned_database: ClonedDatabase,
    tenant: Tenant,
    refused: PlacedOrder,
) -> None:
    admin = await make_admin(branch.services, cloned_database.administrator_url)
    (waiting,) = (await client.get("/v1/refunds/refused", headers=admin.headers)).json()["items"]
    assert (waiting["wants_account"], waiting["refusal"]) == (True, REFUND_NEEDS_AN_ACCOUNT)
    headers = {**admin.headers, "Idempotency-Key": "a"}
    wanted: dict[str, Any] = {"reason": "Told on the telephone"}
    answers = [
        await client.post(
            f"/v1/refunds/{waiting['id']}/retry", json={**wanted, **account}, headers=headers
        )
        for account in ({}, {"account": {**ACCOUNT, "bank": "no bank!"}}, {"account": ACCOUNT})
    ]
    assert [answer.json().get("code") for answer in answers[:2]] == [
        "refund_account_needed",
        "refund_account_unusable",
    ]
    assert (answers[2].status_code, answers[2].json()["state"]) == (201, "pending")
    await _settle(branch, refused, MovementState.SUCCEEDED)
    assert await _states(branch, refused) == ["failed", "succeeded"]
    async with branch.services.database.reading(WORKER) as session:
        query = text("SELECT named_by FROM refund_accounts")
        assert (await session.scalars(query)).all() == [admin.user_id]
    left = await balances(branch.services, tenant)
    assert left["provider_clearing:bank"] == 0


async def _change_event(
    administrator: AsyncConnection, event_id: EventId, **changes: object
) -> None:
    columns = ", ".join(f"{column} = :{column}" for column in changes)
    update = text(f"UPDATE events SET {columns} WHERE id = :id")
    await administrator.execute(update, {**changes, "id": event_id})
    await administrator.commit()


async def _refused_ticket(branch: Branch, tenant: Tenant, event_id: EventId) -> PlacedOrder:
    """A ticket that its organizer gave back, and that holds again for want of an account."""
    type_id = await put_on_sale(branch.services, tenant, event_id)
    placed = await _by_transfer(branch, tenant, event_id, type_id)
    await pay_by_transfer(branch, placed)
    async with branch.services.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        wanted = NewRefundWanted(reason="It rains")
        request = a_request(branch.services)
        await refund_service.refund_order(caller, request, placed.id, wanted)
    assert await _states(branch, placed) == ["failed"]
    assert await tickets_by_status(branch.services, event_id) == {"valid": 1}
    return placed


@pytest.mark.parametrize(
    ("days", "others"), [(30, {}), (-30, {"status": "cancelled"})], ids=["before", "cancelled"]
)
async def test_tickets_that_held_meanwhile_are_taken_back(
    branch: Branch,
    client: httpx.AsyncClient,
    administrator: AsyncConnection,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
    days: int,
    others: dict[str, object],
) -> None:
    placed = await _refused_ticket(branch, tenant, event_id)
    begins = instant(clock.now_ms()) + timedelta(days=days)
    await _change_event(administrator, event_id, base_time=begins, **others)
    await _name(client, placed, ACCOUNT)
    assert await _states(branch, placed) == ["failed", "pending"]
    assert await tickets_by_status(branch.services, event_id) == {"blocked": 1}
    await _settle(branch, placed, MovementState.SUCCEEDED)
    assert await tickets_by_status(branch.services, event_id) == {"refunded": 1}
    assert (await balances(branch.services, tenant))["provider_clearing:bank"] == 0


async def test_tickets_that_may_have_let_somebody_in_are_left_to_a_person(
    branch: Branch,
    client: httpx.AsyncClient,
    administrator: AsyncConnection,
    clock: SettableClock,
    tenant: Tenant,
    event_id: EventId,
) -> None:
    placed = await _refused_ticket(branch, tenant, event_id)
    began = instant(clock.now_ms()) - timedelta(days=30)
    await _change_event(administrator, event_id, base_time=began)
    assert (await _name(client, placed, ACCOUNT)).json()["retried"] == []
    assert await _states(branch, placed) == ["failed"]
    assert await tickets_by_status(branch.services, event_id) == {"valid": 1}
    assert len(await branch.alarms(REFUSED)) == 1


async def test_money_that_comes_back_from_an_account_is_told(
    branch: Branch, client: httpx.AsyncClient, refused: PlacedOrder
) -> None:
    await _name(client, refused, ACCOUNT)
    await _settle(branch, refused, MovementState.SUCCEEDED)
    _, sent = await _refunds(branch, refused)
    await branch.engine.settle(sent.reference, MovementState.REVERSED)
    await _round(branch)
    assert await _states(branch, refused) == ["failed", "succeeded"]
    assert await branch.alarms(CAME_BACK) == [str(sent.id)]


async def test_an_account_that_cannot_be_opened_stops_no_other_refund(
    branch: Branch, client: httpx.AsyncClient, clock: SettableClock, refused: PlacedOrder
) -> None:
    await _name(client, refused, ACCOUNT)
    other = KeySealer((MasterKey(bytes(MASTER_KEY_BYTES)),))
    clock.advance(DAY_MS)
    with capture_logs() as logs:
        assert await refund_flow(replace(branch.services, key_sealer=other)).refresh_due() == 1
    causes = [entry["cause"] for entry in logs if entry["event"] == "refund.stuck"]
    assert causes == ["SealBrokenError"]
    assert await _states(branch, refused) == ["failed", "pending"]
