"""Real Chromium for tests: one process a worker, a context of its own for each test.

Playwright belongs to the event loop that started it, and every test has a loop of its own. So the
browser is a process that outlives them, and each test's loop connects to it anew: whatever a test
gets is awaited as usual, beside the server that runs in the same loop. A page that logs an error,
or throws one, fails its test.
"""

import os
import queue
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, ConsoleMessage, Page, WebError, async_playwright

_CHROMIUM = Path("/usr/bin/chromium")
_ANNOUNCEMENT = "DevTools listening on "
_STARTING_SECONDS_MAX = 60
_STOPPING_SECONDS_MAX = 20
_FLAGS = (
    "--headless",
    "--remote-debugging-port=0",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
)


@dataclass(slots=True)
class PageErrors:
    """What pages complained of. A test that provokes an error takes it out with `expected`."""

    found: list[str] = field(default_factory=list)

    def expected(self, part: str) -> None:
        """Take out the errors that contain a text; there must be one."""
        matching = [error for error in self.found if part in error]
        assert matching, f"no page complained of {part!r}: {self.found}"
        self.found = [error for error in self.found if part not in error]


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address under which a running Chromium is told what to do."""
    if not _CHROMIUM.exists():
        pytest.skip("Chromium is not installed (apt-get install chromium)")
    profile = f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"
    # As root its sandbox cannot work: what is shown in it are our own pages.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    process = subprocess.Popen(
        [_CHROMIUM, *_FLAGS, *sandbox, profile, "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    reader = threading.Thread(target=_read, args=(process, lines), daemon=True)
    reader.start()
    try:
        yield _announced(lines)
    finally:
        process.terminate()
        process.wait(_STOPPING_SECONDS_MAX)
        reader.join(_STOPPING_SECONDS_MAX)


def _read(process: subprocess.Popen[str], lines: queue.SimpleQueue[str]) -> None:
    """Hand on what it says until it ends: a full pipe would stop it."""
    assert process.stderr is not None
    with process.stderr as told:
        for line in told:
            lines.put(line)
    lines.put("")


def _announced(lines: queue.SimpleQueue[str]) -> str:
    said: list[str] = []
    while line := lines.get(timeout=_STARTING_SECONDS_MAX):
        said.append(line)
        if line.startswith(_ANNOUNCEMENT):
            return line.removeprefix(_ANNOUNCEMENT).strip()
    pytest.fail("Chromium ended before it began:\n" + "".join(said))


@pytest.fixture
def page_errors() -> Iterator[PageErrors]:
    """Fails the test at its end if a page complained of what was not expected."""
    errors = PageErrors()
    yield errors
    assert errors.found == []


@pytest.fixture
async def browser_context(chromium: str, page_errors: PageErrors) -> AsyncIterator[BrowserContext]:
    """A browser without history, cookies or passkeys."""

    def note_message(message: ConsoleMessage) -> None:
        place = message.location.get("url", "")
        # The browser itself asks for an icon where a page names none.
        if message.type == "error" and not place.endswith("/favicon.ico"):
            page_errors.found.append(f"{message.text} ({place})")

    def note_exception(error: WebError) -> None:
        page_errors.found.append(str(error.error))

    async with async_playwright() as playwright:
        browser = await playwright.chromium.connect_over_cdp(chromium)
        context = await browser.new_context()
        context.on("console", note_message)
        context.on("weberror", note_exception)
        yield context
        await context.close()


@pytest.fixture
async def page(browser_context: BrowserContext) -> Page:
    """An empty page in a browser of its own."""
    return await browser_context.new_page()
