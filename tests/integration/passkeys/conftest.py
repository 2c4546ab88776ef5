from dataclasses import replace

import pytest

from sync_server.kit.services import Services
from tests.integration.identity.conftest import browser, browser_from
from tests.integration.identity.people import Browser
from tests.integration.passkeys.holders import SITE, Holder, signed_up

__all__ = ["browser", "browser_from"]


@pytest.fixture
def site() -> str:
    """The server's address; it has a name, for an IP address there are no passkeys."""
    return SITE


@pytest.fixture
def services(services: Services, site: str) -> Services:
    return replace(services, public_url=site)


@pytest.fixture
async def holder(browser: Browser) -> Holder:
    """Somebody who signed up a moment ago and has no passkey yet."""
    return await signed_up(browser)


@pytest.fixture
async def stranger(browser: Browser) -> Holder:
    """Somebody else, in the same network."""
    return await signed_up(Browser(browser.client, "other." + browser.address, browser.folder))
