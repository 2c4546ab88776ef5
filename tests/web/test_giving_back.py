"""Money that came by transfer and goes back: its buyer names an account on the order's page."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.orders.buyers import OrderToken, order_link
from sync_server.orders.schemas import PlacedOrder
from sync_server.payments.providers.bank.channels import OUTBOX
from sync_server.web.assets import asset
from sync_server.web.rules import LANGUAGES
from tests.factories.branch import Branch, a_branch, late_money, refuse_refund
from tests.factories.tenants import Tenant
from tests.plugins.pages import Served, Windows
from tests.plugins.postgres import database_alone, services_on
from tests.web.acting import posted, said, submit
from tests.web.test_accessibility import broken

SMALLEST = {"width": 320, "height": 568}


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


@pytest.fixture
async def refused(
    branch: Branch, clock: SettableClock, tenant: Tenant, event_id: EventId
) -> PlacedOrder:
    """An order whose money came when its ticket was somebody else's, and could not go back."""
    placed = await late_money(branch, clock, tenant, event_id)
    await refuse_refund(branch, clock)
    return placed


def _link(served: Served, placed: PlacedOrder) -> str:
    return order_link(served.services.public_url, OrderToken(placed.token))


async def _told(page: Page, words: str) -> None:
    await page.locator("#refunds li", has_text=words).wait_for()


async def _name(page: Page, account: str, bank: str) -> None:
    await page.fill("#holder", "Grace Nakato")
    await page.fill("#account", account)
    await page.fill("#bank", bank)
    await submit(page, "refund-account")


async def test_a_buyer_says_where_their_money_goes(
    windows: Windows, served: Served, branch: Branch, refused: PlacedOrder
) -> None:
    page = await windows.open(_link(served, refused))
    await _told(page, "UGX\xa050,000 is yours")
    assert "Say below" in await page.inner_text("#standing p")
    asked = await posted(page, "/refund-account", _name(page, "3100 0123 45", "cerbugka"))
    assert asked == {"holder": "Grace Nakato", "account": "3100012345", "bank": "CERBUGKA"}
    await page.wait_for_selector("#account-named:not([hidden])")
    assert "ends in 2345" in await page.inner_text("#account-named")
    await _told(page, "is on its way back")
    assert "comes back to you by itself" in await page.inner_text("#standing p")
    assert not await page.is_visible("#refund-account")
    (file,) = branch.names_in(OUTBOX)
    assert "3100012345" in (branch.folder / OUTBOX / file).read_text()


async def test_what_is_no_account_is_said_beside_its_field(
    windows: Windows, served: Served, branch: Branch, refused: PlacedOrder
) -> None:
    page = await windows.open(_link(served, refused), viewport=SMALLEST)
    await page.wait_for_selector("#refund-account")
    await submit(page, "refund-account")
    assert await page.inner_text("#holder-wrong") != ""
    await _name(page, "12-34", "CERBUGKA")
    assert "not an account number" in await page.inner_text("#account-wrong")
    await _name(page, "3100012345", "CERB/UGKA")
    assert "not a bank's code" in await page.inner_text("#bank-wrong")
    assert await page.input_value("#account") == "3100012345"
    assert branch.names_in(OUTBOX) == []


async def test_without_an_answer_nothing_typed_is_lost(
    windows: Windows, served: Served, branch: Branch, refused: PlacedOrder
) -> None:
    page = await windows.open(_link(served, refused))
    await page.wait_for_selector("#refund-account")
    await page.route("**/refund-account", lambda route: route.abort())
    await _name(page, "3100012345", "CERBUGKA")
    assert "cannot be reached" in await said(page, "#refund-account")
    await page.unroute("**/refund-account")
    await submit(page, "refund-account")
    await _told(page, "is on its way back")
    assert len(branch.names_in(OUTBOX)) == 1


async def test_the_account_is_asked_for_on_the_smallest_phone(
    windows: Windows, refused: PlacedOrder
) -> None:
    page = await windows.open(viewport=SMALLEST)
    titles = set()
    for language in LANGUAGES:
        await page.goto(f"/order?lang={language}#{refused.token}")
        await page.wait_for_selector("#refund-account")
        titles.add(await page.inner_text("#refund-account h2"))
        assert await broken(page) == {}
    assert len(titles) == len(LANGUAGES)


_TOLD: list[tuple[dict[str, Any], str, bool]] = [
    ({"state": "requested", "wants_account": False}, "under_way", True),
    ({"state": "unknown", "wants_account": False}, "under_way", True),
    ({"state": "pending", "wants_account": False}, "under_way", True),
    ({"state": "succeeded", "wants_account": False}, "given", False),
    ({"state": "failed", "wants_account": True}, "waiting", False),
    ({"state": "failed", "wants_account": False}, "refused", False),
]


async def test_each_refund_has_its_words_and_its_pause(windows: Windows) -> None:
    page = await windows.open("/order")
    orders = [
        {"state": "expired", "payments": [], "tickets": [], "refunds": [refund]}
        for refund, _, _ in _TOLD
    ]
    script = """async ([module, orders]) => {
        const { refundStanding, secondsUntilNews } = await import(module);
        const words = document.getElementById("texts").content;
        return orders.map(order => {
            const name = refundStanding(order.refunds[0]);
            const told = words.querySelector(`[data-text="refund.${name}"]`);
            return [name, secondsUntilNews(order) !== null, told?.textContent.length > 0];
        });
    }"""
    told = await page.evaluate(script, [asset("standings.js"), orders])
    assert told == [[name, is_asked_again, True] for _, name, is_asked_again in _TOLD]
