"""A buyer's order: from its link over mobile money or a provider's page to the tickets."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any, Final

import pytest
from playwright.async_api import Page, Route

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.services import Services
from sync_server.orders import refund_service, service
from sync_server.orders.buyers import OrderToken, order_link
from sync_server.orders.holding import OrderState
from sync_server.orders.paying import payment_flow
from sync_server.orders.schemas import NewRefundWanted, PlacedOrder
from sync_server.orders.service import OrderCall
from sync_server.payments.rules import PaymentState, Provider
from sync_server.sandboxes.engine import Fault, MovementState, Operation
from sync_server.web.assets import asset
from sync_server.web.rules import LANGUAGES
from tests.factories.orders import (
    PRICE,
    a_request,
    an_order,
    expire,
    over,
    place,
    put_on_sale,
    references,
)
from tests.factories.rails import MTN, PESAPAL, RunningRail, running
from tests.factories.tenants import Tenant, founder_caller
from tests.plugins.pages import Served, Windows
from tests.web.acting import said, submit
from tests.web.test_accessibility import broken

HOURS = 3_600_000
SMALLEST = {"width": 320, "height": 568}


@pytest.fixture
async def rails() -> AsyncIterator[dict[Provider, RunningRail]]:
    async with AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(running(rail)) for rail in (MTN, PESAPAL)]
        for rail in opened:
            rail.engine.dial.turn(Operation.CALLBACK, Fault.CALLBACK_MISSING, 9)
        yield {rail.collector.provider: rail for rail in opened}


@pytest.fixture
def services(services: Services, rails: dict[Provider, RunningRail]) -> Services:
    """Services that offer both rails, to the server of the pages as well."""
    return over(services, *rails.values())


@pytest.fixture
async def placed(served: Served, tenant: Tenant, event_id: EventId) -> PlacedOrder:
    type_id = await put_on_sale(served.services, tenant, event_id)
    return await place(served.services, tenant, event_id, an_order(type_id, 2))


def _link(served: Served, placed: PlacedOrder) -> str:
    return order_link(served.services.public_url, OrderToken(placed.token))


async def _standing(page: Page, words: str) -> str:
    """Wait until the order stands so, and give what the buyer is told to do."""
    await page.locator("#standing h2", has_text=words).wait_for()
    return await page.inner_text("#standing p")


async def _settle(
    served: Served,
    rails: dict[Provider, RunningRail],
    placed: PlacedOrder,
    state: MovementState = MovementState.SUCCEEDED,
) -> None:
    """The payer decides, and the server asks the provider how."""
    own = await service.read_own_order(OrderCall(served.services, placed.token))
    newest = own.payments[-1]
    reference = (await references(served.services, placed.id))[-1]
    await rails[newest.provider].engine.settle(reference, state)
    await payment_flow(served.services).refresh(newest.id)


async def _some_seconds_later(page: Page) -> None:
    """No more than the page waits before it looks again; nobody presses anything."""
    await page.clock.fast_forward(16_000)


async def test_mobile_money_is_paid_and_the_page_shows_the_tickets_by_itself(
    windows: Windows,
    served: Served,
    rails: dict[Provider, RunningRail],
    clock: SettableClock,
    placed: PlacedOrder,
) -> None:
    page = await windows.open()
    await page.clock.install()
    await page.goto(_link(served, placed))
    assert "held until" in await _standing(page, "Your tickets are waiting")
    assert await page.inner_text("[data-total]") == "UGX\xa0100,000"
    assert page.url == f"{windows.address}/order"
    await page.fill("#phone", "0772 123 456")
    await submit(page, "pay")
    assert "PIN" in await _standing(page, "Confirm on your phone")
    (movement,) = rails[Provider.MTN].engine.movements.values()
    assert (movement.amount, "256772123456" in str(movement)) == (str(2 * PRICE), True)

    await _settle(served, rails, placed, MovementState.FAILED)
    await _some_seconds_later(page)
    assert "try again" in await _standing(page, "did not go through")
    clock.advance(1_000)
    await submit(page, "pay")
    await _standing(page, "Confirm on your phone")
    await _settle(served, rails, placed)
    await _some_seconds_later(page)
    await _standing(page, "Paid")
    own = await service.read_own_order(OrderCall(served.services, placed.token))
    links = page.locator("#tickets a")
    shown = [await links.nth(number).get_attribute("href") for number in range(2)]
    assert shown == [ticket.wallet_link for ticket in own.tickets]

    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.clock.fast_forward(120_000)
    await page.reload()
    await _standing(page, "Paid")
    assert sum(url.endswith("/v1/order") for url in asked) == 1


async def test_who_pays_at_pesapal_comes_back_to_the_order(
    windows: Windows, served: Served, rails: dict[Provider, RunningRail], placed: PlacedOrder
) -> None:
    page = await windows.open(_link(served, placed))
    await page.click("[data-way=pesapal]")
    assert not await page.is_visible("#phone")
    await submit(page, "pay")
    await page.click("text=Pay with MTN Mobile Money")
    await page.wait_for_url(f"{windows.address}/order")
    assert "Have you paid there already?" in await _standing(page, "Finish on the payment page")
    theirs = await page.get_attribute("#go-on", "href")
    assert theirs is not None
    assert theirs.startswith(rails[Provider.PESAPAL].line.base_url)
    await page.click("#another")
    assert await page.is_visible("#pay")
    await _settle(served, rails, placed)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await _standing(page, "Paid")

    # The way back leads there from any other browser as well, whatever is added to it.
    movement = next(iter(rails[Provider.PESAPAL].engine.movements.values()))
    another = await windows.open(f"{movement.callback_url}?OrderTrackingId=1&status=x")
    await _standing(another, "Paid")
    assert another.url == f"{windows.address}/order"


async def test_who_failed_at_pesapal_may_try_again_there_or_pay_in_another_way(
    windows: Windows, served: Served, rails: dict[Provider, RunningRail], placed: PlacedOrder
) -> None:
    page = await windows.open(_link(served, placed))
    await page.click("[data-way=pesapal]")
    await submit(page, "pay")
    await page.wait_for_url(f"{rails[Provider.PESAPAL].line.base_url}/**")
    await _settle(served, rails, placed, MovementState.FAILED)
    await page.goto(_link(served, placed))
    assert "try again on the payment page" in await _standing(page, "That try did not go through")
    assert await page.is_visible("#go-on")
    await page.click("#another")
    assert await page.is_visible("#pay")


async def test_a_lost_answer_makes_no_second_payment(
    windows: Windows, served: Served, rails: dict[Provider, RunningRail], placed: PlacedOrder
) -> None:
    async def lose(route: Route) -> None:
        await route.fetch()
        await route.abort()

    page = await windows.open(_link(served, placed))
    await _standing(page, "Your tickets are waiting")
    await page.route("**/v1/order", lambda route: route.abort())
    await page.route("**/v1/order/payments", lose, times=1)
    await submit(page, "pay")
    assert "cannot be reached" in await said(page, "#pay")
    assert "Nothing of your order is lost" in await said(page, "#card", "lost")
    await submit(page, "pay")
    await _standing(page, "Confirm on your phone")
    assert len(rails[Provider.MTN].engine.movements) == 1
    await page.unroute("**/v1/order")
    await page.click("#look")
    await page.wait_for_selector("#look", state="hidden")
    assert await page.locator("#card > .notice").inner_text() == ""


async def test_an_order_whose_time_is_over_says_so(
    windows: Windows, served: Served, clock: SettableClock, placed: PlacedOrder
) -> None:
    page = await windows.open(_link(served, placed))
    await _standing(page, "Your tickets are waiting")
    clock.advance(HOURS)
    await page.fill("#phone", "12")
    await submit(page, "pay")
    assert "0772 123 456" in await page.inner_text("#phone-wrong")
    await page.fill("#phone", "")
    await submit(page, "pay")
    assert "waits for no payment" in await said(page, "#pay")
    await expire(served.services)
    await page.evaluate("dispatchEvent(new Event('online'))")
    assert "order again" in await _standing(page, "The time to pay is over")
    assert not await page.is_visible("#pay")


async def test_what_was_given_back_opens_no_more(
    windows: Windows,
    served: Served,
    rails: dict[Provider, RunningRail],
    tenant: Tenant,
    placed: PlacedOrder,
) -> None:
    page = await windows.open(_link(served, placed))
    await submit(page, "pay")
    await _standing(page, "Confirm on your phone")
    await _settle(served, rails, placed)
    async with served.services.database.transaction(tenant.claims) as session:
        wanted = NewRefundWanted(lines=frozenset({2}), reason="It rains")
        caller = founder_caller(tenant, session)
        await refund_service.refund_order(caller, a_request(served.services), placed.id, wanted)
    await page.evaluate("dispatchEvent(new Event('online'))")
    await _standing(page, "Paid")
    assert await page.locator("#tickets li").all_inner_texts() == [
        "Open ticket 1",
        "Ticket 2: the money is on its way back to you.",
    ]


async def test_without_its_token_no_order_opens(windows: Windows) -> None:
    page = await windows.open()
    for fragment in ("", "#zgo_nobodys", "#zgl_aLetter"):
        await page.goto("about:blank")
        await page.goto(f"/order{fragment}")
        await page.wait_for_selector("#missing")
        assert "Open its link again" in await page.inner_text("#missing")
        assert not await page.is_visible("#order")
        assert await page.evaluate("sessionStorage.length") == 0


async def test_an_order_is_for_everybody_on_the_smallest_phone(
    windows: Windows, placed: PlacedOrder
) -> None:
    page = await windows.open(viewport=SMALLEST)
    titles = set()
    for language in LANGUAGES:
        await page.goto(f"/order?lang={language}#{placed.token}")
        await page.wait_for_selector("#pay")
        titles.add(await page.inner_text("#standing h2"))
        assert await broken(page) == {}
    assert len(titles) == len(LANGUAGES)


def _made(
    state: PaymentState, provider: str = "mtn", page: str | None = None, reason: str | None = None
) -> dict[str, Any]:
    return {"state": state, "provider": provider, "redirect_url": page, "reason": reason}


_NEVER: Final = None
_TOLD: Final[list[tuple[OrderState, list[dict[str, Any]], str | None, str, int | None]]] = [
    (OrderState.HELD, [], None, "held", 15),
    (OrderState.HELD, [_made(PaymentState.UNKNOWN)], None, "phone", 4),
    (OrderState.HELD, [_made(PaymentState.PENDING, "bank")], None, "transfer", 4),
    (OrderState.HELD, [_made(PaymentState.CREATED, page="https://x")], None, "page", 4),
    (
        OrderState.HELD,
        [_made(PaymentState.PENDING, "pesapal", "https://x", "Declined")],
        None,
        "page_failed",
        4,
    ),
    (OrderState.HELD, [_made(PaymentState.UNKNOWN, "pesapal")], None, "asking", 4),
    (OrderState.HELD, [_made(PaymentState.EXPIRED)], None, "failed", 15),
    (OrderState.HELD, [_made(PaymentState.MISMATCHED)], None, "mismatched", 15),
    (OrderState.EXPIRED, [], None, "expired", _NEVER),
    (OrderState.EXPIRED, [_made(PaymentState.PENDING)], None, "expired", 4),
    (OrderState.EXPIRED, [_made(PaymentState.SUCCEEDED)], None, "late", _NEVER),
    (OrderState.EXPIRED, [_made(PaymentState.MISMATCHED)], None, "mismatched", _NEVER),
    (OrderState.EXPIRED, [_made(PaymentState.GIVEN_BACK)], None, "returned", _NEVER),
    (OrderState.PAID, [_made(PaymentState.SUCCEEDED)], None, "paid", _NEVER),
    (OrderState.PAID, [_made(PaymentState.SUCCEEDED)], "2026-11-26", "refunded", _NEVER),
    (OrderState.CANCELLED, [], None, "cancelled", _NEVER),
    (OrderState.REVERSED, [_made(PaymentState.REVERSED)], "2026-11-26", "reversed", _NEVER),
]


async def test_each_standing_has_its_words_and_its_pause(windows: Windows) -> None:
    page = await windows.open("/order")
    orders = [
        {
            "state": state,
            "payments": payments,
            "tickets": [{"refund_id": returned, "returned_at": returned}],
            "refunds": [],
        }
        for state, payments, returned, _, _ in _TOLD
    ]
    script = """async ([module, orders]) => {
        const { standingOf, secondsUntilNews } = await import(module);
        const words = document.getElementById("texts").content;
        return orders.map(order => [
            standingOf(order),
            secondsUntilNews(order),
            ...["", "_advice"].map(part => words.querySelector(
                `[data-text="standing.${standingOf(order)}${part}"]`)?.textContent.length > 0),
        ]);
    }"""
    told = await page.evaluate(script, [asset("standings.js"), orders])
    assert told == [[standing, pause, True, True] for *_, standing, pause in _TOLD]


async def test_every_way_to_pay_has_its_name(windows: Windows) -> None:
    page = await windows.open("/order")
    ways = page.locator("[data-way]")
    shown = [await way.get_attribute("data-way") for way in await ways.all()]
    assert sorted(filter(None, shown)) == sorted(Provider)
