"""The account's page: sessions, password, second factor."""

import io

import httpx
import pyotp
import pytest
import zxingcpp
from PIL import Image
from playwright.async_api import Page

from shared.clock import SettableClock
from tests.factories.accounts import PASSWORD, Account, make_account, turn_on_second_factor
from tests.plugins.pages import Served, Windows
from tests.web.acting import focused, heading, keep_signed_in, said, sign_in, submit

STEP_MS = 30_000
NEW_PASSWORD = "copper violin monsoon"
ANDROID = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/140.0 Mobile Safari/537.36"


@pytest.fixture
async def account(served: Served) -> Account:
    return await make_account(served.services)


@pytest.fixture
async def page(windows: Windows, account: Account) -> Page:
    """A window at the account's page of somebody who signed in there."""
    page = await windows.open("/sign-in")
    await sign_in(page, account)
    await heading(page, "/account")
    await page.wait_for_selector("#sessions .row")
    return page


def digits(secret: str, clock: SettableClock) -> str:
    return pyotp.TOTP(secret).at(clock.now_ms() // 1_000)


async def test_sessions_are_listed_by_device(
    windows: Windows, account: Account, page: Page
) -> None:
    phone = await windows.open("/sign-in", user_agent=ANDROID)
    await sign_in(phone, account)
    await heading(phone, "/account")
    await page.reload()
    await page.wait_for_selector("#sessions .row")
    names = await page.locator("#sessions .row [data-name]").all_inner_texts()
    marks = await page.locator("#sessions .row .badge:visible").all_inner_texts()
    about = await page.locator("#sessions .row .hint").first.inner_text()
    assert names[0] == "Chrome · Linux"
    assert set(names[1:]) == {"Chrome · Android", "Unknown device"}
    assert marks == ["this device"]
    assert "Network 127.0.0.0/24." in about


async def test_a_session_ended_here_is_over_there(
    windows: Windows, account: Account, page: Page
) -> None:
    phone = await windows.open("/sign-in", user_agent=ANDROID)
    await sign_in(phone, account)
    await heading(phone, "/account")
    await phone.wait_for_selector("#sessions .row")
    await page.reload()
    await page.get_by_role("button", name="End this session Chrome · Android").click()
    assert await said(page, "#sessions") == "The session has ended."
    await phone.click("[data-sign-out]")
    assert await heading(phone, "/") == "Tickets that always open the gate"


async def test_whoever_was_signed_out_elsewhere_is_told_and_signs_in_again(
    windows: Windows, account: Account, page: Page
) -> None:
    other = await windows.open("/sign-in")
    await sign_in(other, account)
    await heading(other, "/account")
    await other.click("#sessions [data-end-others]")
    assert await said(other, "#sessions") == "You are signed out everywhere else."
    assert await other.locator("#sessions .row").count() == 1
    await page.fill("#present-password", PASSWORD)
    await page.fill("#new-password", NEW_PASSWORD)
    await submit(page, "change-password")
    assert await said(page, "#change-password") == (
        "You are no longer signed in here. Sign in again"
    )
    await page.click("#change-password .notice a")
    assert await heading(page, "/sign-in?next=%2Faccount") == "Sign in"
    await sign_in(page, account)
    assert await heading(page, "/account") == "Grace Akello"


async def test_a_password_is_changed_with_the_present_one(
    windows: Windows, account: Account, page: Page
) -> None:
    await page.fill("#present-password", "not the password")
    await page.fill("#new-password", NEW_PASSWORD)
    await submit(page, "change-password")
    wrong = await said(page, "#change-password")
    kept = await page.input_value("#new-password")
    at = await focused(page)
    await page.fill("#present-password", PASSWORD)
    await submit(page, "change-password")
    changed = await said(page, "#change-password", "changed")
    assert (wrong, kept, at) == (
        "This is not your present password.",
        NEW_PASSWORD,
        "present-password",
    )
    assert changed == "Your password is changed, and you are signed out everywhere else."
    assert await page.input_value("#present-password") == ""
    async with httpx.AsyncClient(base_url=windows.address) as client:
        answer = await client.get("/v1/me", headers=account.person.headers)
    assert answer.status_code == 401


async def test_a_second_factor_is_scanned_confirmed_used_and_removed(
    account: Account, page: Page, clock: SettableClock
) -> None:
    await page.fill("#second-factor-password", PASSWORD)
    await submit(page, "begin-second-factor")
    await page.wait_for_selector("#confirm-second-factor [data-code][src]")
    picture = await page.locator("#confirm-second-factor [data-code]").screenshot()
    (code,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))
    secret = pyotp.parse_uri(code.text).secret
    typed = (await page.inner_text("[data-secret]")).replace(" ", "")
    assert (typed, pyotp.parse_uri(code.text).name) == (secret, account.address)

    await page.fill("#confirm-code", digits(secret, clock))
    await submit(page, "confirm-second-factor")
    assert await said(page, "#second-factor") == ("The second factor is on. Keep your phone safe.")
    assert await page.text_content("[data-secret]") == ""
    await page.reload()
    assert await page.is_visible("#remove-second-factor")

    clock.advance(STEP_MS)
    await page.fill("#remove-code", digits(secret, clock))
    await submit(page, "remove-second-factor")
    assert await said(page, "#second-factor") == "The second factor is off."
    assert await page.is_visible("#begin-second-factor")


async def test_wrong_digits_turn_nothing_on_and_may_be_tried_again(
    page: Page, clock: SettableClock
) -> None:
    await page.fill("#second-factor-password", PASSWORD)
    await submit(page, "begin-second-factor")
    await page.fill("#confirm-code", "12 34")
    await submit(page, "confirm-second-factor")
    few = await page.inner_text("#confirm-code-wrong")
    await page.fill("#confirm-code", "000000")
    await submit(page, "confirm-second-factor")
    wrong = await said(page, "#confirm-second-factor")
    secret = (await page.inner_text("[data-secret]")).replace(" ", "")
    await page.fill("#confirm-code", digits(secret, clock))
    await submit(page, "confirm-second-factor")
    assert few == "Type all six digits."
    assert wrong.startswith("These digits are wrong, too old or used already.")
    assert "is on" in await said(page, "#second-factor", "is on")


async def test_setting_up_can_be_given_up(page: Page) -> None:
    await page.fill("#second-factor-password", PASSWORD)
    await submit(page, "begin-second-factor")
    await page.click("#confirm-second-factor [data-cancel]")
    assert await page.is_visible("#begin-second-factor")
    assert await page.get_attribute("#confirm-second-factor [data-code]", "src") is None
    assert await page.input_value("#second-factor-password") == ""


async def test_a_second_factor_set_up_elsewhere_meanwhile_is_said(
    windows: Windows, account: Account, page: Page, clock: SettableClock
) -> None:
    async with httpx.AsyncClient(base_url=windows.address) as client:
        await turn_on_second_factor(client, account, clock)
    await page.fill("#second-factor-password", PASSWORD)
    await submit(page, "begin-second-factor")
    assert await said(page, "#begin-second-factor") == (
        "You have a second factor already. Load this page again."
    )


async def test_what_this_server_does_not_offer_is_not_shown(page: Page) -> None:
    await page.wait_for_load_state("networkidle")
    assert not await page.is_visible("#identities")


async def test_a_stranger_is_asked_to_sign_in_first(windows: Windows) -> None:
    page = await windows.open("/account")
    assert await heading(page, "/sign-in?next=/account") == "Sign in"


async def test_dates_are_written_in_the_pages_language(windows: Windows, account: Account) -> None:
    page = await windows.open("/account?lang=fr")
    await keep_signed_in(page, account.person)
    await page.goto("/account?lang=fr")
    about = await page.locator("#sessions .row .hint").first.inner_text()
    assert about.startswith("Depuis le ")
