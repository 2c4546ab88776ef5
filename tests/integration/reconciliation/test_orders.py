from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.orders.paying import payment_flow
from sync_server.reconciliation import service
from sync_server.reconciliation.service import RunSource
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.orders import over, place_and_pay, put_on_sale, references
from tests.factories.rails import MTN, running
from tests.factories.tenants import make_event, make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on


@dataclass(frozen=True, slots=True)
class Shop:
    """Alone in a database: one order of two tickets, paid over MTN's sandbox."""

    services: Services
    superuser: AsyncConnection

    async def findings(self) -> list[tuple[str, str]]:
        report = await service.run(self.services, RunSource.OPERATOR)
        return [(item.check.value, item.finding.value) for item in report.items]


@pytest.fixture
async def shop(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Shop]:
    database = Database(spare_database.login_url)
    async with running(MTN) as rail, connected(spare_database.administrator_url) as superuser:
        services = over(services_on(database, clock, tmp_path), rail)
        tenant = await make_tenant(services)
        event_id = await make_event(services, tenant)
        type_id = await put_on_sale(services, tenant, event_id)
        placed = await place_and_pay(services, tenant, event_id, type_id, 2)
        rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING)
        for reference in await references(services, placed.id):
            await rail.engine.settle(reference, MovementState.SUCCEEDED)
        await payment_flow(services).refresh(placed.payments[0].id)
        yield Shop(services, superuser)
    await database.close()


async def test_what_was_sold_and_paid_agrees(shop: Shop) -> None:
    assert await shop.findings() == []


@pytest.mark.parametrize(
    ("statement", "findings"),
    [
        ("UPDATE orders SET payment_id = NULL", [("orders", "missing_in_books")]),
        (
            "UPDATE order_lines SET ticket_id = ticket_id + 1 WHERE line_no = 1",
            [("tickets", "missing_in_books")],
        ),
        (
            "UPDATE order_lines SET ticket_id = (SELECT min(ticket_id) FROM order_lines)",
            [("tickets", "differs")] * 2,
        ),
    ],
)
async def test_an_order_without_its_money_or_its_tickets_is_named(
    shop: Shop, statement: str, findings: list[tuple[str, str]]
) -> None:
    await shop.superuser.execute(text(statement))
    assert await shop.findings() == findings
