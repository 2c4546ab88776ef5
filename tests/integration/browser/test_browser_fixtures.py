"""The browser that other tests stand on: alone each time, and no error of a page goes unseen."""

import pytest
from playwright.async_api import BrowserContext, Page

from tests.plugins.browser import PageErrors
from tests.plugins.postgres import Site


@pytest.mark.parametrize("visit", ["first", "second"])
async def test_no_test_sees_what_another_left(page: Page, live_site: Site, visit: str) -> None:
    await page.goto(f"{live_site.url}/health")
    before = await page.evaluate("localStorage.length")
    await page.evaluate("visit => localStorage.setItem('visit', visit)", visit)
    assert (before, await page.evaluate("localStorage.getItem('visit')")) == (0, visit)


async def test_a_site_knows_its_own_address(page: Page, live_site: Site) -> None:
    answer = await page.goto(f"{live_site.url}/health")
    assert answer is not None
    assert (answer.status, live_site.services.public_url) == (200, live_site.url)
    assert await page.evaluate("isSecureContext && location.origin") == live_site.url


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("console.error('a complaint')", "a complaint"),
        ("setTimeout(() => { throw new Error('a bug') }); null", "a bug"),
        ("Promise.reject(new Error('nobody waits')); null", "nobody waits"),
        ("fetch('/v1/me').then(answer => answer.status)", "401"),
    ],
)
async def test_errors_of_a_page_are_noticed(
    page: Page, live_site: Site, page_errors: PageErrors, script: str, said: str
) -> None:
    await page.goto(f"{live_site.url}/health")
    await page.evaluate(script)
    await page.evaluate("new Promise(resolve => setTimeout(resolve))")
    page_errors.expected(said)
    with pytest.raises(AssertionError):
        page_errors.expected(said)


async def test_errors_of_every_page_are_noticed(
    browser_context: BrowserContext, live_site: Site, page_errors: PageErrors
) -> None:
    pages = {name: await browser_context.new_page() for name in ("first", "second")}
    for name, page in pages.items():
        await page.goto(f"{live_site.url}/health")
        await page.evaluate("name => console.error(name)", name)
        await page.evaluate("new Promise(resolve => setTimeout(resolve))")
    page_errors.expected("first")
    page_errors.expected("second")
    assert page_errors.found == []
