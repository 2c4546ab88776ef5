"""Signing in at a browser: what is kept, what is said, and that nothing typed is lost."""

import httpx
import pyotp
import pytest

from shared.clock import SettableClock
from tests.factories.accounts import PASSWORD, Account, make_account, turn_on_second_factor
from tests.plugins.pages import Served, Windows
from tests.web.acting import focused, heading, keep_signed_in, posted, said, sign_in, submit

STEP_MS = 30_000


@pytest.fixture
async def account(served: Served) -> Account:
    return await make_account(served.services)


async def test_the_right_password_leads_to_the_account(windows: Windows, account: Account) -> None:
    page = await windows.open("/sign-in")
    await sign_in(page, account)
    assert await heading(page, "/account") == "Grace Akello"
    await page.reload()
    assert await heading(page, "/account") == "Grace Akello"


async def test_no_script_can_read_the_session(windows: Windows, account: Account) -> None:
    page = await windows.open("/sign-in")
    await sign_in(page, account)
    await heading(page, "/account")
    (cookie,) = await page.context.cookies()
    readable = await page.evaluate(
        "document.cookie + JSON.stringify(localStorage) + JSON.stringify(sessionStorage)"
    )
    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("zeraket", True, "Lax")
    assert cookie["value"].startswith("zgu_")
    assert "zgu_" not in readable
    assert "zgd_" in readable


async def test_a_known_device_says_so_the_next_time(windows: Windows, account: Account) -> None:
    page = await windows.open("/sign-in")
    await sign_in(page, account)
    await heading(page, "/account")
    await page.click("[data-sign-out]")
    await heading(page, "/")
    await page.goto("/sign-in")
    sent = await posted(page, "/v1/sessions", sign_in(page, account))
    assert sent["device_token"].startswith("zgd_")
    assert set(sent) == {"address", "password", "device_token"}


async def test_signing_out_ends_the_session(windows: Windows, account: Account) -> None:
    page = await windows.open()
    await keep_signed_in(page, account.person)
    await page.goto("/account")
    await page.click("[data-sign-out]")
    await heading(page, "/")
    async with httpx.AsyncClient(base_url=windows.address) as client:
        answer = await client.get("/v1/me", headers=account.person.headers)
    assert answer.status_code == 401
    assert await page.context.cookies() == []


async def test_a_wrong_password_is_said_and_nothing_typed_is_lost(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/sign-in")
    await sign_in(page, account, "wrong password")
    assert await said(page) == (
        "The address or the password is wrong. Try again, or choose a new password."
    )
    typed = [await page.input_value(field) for field in ("#address", "#password")]
    assert typed == [account.address, "wrong password"]
    assert await focused(page) == "password"
    await sign_in(page, account)
    assert await heading(page, "/account") == "Grace Akello"


async def test_whoever_tries_too_often_is_told_how_long_to_wait(
    windows: Windows, account: Account, clock: SettableClock
) -> None:
    wrong = {"address": account.address, "password": "wrong password"}
    async with httpx.AsyncClient(base_url=windows.address) as client:
        for _ in range(10):
            await client.post("/v1/sessions", json=wrong)
    clock.advance(100_000)
    page = await windows.open("/sign-in")
    await sign_in(page, account)
    assert await said(page) == (
        "Too many attempts from where you are. Try again in 14 min; what you typed stays here."
    )
    assert await page.input_value("#password") == PASSWORD


async def test_without_a_connection_the_page_waits_for_another_try(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/sign-in")
    await page.context.set_offline(offline=True)
    await sign_in(page, account)
    assert "cannot be reached" in await said(page)
    await page.context.set_offline(offline=False)
    await submit(page, "sign-in")
    assert await heading(page, "/account") == "Grace Akello"


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (503, '{"code": "busy"}', "The server is very busy."),
        (502, "<h1>Bad gateway</h1>", "The server is not quite ready."),
        (500, '{"code": "internal_error"}', "Something went wrong."),
        (418, '{"code": "never_heard_of"}', "Something went wrong."),
        (422, '{"code": "request_invalid"}', "The server does not accept one of these fields."),
        (201, '{"token": "cut sh', "The server cannot be reached."),
    ],
)
async def test_every_failure_is_said_in_words(
    windows: Windows, account: Account, status: int, body: str, words: str
) -> None:
    page = await windows.open("/sign-in")
    await page.route(
        "**/v1/sessions",
        lambda route: route.fulfill(
            status=status, body=body, content_type="application/problem+json"
        ),
    )
    await sign_in(page, account)
    assert (await said(page)).startswith(words)
    assert await page.input_value("#password") == PASSWORD


async def test_a_browser_that_keeps_no_cookies_is_told_why_it_goes_no_further(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/sign-in")
    await page.evaluate("Object.defineProperty(navigator, 'cookieEnabled', {value: false})")
    await sign_in(page, account)
    assert "keeps no cookies" in await said(page)


async def test_what_is_missing_is_said_beside_each_field_in_the_pages_language(
    windows: Windows,
) -> None:
    page = await windows.open("/sign-in?lang=sw")
    await page.fill("#address", "nobody")
    await submit(page, "sign-in")
    wrong = [await page.inner_text(f"#{field}-wrong") for field in ("address", "password")]
    described = await page.get_attribute("#password", "aria-describedby")
    assert wrong == [
        "Hii si barua pepe. Huonekana hivi: jina@example.org.",
        "Hapa pako tupu.",
    ]
    assert await page.get_attribute("#password", "aria-invalid") == "true"
    assert (described, await focused(page)) == ("password-wrong", "address")


async def test_a_second_factor_is_asked_for_once_the_password_was_right(
    windows: Windows, account: Account, clock: SettableClock
) -> None:
    async with httpx.AsyncClient(base_url=windows.address) as client:
        secret = await turn_on_second_factor(client, account, clock)
    page = await windows.open("/sign-in")
    assert not await page.is_visible("#code")
    await sign_in(page, account)
    assert "six digits" in await said(page)
    assert await focused(page) == "code"
    await page.fill("#code", "000 000")
    await submit(page, "sign-in")
    assert "too old" in await said(page, words="digits are wrong")
    clock.advance(STEP_MS)
    await page.fill("#code", pyotp.TOTP(secret).at(clock.now_ms() // 1_000))
    await submit(page, "sign-in")
    assert await heading(page, "/account") == "Grace Akello"


async def test_a_password_is_shown_to_whoever_wants_to_see_it(windows: Windows) -> None:
    page = await windows.open("/sign-in")
    await page.fill("#password", "lantern")
    button = page.locator("[data-shows=password]")
    await button.click()
    shown = (
        await page.get_attribute("#password", "type"),
        await button.get_attribute("aria-pressed"),
    )
    await button.click()
    hidden = await page.get_attribute("#password", "type")
    assert (shown, hidden) == (("text", "true"), "password")


async def test_a_place_to_go_to_is_kept_through_signing_in(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/sign-in?next=/invitation")
    await sign_in(page, account)
    assert await heading(page, "/invitation") == "Invitation"


async def test_the_menu_changes_the_language_and_it_stays(windows: Windows) -> None:
    page = await windows.open("/sign-in")
    await page.click("summary")
    await page.click("a[hreflang=rw]")
    assert await heading(page, "/sign-in?lang=rw") == "Injira"
    await page.goto("/sign-up")
    assert await page.inner_text("h1") == "Iyandikishe"
    assert await page.get_attribute("html", "lang") == "rw"


async def test_everything_is_reached_by_keyboard(windows: Windows, account: Account) -> None:
    page = await windows.open("/sign-in")
    await page.keyboard.press("Tab")
    first = await page.evaluate("document.activeElement.textContent")
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.type(account.address)
    await page.keyboard.press("Tab")
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    assert first == "Skip to the content"
    assert await heading(page, "/account") == "Grace Akello"


async def test_without_scripts_the_page_says_what_it_needs(windows: Windows) -> None:
    page = await windows.open("/sign-in?lang=fr", java_script_enabled=False)
    shown = await page.inner_text("noscript")
    methods = await page.locator("form").evaluate_all("forms => forms.map(form => form.method)")
    assert "JavaScript" in shown
    assert methods == ["post"]


async def test_a_breach_of_the_policy_would_be_noticed(windows: Windows) -> None:
    page = await windows.open("/sign-in")
    async with page.expect_console_message():
        await page.evaluate(
            "document.body.append(Object.assign(document.createElement('script'),"
            " {textContent: 'window.ran = true'}))"
        )
    ran = await page.evaluate("window.ran === true")
    noticed = list(windows.faults)
    windows.faults.clear()
    assert ran is False
    assert len(noticed) == 1
    assert "Content Security Policy" in noticed[0]
