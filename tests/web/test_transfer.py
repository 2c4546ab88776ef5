"""A buyer who pays by transfer is told until when, and their tickets are held longer than that."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.orders.buyers import OrderToken, order_link
from sync_server.orders.schemas import PaymentWanted
from sync_server.payments.rules import Provider
from sync_server.web.assets import asset
from tests.factories.branch import Branch, a_branch
from tests.factories.orders import an_order, place, put_on_sale
from tests.factories.tenants import Tenant
from tests.plugins.pages import Served, Windows
from tests.plugins.postgres import database_alone, services_on

cloned_database = database_alone


@pytest.fixture
async def branch(database: Database, clock: SettableClock, tmp_path: Path) -> AsyncIterator[Branch]:
    base = services_on(database, clock, tmp_path)
    async with a_branch(base, clock, tmp_path / "bank") as opened:
        yield opened


@pytest.fixture
def services(branch: Branch) -> Services:
    """Services that offer transfers, to the server of the pages as well."""
    return branch.services


async def test_a_buyer_is_told_to_transfer_before_the_grace_begins(
    windows: Windows, served: Served, tenant: Tenant, event_id: EventId
) -> None:
    services = served.services
    type_id = await put_on_sale(services, tenant, event_id)
    wanted = an_order(type_id, payment=PaymentWanted(provider=Provider.BANK))
    placed = await place(services, tenant, event_id, wanted)
    page = await windows.open(order_link(services.public_url, OrderToken(placed.token)))
    await page.locator("#standing h2", has_text="Make the transfer").wait_for()
    moments = [placed.payments[0].expires_at.isoformat(), placed.hold_expires_at.isoformat()]
    script = """async ([module, moments]) => {
        const { moment } = await import(module);
        const advice = document.querySelector("#standing p").textContent;
        return moments.map(each => advice.includes(moment(each)));
    }"""
    assert await page.evaluate(script, [asset("texts.js"), moments]) == [True, False]
