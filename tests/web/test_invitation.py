"""An invitation, from its letter to the team."""

import pytest

from sync_server.identity.rules import Language
from sync_server.kit.services import Services
from sync_server.organizers import invitations
from sync_server.organizers.rules import Capability
from sync_server.organizers.schemas import NewInvitation
from tests.factories.accounts import PASSWORD, Account, make_account
from tests.factories.tenants import Tenant, founder_caller, make_tenant
from tests.plugins.pages import Served, Windows
from tests.web.acting import focused, heading, keep_signed_in, said, sign_in, submit

UNFIT = (
    "This invitation is used, withdrawn or too old, or it went to another address than that of your"
    " account. Sign in with that address, or ask for another invitation."
)


@pytest.fixture
async def tenant(served: Served) -> Tenant:
    return await make_tenant(served.services, "Lake <Sounds> & co")


@pytest.fixture
async def account(served: Served) -> Account:
    return await make_account(served.services)


async def invite(services: Services, tenant: Tenant, address: str) -> None:
    """Send the letter, as the team's endpoint does."""
    wanted = NewInvitation(
        address=address,
        capabilities=frozenset({Capability.SCANS_VIEW, Capability.TICKETS_ISSUE}),
        language=Language.ENGLISH,
    )
    async with services.database.transaction(tenant.claims) as session:
        invited = await invitations.invite(founder_caller(tenant, session), services, wanted)
    await invitations.send_invitation(services, invited)


async def test_whoever_has_an_account_signs_in_and_joins(
    windows: Windows, served: Served, tenant: Tenant, account: Account
) -> None:
    await invite(served.services, tenant, account.address)
    page = await windows.open(await served.link_to(account.address))
    assert page.url == f"{windows.address}/invitation"
    await page.click("#first a[href^='/sign-in']")
    await sign_in(page, account)
    assert await heading(page, "/invitation") == "Invitation"
    await submit(page, "accept")
    assert await said(page) == "You belong to the team of Lake <Sounds> & co now."
    rights = await page.locator("#done li:visible").all_inner_texts()
    assert rights == [
        "issue, block, cancel and transfer tickets",
        "see scans and conflicts",
    ]


async def test_whoever_has_none_signs_up_by_letter_in_another_tab_and_joins(
    windows: Windows, served: Served, tenant: Tenant
) -> None:
    address = f"moses.{tenant.organizer_id.hex}@example.org"
    await invite(served.services, tenant, address)
    page = await windows.open(await served.link_to(address))
    await page.click("#first a[href='/sign-up']")
    await page.fill("#display-name", "Moses Okello")
    await page.fill("#address", address)
    await submit(page, "ask")
    tab = await page.context.new_page()
    await tab.goto(await served.link_to(address))
    await tab.fill("#new-password", PASSWORD)
    await submit(tab, "choose")
    assert await heading(tab, "/invitation") == "Invitation"
    assert "signed in as Moses Okello" in await tab.inner_text("#accept")
    await submit(tab, "accept")
    assert "You belong to the team" in await said(tab)


async def test_another_address_than_the_invited_one_joins_nothing(
    windows: Windows, served: Served, tenant: Tenant, account: Account
) -> None:
    await invite(served.services, tenant, "somebody.else@example.org")
    page = await windows.open()
    await keep_signed_in(page, account.person)
    await page.goto(await served.link_to("somebody.else@example.org"))
    await submit(page, "accept")
    assert await said(page, "#accept") == UNFIT
    await page.click("#accept [data-sign-out]")
    await page.wait_for_selector("#first")
    assert await page.context.cookies() == []


async def test_a_used_link_says_so(
    windows: Windows, served: Served, tenant: Tenant, account: Account
) -> None:
    await invite(served.services, tenant, account.address)
    link = await served.link_to(account.address)
    page = await windows.open()
    await keep_signed_in(page, account.person)
    await page.goto(link)
    await submit(page, "accept")
    await said(page)
    await page.goto("/account")
    await page.goto(link)
    await submit(page, "accept")
    assert await said(page, "#accept") == UNFIT


async def test_whoever_belongs_to_the_team_is_told_so(
    windows: Windows, served: Served, tenant: Tenant, account: Account
) -> None:
    page = await windows.open()
    await keep_signed_in(page, account.person)
    answers: list[str] = []
    for _ in range(2):
        await invite(served.services, tenant, account.address)
        await page.goto(await served.link_to(account.address))
        await submit(page, "accept")
        answers.append(await said(page))
        await page.goto("/account")
    assert answers[1] == "You belong to this team already."


async def test_an_accepted_invitation_waits_no_more(
    windows: Windows, served: Served, tenant: Tenant, account: Account
) -> None:
    await invite(served.services, tenant, account.address)
    page = await windows.open()
    await keep_signed_in(page, account.person)
    await page.goto(await served.link_to(account.address))
    await submit(page, "accept")
    await said(page)
    await page.goto("/invitation")
    assert await page.is_visible("#missing")
    assert not await page.is_visible("#accept")


async def test_without_a_letter_there_is_nothing_to_accept(windows: Windows) -> None:
    page = await windows.open("/invitation")
    assert await page.is_visible("#missing")
    assert await focused(page) == ""
