"""Buying at an event's own page: what there is, what is gone meanwhile, and on to the order."""

from shared.ids import EventId
from tests.factories.orders import an_order, place, put_on_sale
from tests.factories.rails import PHONE
from tests.factories.tenants import Tenant
from tests.plugins.pages import Served, Windows
from tests.web.acting import said, submit
from tests.web.test_accessibility import broken
from tests.web.test_order import SMALLEST


async def test_a_shop_sells_what_there_is_and_leads_to_the_order(
    windows: Windows, served: Served, tenant: Tenant, event_id: EventId
) -> None:
    await put_on_sale(served.services, tenant, event_id, quantity=3)
    page = await windows.open(f"/shop/{tenant.organizer_id}/{event_id}", viewport=SMALLEST)
    await page.wait_for_selector("select")
    assert await broken(page) == {}
    await submit(page, "buy")
    assert "how many tickets" in await said(page, "#buy", "how many")
    assert await page.locator("select option").all_inner_texts() == ["0", "1", "2", "3"]
    await page.select_option("select", "3")
    await page.locator("[data-total]", has_text="150,000").wait_for()
    await submit(page, "buy")
    assert "so that your tickets reach you" in await said(page, "#buy", "reach you")
    await page.fill("#phone", PHONE)

    type_id = await put_on_sale(served.services, tenant, event_id, quantity=3)
    await place(served.services, tenant, event_id, an_order(type_id))
    await submit(page, "buy")
    assert "not so many" in await said(page, "#buy", "not so many")
    await page.locator("[data-total]", has_text="100,000").wait_for()
    await submit(page, "buy")
    await page.locator("#standing h2", has_text="Your tickets are waiting").wait_for()
    assert page.url == f"{windows.address}/order"


async def test_where_nothing_is_on_sale_the_shop_says_so(
    windows: Windows, tenant: Tenant, event_id: EventId
) -> None:
    page = await windows.open(f"/shop/{tenant.organizer_id}/{event_id}")
    await page.wait_for_selector("#none")
    assert not await page.is_visible("#buy")
    await page.goto(f"/shop/{tenant.organizer_id}/{tenant.organizer_id}")
    await page.wait_for_selector("#none")
