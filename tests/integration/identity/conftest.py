from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from ipaddress import IPv6Address

import httpx
import pytest

from sync_server.kit.services import Services
from tests.factories.tenants import PUBLIC_URL
from tests.integration.identity.people import Browser

_FIREFOX = "Mozilla/5.0 (Android 14; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0"
BrowserFrom = Callable[[str], Browser]


@pytest.fixture
async def browser_from(
    app_client: httpx.AsyncClient, services: Services
) -> AsyncIterator[BrowserFrom]:
    """Opens browsers in other networks, for one address."""
    transport = app_client._transport
    assert isinstance(transport, httpx.ASGITransport)
    address = f"grace.{services.new_id().hex}@example.org"
    async with AsyncExitStack() as stack:

        def opened(host: str) -> Browser:
            there = httpx.ASGITransport(transport.app, client=(host, 1), raise_app_exceptions=False)
            headers = {"user-agent": _FIREFOX}
            client = httpx.AsyncClient(transport=there, base_url=PUBLIC_URL, headers=headers)
            stack.push_async_callback(client.aclose)
            return Browser(client, address, services.data_directory / "mail")

        yield opened


@pytest.fixture
def browser(browser_from: BrowserFrom, services: Services) -> Browser:
    """A browser in a network nobody else is in."""
    return browser_from(str(IPv6Address(services.randomness(16))))
