import pytest

from tests.factories.openid import OpenidBrowser
from tests.plugins.openid import BrowserAt, SandboxProvider


@pytest.fixture
async def browser(browser_at: BrowserAt, sandbox_provider: SandboxProvider) -> OpenidBrowser:
    """A browser at a server that trusts our sandbox."""
    return await browser_at(sandbox_provider)


@pytest.fixture
async def other_browser(browser_at: BrowserAt, sandbox_provider: SandboxProvider) -> OpenidBrowser:
    """Somebody else's, elsewhere."""
    return await browser_at(sandbox_provider)
