"""The whole way in a real browser: our page, the provider's, and back."""

from dataclasses import replace

import pytest
from playwright.async_api import Page

from sync_server.kit.services import Services
from sync_server.sandboxes.openid_provider import SandboxPerson
from sync_server.sandboxes.openid_tokens import Forgery
from tests.factories.accounts import make_account
from tests.factories.openid import a_person, google_client
from tests.plugins.openid import SandboxProvider
from tests.plugins.pages import Served, Windows
from tests.web.acting import heading, keep_signed_in, said


@pytest.fixture
def services(services: Services, sandbox_provider: SandboxProvider) -> Services:
    """The server trusts our sandbox."""
    return replace(services, openid_clients=(google_client(sandbox_provider.issuer),))


@pytest.fixture
def grace(served: Served, sandbox_provider: SandboxProvider) -> SandboxPerson:
    """Somebody at the provider, which knows the way back to this server."""
    back = f"{served.services.public_url}/sign-in/google"
    sandbox_provider.sandbox.redirect_uris = frozenset((back,))
    person = a_person(served.services)
    sandbox_provider.add_person(person)
    return person


async def choose(page: Page, person: SandboxPerson) -> None:
    """At the provider's page."""
    await page.wait_for_url("**/authorize?**")
    await page.click(f"button[value='{person.subject}']")


async def test_a_person_signs_in_with_google(windows: Windows, grace: SandboxPerson) -> None:
    page = await windows.open("/sign-in")
    await page.click("[data-google]")
    await choose(page, grace)
    assert await heading(page, "/account") == "Grace Akello"


async def test_a_person_who_is_refused_reads_what_to_do(
    windows: Windows, served: Served, sandbox_provider: SandboxProvider, grace: SandboxPerson
) -> None:
    account = await make_account(served.services)
    stranger = replace(grace, subject="7", address=account.address)
    sandbox_provider.add_person(stranger)
    page = await windows.open("/sign-in")
    await page.click("[data-google]")
    await choose(page, stranger)
    assert "link Google in your account" in await said(page)


async def test_a_person_links_google_to_their_account(
    windows: Windows, served: Served, grace: SandboxPerson
) -> None:
    account = await make_account(served.services)
    page = await windows.open("/")
    await keep_signed_in(page, account.person)
    await page.goto("/account")
    await page.click("#identities [data-google]")
    await choose(page, grace)
    assert await said(page, "#identities") == "The account is linked."
    assert await page.locator("#identities .row strong").all_inner_texts() == [grace.address]


async def test_a_provider_that_lies_is_not_believed(
    windows: Windows, sandbox_provider: SandboxProvider, grace: SandboxPerson
) -> None:
    sandbox_provider.sandbox.forgery = Forgery.WRONG_RESPONSE_ISSUER
    page = await windows.open("/sign-in")
    await page.click("[data-google]")
    await choose(page, grace)
    assert "cannot be trusted" in await said(page)
