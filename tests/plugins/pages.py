"""The pages in a real Chromium: a server on localhost, and windows that note every fault they see.

A browser is launched for each test, on the event loop of that test.
"""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright

from sync_server.app import create_app
from sync_server.kit.mail import Letter, MailSender
from sync_server.kit.services import Services
from tests.factories.letters import letters_to, link_in

_ARGUMENTS: Final = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_REFUSED: Final = "Failed to load resource:"


@dataclass
class Windows:
    """Opens windows, each with cookies and memory of its own, as on another device."""

    browser: Browser
    address: str
    faults: list[str] = field(default_factory=list)

    async def open(self, path: str = "/", **options: Any) -> Page:  # noqa: ANN401 - Playwright's own
        """Open a window at a path; `options` are those of a browser's context."""
        context = await self.browser.new_context(
            **{"locale": "en-GB", "base_url": self.address, **options}
        )
        page = await context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        await page.goto(path)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        """Chromium reports what the API refused as an error too: that is the page's to handle."""
        path = urlsplit(message.location["url"]).path
        is_handled = message.text.startswith(_REFUSED) and path.startswith("/v1/")
        if message.type == "error" and not is_handled:
            self.faults.append(f"{path}: {message.text}")


@dataclass(frozen=True, slots=True)
class Postbox:
    """A mailbox folder that says when a letter is in it: letters leave after the answer."""

    folder: MailSender
    arrivals: asyncio.Queue[Letter] = field(default_factory=asyncio.Queue)

    async def send(self, letter: Letter) -> None:
        await self.folder.send(letter)
        await self.arrivals.put(letter)


@dataclass(frozen=True, slots=True)
class Served:
    """A server of pages at `services.public_url`, and its postbox."""

    services: Services
    postbox: Postbox

    async def link_to(self, address: str) -> str:
        """Wait for the next letter and give the link in it."""
        await self.postbox.arrivals.get()
        return link_in(letters_to(self.services.data_directory / "mail", address)[-1])


@pytest.fixture
async def served(services: Services) -> AsyncIterator[Served]:
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"http://localhost:{listener.getsockname()[1]}"
    postbox = Postbox(services.mail)
    services = replace(services, public_url=address, mail=postbox)
    app = create_app(lambda: nullcontext(services))
    server = uvicorn.Server(uvicorn.Config(app, access_log=False, log_level="warning"))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield Served(services, postbox)
    server.should_exit = True
    await serving


@pytest.fixture
async def windows(served: Served) -> AsyncIterator[Windows]:
    """Windows on the pages; at the end none of them may have seen a fault."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    as_root = ("--no-sandbox",) if os.geteuid() == 0 else ()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program, args=[*_ARGUMENTS, *as_root]
        )
        windows = Windows(browser, served.services.public_url)
        yield windows
        await browser.close()
    assert windows.faults == []
