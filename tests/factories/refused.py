"""A refund that its provider refused, and an admin who sees to it over HTTP."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx

from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.orders import refund_service, service
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.orders.schemas import NewRefundWanted, PlacedOrder
from sync_server.orders.service import OrderCall
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.orders import a_request, place_and_pay, put_on_sale, references
from tests.factories.rails import RunningRail
from tests.factories.tenants import Person, Tenant, founder_caller

CASH = {"paid_from": "box_office", "reference": "Receipt 7", "reason": "Paid at the door"}
BANK = {"paid_from": "bank", "reference": "FT26330XQ71", "reason": "Sent by hand"}


@dataclass(frozen=True, slots=True)
class Refused:
    """Three tickets that were paid; the refund of two of them was refused by the provider."""

    client: httpx.AsyncClient
    admin: Person
    order: PlacedOrder
    refund_id: UUID

    async def post(
        self, what: str, body: dict[str, Any], key: str = "a", who: Person | Tenant | None = None
    ) -> tuple[int, dict[str, Any]]:
        answer = await self.client.post(
            f"/v1/refunds/{self.refund_id}/{what}",
            json=body,
            headers={**(who or self.admin).headers, "Idempotency-Key": key},
        )
        return answer.status_code, answer.json()

    async def settle(
        self, body: dict[str, Any], key: str = "a", who: Person | Tenant | None = None
    ) -> tuple[int, dict[str, Any]]:
        return await self.post("settle-outside", body, key, who)

    async def waiting(self) -> list[str]:
        answer = await self.client.get("/v1/refunds/refused", headers=self.admin.headers)
        return [each["id"] for each in answer.json()["items"]]


async def three_paid(
    shop: Services, rail: RunningRail, tenant: Tenant, event_id: EventId
) -> PlacedOrder:
    """An order of three tickets; its provider calls nobody back."""
    rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 99)
    type_id = await put_on_sale(shop, tenant, event_id)
    placed = await place_and_pay(shop, tenant, event_id, type_id, 3)
    for reference in await references(shop, placed.id):
        await rail.engine.settle(reference, MovementState.SUCCEEDED)
    own = await service.read_own_order(OrderCall(shop, placed.token))
    await payment_flow(shop).refresh(own.payments[0].id)
    return placed


async def two_refused(
    shop: Services, rail: RunningRail, tenant: Tenant, placed: PlacedOrder
) -> UUID:
    """Ask for the money of two of its tickets, and have the provider refuse."""
    wanted = NewRefundWanted(lines=frozenset({1, 3}), reason="It rains")
    async with shop.database.transaction(tenant.claims) as session:
        caller = founder_caller(tenant, session)
        asked = await refund_service.refund_order(caller, a_request(shop), placed.id, wanted)
    await rail.finish_refund(MovementState.FAILED)
    await refund_flow(shop).refresh(asked.id)
    return asked.id
