"""The links in letters lead somewhere: signing up, and choosing a new password."""

import httpx
import pyotp
import pytest
from playwright.async_api import Page

from shared.clock import SettableClock
from sync_server.kit.services import Services
from tests.factories.accounts import PASSWORD, Account, make_account, turn_on_second_factor
from tests.plugins.pages import Served, Windows
from tests.web.acting import focused, heading, keep_signed_in, posted, said, sign_in, submit

STEP_MS = 30_000
HOUR_MS = 3_600_000
NEW_PASSWORD = "copper violin monsoon"


@pytest.fixture
async def account(served: Served) -> Account:
    return await make_account(served.services)


@pytest.fixture
def address(services: Services) -> str:
    return f"moses.{services.new_id().hex}@example.org"


async def ask_to_sign_up(page: Page, address: str) -> None:
    await page.fill("#display-name", "Moses Okello")
    await page.fill("#address", address)
    await submit(page, "ask")


async def choose(page: Page, password: str) -> None:
    await page.fill("#new-password", password)
    await submit(page, "choose")


async def ask_for_reset(page: Page, address: str) -> None:
    await page.fill("#address", address)
    await submit(page, "ask")


async def test_a_person_signs_up_by_letter(windows: Windows, served: Served, address: str) -> None:
    page = await windows.open("/sign-up")
    await ask_to_sign_up(page, address)
    assert await said(page, "#sent") == (
        f"A letter is on its way to {address}. Open its link within 24 hours."
    )
    elsewhere = await windows.open(await served.link_to(address))
    await choose(elsewhere, PASSWORD)
    assert await heading(elsewhere, "/account") == "Moses Okello"


async def test_the_letter_is_in_the_language_of_the_page(
    windows: Windows, served: Served, address: str
) -> None:
    page = await windows.open("/sign-up?lang=rw")
    await ask_to_sign_up(page, address)
    letter = await served.postbox.arrivals.get()
    assert letter.subject == "Emeza aderesi yawe"


async def test_the_address_bar_forgets_the_token_at_once(
    windows: Windows, served: Served, address: str
) -> None:
    page = await windows.open("/sign-up")
    await ask_to_sign_up(page, address)
    link = await served.link_to(address)
    await page.goto(link)
    await page.wait_for_selector("#choose")
    shown = page.url
    await page.goto("/sign-in")
    await page.go_back()
    await page.wait_for_selector("#ask")
    token = link.rpartition("#")[2]
    stored = await page.evaluate("JSON.stringify([localStorage, sessionStorage, history.state])")
    assert shown == page.url == f"{windows.address}/sign-up"
    assert token not in stored


async def test_a_guessable_password_is_explained_and_stays_to_be_changed(
    windows: Windows, served: Served, address: str
) -> None:
    page = await windows.open("/sign-up")
    await ask_to_sign_up(page, address)
    await page.goto(await served.link_to(address))
    await choose(page, "too short")
    short = await page.inner_text("#new-password-wrong")
    await choose(page, "qwertyuiopasdf")
    told = await said(page, "#choose")
    kept = await page.input_value("#new-password")
    await choose(page, PASSWORD)
    assert short == "A password has at least 12 characters."
    assert told == (
        "This password is easily guessed. Take a longer one, or several unrelated words."
        " It consists of words or passwords that many people use."
    )
    assert kept == "qwertyuiopasdf"
    assert await heading(page, "/account") == "Moses Okello"


async def test_another_language_goes_on_with_the_same_letter(
    windows: Windows, served: Served, address: str
) -> None:
    page = await windows.open("/sign-up")
    await ask_to_sign_up(page, address)
    await page.goto(await served.link_to(address))
    await page.click("summary")
    await page.click("a[hreflang=fr]")
    assert await heading(page, "/sign-up?lang=fr") == "Choisissez votre mot de passe"
    await choose(page, PASSWORD)
    assert await heading(page, "/account") == "Moses Okello"


async def test_a_second_letter_opened_in_the_same_tab_counts(
    windows: Windows, served: Served, account: Account
) -> None:
    page = await windows.open("/password-reset")
    await ask_for_reset(page, account.address)
    first = await served.link_to(account.address)
    await page.goto(first)
    # The same address but for what is behind the #: the page loads itself anew.
    await page.wait_for_selector("#new-password", state="visible")
    await page.goto(f"{windows.address}/password-reset")
    await ask_for_reset(page, account.address)
    second = await served.link_to(account.address)
    await page.goto(second)
    sent = await posted(page, "/confirm", choose(page, NEW_PASSWORD))
    assert sent["token"] == second.rpartition("#")[2]
    assert await heading(page, "/account") == "Grace Akello"


@pytest.mark.parametrize("path", ["/sign-up", "/password-reset"])
async def test_a_link_that_is_good_for_nothing_leads_to_another_letter(
    windows: Windows, path: str
) -> None:
    page = await windows.open(f"{path}#zgl_unknown")
    await choose(page, NEW_PASSWORD)
    assert await said(page, "#ask") == (
        "This link is used or too old. Ask for another letter; the newest one counts."
    )
    assert not await page.is_visible("#choose")
    assert await page.locator("#ask input").first.evaluate("e => e === document.activeElement")


async def test_a_link_that_is_too_old_is_replaced(
    windows: Windows, served: Served, account: Account, clock: SettableClock
) -> None:
    page = await windows.open("/password-reset")
    await ask_for_reset(page, account.address)
    old = await served.link_to(account.address)
    clock.advance(2 * HOUR_MS)
    await page.goto(old)
    await choose(page, NEW_PASSWORD)
    assert "too old" in await said(page, "#ask")
    await ask_for_reset(page, account.address)
    await page.goto(await served.link_to(account.address))
    await choose(page, NEW_PASSWORD)
    assert await heading(page, "/account") == "Grace Akello"


@pytest.mark.parametrize("fragment", ["#content", "#", "#zgl_", "#" + "zgl_" + "x" * 200])
async def test_what_is_no_token_is_no_letter(windows: Windows, fragment: str) -> None:
    page = await windows.open(f"/sign-up{fragment}")
    assert await page.is_visible("#ask")
    assert not await page.is_visible("#choose")


async def test_another_letter_is_asked_for_with_what_was_typed(
    windows: Windows, address: str
) -> None:
    page = await windows.open("/sign-up")
    await ask_to_sign_up(page, address)
    await said(page, "#sent")
    await page.click("#sent [data-again]")
    typed = [await page.input_value(field) for field in ("#display-name", "#address")]
    assert typed == ["Moses Okello", address]
    assert await focused(page) == "display-name"


async def test_a_new_password_by_letter_signs_in_here_and_out_elsewhere(
    windows: Windows, served: Served, account: Account
) -> None:
    elsewhere = await windows.open()
    await keep_signed_in(elsewhere, account.person)
    page = await windows.open("/password-reset")
    await ask_for_reset(page, account.address)
    assert f"If {account.address} belongs to an account" in await said(page, "#sent")
    await page.goto(await served.link_to(account.address))
    await choose(page, NEW_PASSWORD)
    assert await heading(page, "/account") == "Grace Akello"
    await elsewhere.goto("/account")
    assert await heading(elsewhere, "/sign-in?next=/account") == "Sign in"
    await sign_in(elsewhere, account, NEW_PASSWORD)
    assert await heading(elsewhere, "/account") == "Grace Akello"


async def test_a_new_password_takes_the_digits_of_whoever_has_them(
    windows: Windows, served: Served, account: Account, clock: SettableClock
) -> None:
    async with httpx.AsyncClient(base_url=windows.address) as client:
        secret = await turn_on_second_factor(client, account, clock)
    page = await windows.open("/password-reset")
    await ask_for_reset(page, account.address)
    await page.goto(await served.link_to(account.address))
    await choose(page, NEW_PASSWORD)
    assert "six digits" in await said(page, "#choose")
    assert await focused(page) == "code"
    clock.advance(STEP_MS)
    await page.fill("#code", pyotp.TOTP(secret).at(clock.now_ms() // 1_000))
    await submit(page, "choose")
    assert await heading(page, "/account") == "Grace Akello"


async def test_whoever_asks_for_too_many_letters_is_told_how_long_to_wait(
    windows: Windows, account: Account
) -> None:
    async with httpx.AsyncClient(base_url=windows.address) as client:
        for _ in range(5):
            await client.post("/v1/password-resets", json={"address": account.address})
    page = await windows.open("/password-reset?lang=fr")
    await ask_for_reset(page, account.address)
    assert "Réessayez dans 60 min" in await said(page, "#ask")
    assert await page.input_value("#address") == account.address
