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
from sync_server.orders.schemas import NewCashOrder, WantedTickets
from sync_server.orders.service import place_cash_order
from sync_server.reconciliation import service
from sync_server.reconciliation.service import RunSource
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from tests.factories.orders import a_request, over, place_and_pay, put_on_sale, references
from tests.factories.rails import MTN, running
from tests.factories.tenants import founder_caller, make_event, make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on


@dataclass(frozen=True, slots=True)
class Shop:
    """Alone in a database: one order of two tickets, paid over MTN's sandbox, and one paid in
    cash.
    """

    services: Services
    superuser: AsyncConnection

    async def findings(self) -> list[tuple[str, str]]:
        report = await service.run(self.services, RunSource.OPERATOR)
        return [(item.check.value, item.finding.value) for item in report.items]


IN_CASH, ONLINE = (
    "WHERE channel = 'box_office'",
    "WHERE order_id = (SELECT id FROM orders WHERE channel = 'online')",
)

MORE = "amount = amount + 1, organizer_share = organizer_share + 1"
FIRST = f"(SELECT min(ticket_id) FROM order_lines {ONLINE})"


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
        wanted = NewCashOrder(tickets=[WantedTickets(ticket_type_id=type_id, count=1)])
        async with services.database.transaction(tenant.claims) as session:
            caller = founder_caller(tenant, session)
            await place_cash_order(caller, a_request(services), event_id, wanted)
        yield Shop(services, superuser)
    await database.close()


async def test_what_was_sold_and_paid_agrees(shop: Shop) -> None:
    assert await shop.findings() == []


@pytest.mark.parametrize(
    ("statement", "findings"),
    [
        ("UPDATE orders SET payment_id = NULL", [("orders", "missing_in_books")]),
        (
            f"UPDATE order_lines SET ticket_id = ticket_id + 1 {ONLINE} AND line_no = 1",
            [("tickets", "missing_in_books")],
        ),
        (
            f"UPDATE order_lines SET ticket_id = {FIRST} {ONLINE}",
            [("tickets", "differs")] * 2,
        ),
        (f"UPDATE orders SET {MORE} {IN_CASH}", [("orders", "amount_differs")]),
        (
            f"UPDATE orders SET state = 'cancelled' {IN_CASH}",
            [("orders", "only_in_books"), ("tickets", "only_in_books")],
        ),
        (
            "UPDATE orders SET channel = 'box_office', payment_id = NULL WHERE channel = 'online'",
            [("orders", "missing_in_books")],
        ),
        ("UPDATE tickets SET status = 'refunded'", [("tickets", "state_differs")] * 3),
        ("UPDATE tickets SET status = 'payment_reversed'", [("tickets", "state_differs")] * 3),
        ("UPDATE order_lines SET returned_at = now()", [("tickets", "state_differs")] * 3),
        # What an organizer did by hand stands, and what it was done for is known.
        ("UPDATE tickets SET status = 'revoked', status_reason = 'lost'", []),
        ("UPDATE tickets SET status = 'blocked', status_reason = 'a quarrel'", []),
    ],
)
async def test_an_order_without_its_money_or_its_tickets_is_named(
    shop: Shop, statement: str, findings: list[tuple[str, str]]
) -> None:
    await shop.superuser.execute(text(statement))
    assert await shop.findings() == findings
