"""A key that asked for money back answers the same request, and no other."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.orders import service
from sync_server.orders.schemas import NewCashOrder, WantedTickets
from sync_server.sandboxes.engine import Operation
from tests.factories.ledger import balances
from tests.factories.orders import PRICE, a_request, put_on_sale, tickets_by_status
from tests.factories.rails import RunningRail
from tests.factories.refused import BANK, CASH, Refused
from tests.factories.tenants import Tenant, founder_caller

_REUSED = (422, "idempotency_key_reused")
_WHY = {"reason": "The line works again"}
_ACCOUNT = {"holder": "Grace Nakato", "account": "3100012345", "bank": "CERBUGKA"}
_ONE = {"lines": [2], "reason": "It rains"}

Answer = tuple[int, dict[str, Any]]


async def _ask(
    refused: Refused, tenant: Tenant, body: dict[str, Any], order_id: object = None
) -> Answer:
    """The organizer asks for money back, under one key."""
    answer = await refused.client.post(
        f"{tenant.path}/orders/{order_id or refused.order.id}/refunds",
        json=body,
        headers={**tenant.headers, "Idempotency-Key": "a"},
    )
    return answer.status_code, answer.json()


def _refusal(answer: Answer) -> tuple[int, str]:
    return answer[0], answer[1]["code"]


def _asked_of_provider(rail: RunningRail) -> int:
    kinds = Counter(movement.operation for movement in rail.engine.movements.values())
    return kinds[Operation.REFUND]


async def _sell_for_cash(shop: Services, tenant: Tenant, event_id: EventId) -> object:
    type_id = await put_on_sale(shop, tenant, event_id)
    wanted = NewCashOrder(tickets=[WantedTickets(ticket_type_id=type_id, count=3)])
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        return (await service.place_cash_order(caller, a_request(shop), event_id, wanted)).id


@pytest.mark.parametrize(
    ("what", "body", "others"),
    [
        (
            "settle-outside",
            CASH,
            (BANK, {**CASH, "reason": "At the gate"}, {**CASH, "reference": "Receipt 8"}),
        ),
        ("retry", _WHY, ({"reason": "Another line"}, {**_WHY, "account": _ACCOUNT})),
    ],
)
async def test_a_refused_refund_is_seen_to_by_one_request_under_a_key(
    shop: Services,
    tenant: Tenant,
    rail: RunningRail,
    refused: Refused,
    what: str,
    body: dict[str, Any],
    others: tuple[dict[str, Any], ...],
) -> None:
    status, made = await refused.post(what, body)
    before, asked = await balances(shop, tenant), _asked_of_provider(rail)
    assert status == 201
    for other in others:
        assert _refusal(await refused.post(what, other)) == _REUSED
    turned_around = dict(reversed(body.items()))
    assert await refused.post(what, turned_around) == (201, made)
    assert (await balances(shop, tenant), _asked_of_provider(rail)) == (before, asked)


@pytest.mark.parametrize(
    ("what", "body", "other"),
    [("settle-outside", CASH, BANK), ("retry", _WHY, {"reason": "Another line"})],
)
async def test_of_two_requests_at_once_under_a_key_one_is_answered(
    refused: Refused, what: str, body: dict[str, Any], other: dict[str, Any]
) -> None:
    """Each comes three times: whichever is first is answered, as often as it came."""
    answers = await asyncio.gather(*(refused.post(what, each) for each in (body, other) * 3))
    assert sorted(status for status, _ in answers) == [201] * 3 + [422] * 3
    assert len({answer["id"] for status, answer in answers if status == 201}) == 1
    assert {answer["code"] for status, answer in answers if status == 422} == {_REUSED[1]}


async def test_a_settlement_that_was_made_before_requests_were_kept_is_found_by_its_key(
    administrator: AsyncConnection, refused: Refused
) -> None:
    made = await refused.settle(CASH)
    await administrator.execute(text("UPDATE refunds SET request_hash = NULL"))
    assert await refused.settle({**CASH, "reason": "At the gate"}) == made


async def test_an_organizer_asks_for_one_refund_under_a_key(
    shop: Services, tenant: Tenant, event_id: EventId, rail: RunningRail, refused: Refused
) -> None:
    made = await _ask(refused, tenant, _ONE)
    assert made[0] == 201
    asked = _asked_of_provider(rail)
    for other in ({**_ONE, "lines": [1]}, {"reason": "It rains"}, {**_ONE, "reason": "It snows"}):
        assert _refusal(await _ask(refused, tenant, other)) == _REUSED
    assert await _ask(refused, tenant, _ONE) == made
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "blocked": 1}
    assert _asked_of_provider(rail) == asked


async def test_of_an_organizers_requests_at_once_under_a_key_one_is_answered(
    shop: Services, tenant: Tenant, event_id: EventId, refused: Refused
) -> None:
    bodies = (_ONE, {**_ONE, "lines": [1]}) * 2
    answers = await asyncio.gather(*(_ask(refused, tenant, body) for body in bodies))
    assert sorted(status for status, _ in answers) == [201, 201, 422, 422]
    assert len({answer["id"] for status, answer in answers if status == 201}) == 1
    assert await tickets_by_status(shop, event_id) == {"valid": 2, "blocked": 1}


async def test_cash_is_given_back_by_one_request_under_a_key(
    shop: Services, tenant: Tenant, event_id: EventId, refused: Refused
) -> None:
    order_id = await _sell_for_cash(shop, tenant, event_id)
    status, made = await _ask(refused, tenant, _ONE, order_id)
    assert (status, made["state"], made["amount"]) == (201, "succeeded", PRICE)
    before = await balances(shop, tenant)
    for other in ({**_ONE, "lines": [1]}, {"reason": "It rains"}, {**_ONE, "reason": "It snows"}):
        assert _refusal(await _ask(refused, tenant, other, order_id)) == _REUSED
    status, again = await _ask(refused, tenant, _ONE, order_id)
    assert (status, again["id"]) == (201, made["id"])
    assert await balances(shop, tenant) == before
