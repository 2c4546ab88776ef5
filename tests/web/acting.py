"""What a person does at a page, and what they see there."""

import json
import re
from collections.abc import Awaitable
from typing import Any

from playwright.async_api import Page

from tests.factories.accounts import PASSWORD, Account
from tests.factories.tenants import Person


async def sign_in(page: Page, account: Account, password: str = PASSWORD) -> None:
    await page.fill("#address", account.address)
    await page.fill("#password", password)
    await submit(page, "sign-in")


async def submit(page: Page, form: str) -> None:
    await page.click(f"#{form} button[type=submit]")


async def posted(page: Page, path: str, act: Awaitable[None]) -> dict[str, Any]:
    """What the page posts to a path of the API while somebody acts."""
    async with page.expect_request(f"**{path}") as asked:
        await act
    body: dict[str, Any] = json.loads((await asked.value).post_data or "")
    return body


async def said(page: Page, place: str = "#content", words: str = "") -> str:
    """Wait until the page says something, with `words` in it, and give it."""
    notice = page.locator(f"{place} .notice:not(:empty)", has_text=words).first
    await notice.wait_for()
    return await notice.inner_text()


async def heading(page: Page, path: str) -> str:
    """Wait until the person is at a path, and give the page's title."""
    await page.wait_for_url(re.compile(rf"^http://[^/]+{re.escape(path)}$"))
    return await page.inner_text("h1")


async def keep_signed_in(page: Page, person: Person) -> None:
    """Give a window the session of somebody, as if they had signed in there."""
    cookie = {"name": "zeraket", "value": person.token, "httpOnly": True}
    await page.context.add_cookies([{**cookie, "url": page.url}])  # type: ignore[typeddict-item]  # put together from plain values


async def focused(page: Page) -> str:
    """The id of what has the keyboard."""
    identifier: str = await page.evaluate("document.activeElement.id")
    return identifier
