"""Refused refunds whose buyers have their money by another way: an admin says so, once, and books,
tickets and alarms follow.
"""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.orders.fulfilment import REFUSED
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.payments.rules import Finding, Reading
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.rules import drifts
from sync_server.reconciliation.service import RunSource
from tests.factories.alarms import open_alarms
from tests.factories.ledger import balances
from tests.factories.orders import (
    PRICE,
    taken,
    tickets_by_status,
)
from tests.factories.payments import hear_of
from tests.factories.rails import RunningRail
from tests.factories.refused import BANK, CASH, Refused
from tests.factories.tenants import Tenant
from tests.plugins.postgres import ClonedDatabase, connected

_FAIL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'the log is full'; END $$
"""
_TRIGGER = "CREATE TRIGGER fail BEFORE INSERT ON admin_action_log EXECUTE FUNCTION fail()"


async def _alarms(shop: Services) -> list[str]:
    return list(await open_alarms(shop, REFUSED))


async def _following(shop: Services, refund_id: UUID) -> list[tuple[object, ...]]:
    query = text("SELECT state, paid_from FROM refunds WHERE retry_of = :id")
    async with shop.database.reading(WORKER) as session:
        return [tuple(row) for row in await session.execute(query, {"id": refund_id})]


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (CASH, {"organizer_available": -2 * PRICE, "box_office_cash": 0}),
        (BANK, {"bank:payouts": -2 * PRICE}),
    ],
)
async def test_what_was_settled_outside_is_over(
    shop: Services,
    tenant: Tenant,
    event_id: EventId,
    refused: Refused,
    body: dict[str, Any],
    left: dict[str, int],
) -> None:
    assert (await refused.waiting(), await _alarms(shop)) == ([str(refused.refund_id)],) * 2
    status, made = await refused.settle(body)
    assert (status, made["state"], made["amount"]) == (201, "succeeded", 2 * PRICE)
    assert (await refused.waiting(), await _alarms(shop)) == ([], [])
    assert await tickets_by_status(shop, event_id) == {"valid": 1, "refunded": 2}
    assert await taken(shop, event_id) == 1
    held = await balances(shop, tenant)
    assert {name: held[name] for name in left} == left
    assert held["provider_clearing:mtn"] == 3 * PRICE
    assert held["refund_in_transit:mtn"] == 0
    assert held[f"organizer_pending:{event_id}"] == -PRICE
    report = await reconciliation.run(shop, RunSource.OPERATOR)
    assert drifts(report.items) == []


async def test_no_provider_is_asked_and_a_repeat_settles_nothing_twice(
    shop: Services, tenant: Tenant, rail: RunningRail, refused: Refused
) -> None:
    asked = len(rail.engine.movements)
    _, made = await refused.settle(CASH)
    before = await balances(shop, tenant)
    await refund_flow(shop).refresh_due()
    assert (await refused.settle(CASH)) == (201, made)
    status, answer = await refused.settle(BANK)
    assert (status, answer["code"]) == (422, "idempotency_key_reused")
    status, answer = await refused.settle(CASH, "b")
    assert (status, answer["code"], answer["refund_id"]) == (409, "refund_retried", made["id"])
    assert await balances(shop, tenant) == before
    assert len(rail.engine.movements) == asked


async def test_of_retries_and_settlements_at_once_one_follows(
    shop: Services, refused: Refused
) -> None:
    answers = await asyncio.gather(
        *(refused.settle(CASH, key) for key in ("a", "b")),
        *(refused.post("retry", {"reason": "The line works again"}, key) for key in ("a", "b")),
        refused.settle(BANK, "c"),
    )
    statuses = sorted(status for status, _ in answers)
    assert statuses == [201, 409, 409, 409, 409]
    codes = {answer["code"] for status, answer in answers if status == 409}
    assert codes == {"refund_retried"}
    assert len(await _following(shop, refused.refund_id)) == 1


async def test_who_says_so_and_why_is_kept(shop: Services, refused: Refused) -> None:
    _, made = await refused.settle(BANK)
    query = text(
        "SELECT actor_id, reason, after FROM admin_action_log"
        " WHERE kind = 'refund.settle_outside' AND object_id = :id"
    )
    async with shop.database.reading(WORKER) as session:
        rows = [tuple(row) for row in await session.execute(query, {"id": str(refused.refund_id)})]
    after = {"refund_id": made["id"], "paid_from": "bank", "reference": BANK["reference"]}
    assert rows == [(refused.admin.user_id, BANK["reason"], after)]


async def test_a_settlement_that_cannot_be_recorded_is_none(
    shop: Services, refused: Refused, spare_database: ClonedDatabase
) -> None:
    async with connected(spare_database.administrator_url) as administrator:
        await administrator.execute(text(_FAIL))
        await administrator.execute(text(_TRIGGER))
        assert (await refused.settle(CASH))[0] == 500
        assert await _following(shop, refused.refund_id) == []
        await administrator.execute(text("DROP TRIGGER fail ON admin_action_log"))
    assert await _alarms(shop) == [str(refused.refund_id)]
    await refused.settle(CASH)
    assert await _following(shop, refused.refund_id) == [("succeeded", "box_office")]


async def test_who_may_not_and_what_is_not_refused(
    shop: Services, tenant: Tenant, refused: Refused
) -> None:
    assert (await refused.settle(CASH, who=tenant))[1]["code"] == "admin_required"
    wrong = {**CASH, "paid_from": "a pocket"}
    assert (await refused.settle(wrong))[1]["code"] == "request_invalid"
    path = f"/v1/refunds/{refused.refund_id}/settle-outside"
    keyless = await refused.client.post(path, json=CASH, headers=refused.admin.headers)
    assert keyless.json()["code"] == "idempotency_key_required"
    _, made = await refused.settle(CASH)
    for refund_id, code in (
        (UUID(made["id"]), "refund_not_failed"),
        (shop.new_id(), "refund_not_found"),
    ):
        other = Refused(refused.client, refused.admin, refused.order, refund_id)
        assert (await other.settle(CASH))[1]["code"] == code


async def test_a_retry_that_is_under_way_is_not_settled_outside(
    shop: Services, refused: Refused
) -> None:
    _, made = await refused.post("retry", {"reason": "The line works again"})
    status, answer = await refused.settle(CASH)
    assert (status, answer["code"], answer["refund_id"]) == (409, "refund_retried", made["id"])
    assert await _following(shop, refused.refund_id) == [("pending", None)]


async def test_a_bank_can_take_back_what_the_provider_still_had(
    shop: Services, tenant: Tenant, refused: Refused
) -> None:
    """Nothing was given back there: all of the payment is taken, and no fee is lost twice."""
    await refused.settle(BANK)
    reading = Reading(Finding.REVERSED, reason="chargeback", may_be_refund=True)
    await hear_of(payment_flow(shop), refused.order.payments[0].id, reading)
    held = await balances(shop, tenant)
    assert held["provider_clearing:mtn"] == 0
    assert held["dispute_suspense:mtn"] == 0
    assert held["organizer_receivable"] == 2 * PRICE
    report = await reconciliation.run(shop, RunSource.OPERATOR)
    assert drifts(report.items) == []
