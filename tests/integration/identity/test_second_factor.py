"""Six digits from an app: asked at sign-in of whoever set them up, and of every admin."""

from collections.abc import Callable
from typing import Any

import httpx
import pyotp
import pytest

from shared.clock import SettableClock
from sync_server.identity import roles
from sync_server.kit.services import Services
from tests.integration.identity.people import PASSWORD, Browser, bearer

STEP_MS = 30_000
CodeOf = Callable[[str], str]


@pytest.fixture
def code_of(clock: SettableClock) -> CodeOf:
    """The phone: the code of a secret, at this moment."""
    return lambda secret: pyotp.TOTP(secret).at(clock.now_ms() // 1_000)


async def _begin(browser: Browser, token: str, password: str = PASSWORD) -> httpx.Response:
    url, body = "/v1/me/second-factor", {"present_password": password}
    return await browser.client.post(url, json=body, headers=bearer(token))


async def _give(browser: Browser, token: str, what: str, code: str) -> httpx.Response:
    url = f"/v1/me/second-factor/{what}"
    return await browser.client.post(url, json={"code": code}, headers=bearer(token))


async def _set_up(browser: Browser, code_of: CodeOf) -> tuple[dict[str, Any], str]:
    """Sign up and turn the second factor on."""
    made = await browser.sign_up()
    secret: str = (await _begin(browser, made["token"])).json()["secret"]
    confirmed = await _give(browser, made["token"], "confirm", code_of(secret))
    assert confirmed.status_code == 204, confirmed.text
    return made, secret


async def test_a_code_is_asked_after_the_right_password_only(
    browser: Browser, code_of: CodeOf, clock: SettableClock
) -> None:
    _, secret = await _set_up(browser, code_of)
    clock.advance(STEP_MS)
    answers = [
        await browser.sign_in("wrong password"),
        await browser.sign_in(),
        await browser.sign_in(code="000000"),
        await browser.sign_in(code=code_of(secret)),
    ]
    assert [answer.json().get("code") for answer in answers] == [
        "credentials_wrong",
        "second_factor_required",
        "second_factor_wrong",
        None,
    ]


async def test_a_code_works_once(browser: Browser, code_of: CodeOf, clock: SettableClock) -> None:
    _, secret = await _set_up(browser, code_of)
    used = await browser.sign_in(code=code_of(secret))
    clock.advance(STEP_MS)
    fresh = [await browser.sign_in(code=code_of(secret)) for _ in range(2)]
    assert [answer.status_code for answer in (used, *fresh)] == [403, 201, 403]


@pytest.mark.parametrize(("steps", "status"), [(1, 201), (2, 403)])
async def test_a_phones_clock_may_be_off_by_a_step(
    browser: Browser, code_of: CodeOf, clock: SettableClock, steps: int, status: int
) -> None:
    _, secret = await _set_up(browser, code_of)
    clock.advance(STEP_MS)
    code = code_of(secret)
    clock.advance(steps * STEP_MS)
    assert (await browser.sign_in(code=code)).status_code == status


async def test_codes_are_not_guessed(browser: Browser, code_of: CodeOf) -> None:
    await _set_up(browser, code_of)
    answers = [await browser.sign_in(code=f"{number:06}") for number in range(10)]
    assert {answer.status_code for answer in answers} <= {403, 429}
    assert answers[-1].status_code == 429


async def test_a_new_password_needs_the_code_too_and_keeps_the_letter_good(
    browser: Browser, code_of: CodeOf, clock: SettableClock
) -> None:
    _, secret = await _set_up(browser, code_of)
    clock.advance(STEP_MS)
    await browser.ask_reset()
    body = {"token": browser.token(), "password": "copper violin monsoon"}
    url = "/v1/password-resets/confirm"
    without = await browser.client.post(url, json=body)
    given = await browser.client.post(url, json={**body, "code": code_of(secret)})
    assert without.json()["code"] == "second_factor_required"
    assert given.status_code == 201


async def test_what_was_begun_and_not_confirmed_asks_for_nothing(browser: Browser) -> None:
    token = (await browser.sign_up())["token"]
    secrets = [(await _begin(browser, token)).json()["secret"] for _ in range(2)]
    assert secrets[0] != secrets[1]
    assert (await browser.sign_in()).status_code == 201


async def test_setting_up_takes_the_password_and_a_code(browser: Browser, code_of: CodeOf) -> None:
    token = (await browser.sign_up())["token"]
    missing = await _give(browser, token, "confirm", "000000")
    refused = await _begin(browser, token, "not the password")
    begun = await _begin(browser, token)
    confirmed = await _give(browser, token, "confirm", code_of(begun.json()["secret"]))
    again = await _begin(browser, token)
    assert missing.json()["code"] == "second_factor_missing"
    assert refused.json()["code"] == "password_wrong"
    assert begun.json()["uri"].startswith("otpauth://totp/ZERAKET:grace.")
    assert begun.headers["cache-control"] == "no-store"
    assert (confirmed.status_code, again.json()["code"]) == (204, "second_factor_exists")


async def test_it_is_removed_with_a_code(
    browser: Browser, code_of: CodeOf, clock: SettableClock
) -> None:
    made, secret = await _set_up(browser, code_of)
    clock.advance(STEP_MS)
    wrong = await _give(browser, made["token"], "remove", "000000")
    removed = await _give(browser, made["token"], "remove", code_of(secret))
    assert (wrong.status_code, removed.status_code) == (403, 204)
    assert (await browser.sign_in()).status_code == 201


async def test_an_admin_without_a_second_factor_does_nothing(
    browser: Browser, services: Services, code_of: CodeOf, clock: SettableClock
) -> None:
    token = (await browser.sign_up())["token"]
    await roles.grant_first_admin(services, browser.address)
    before = await browser.client.get("/v1/admins", headers=bearer(token))
    secret = (await _begin(browser, token)).json()["secret"]
    older = (await browser.sign_in()).json()["token"]
    await _give(browser, token, "confirm", code_of(secret))
    clock.advance(STEP_MS)
    newer = (await browser.sign_in(code=code_of(secret))).json()["token"]
    answers = [
        await browser.client.get("/v1/admins", headers=bearer(each))
        for each in (token, older, newer)
    ]
    assert before.json()["code"] == "second_factor_needed"
    assert [answer.status_code for answer in answers] == [200, 403, 200]


async def test_the_operator_helps_an_admin_who_lost_their_phone(
    browser: Browser, services: Services, code_of: CodeOf
) -> None:
    await _set_up(browser, code_of)
    await roles.grant_first_admin(services, browser.address)
    assert (await browser.sign_in()).status_code == 401
    await roles.grant_first_admin(services, browser.address, lost_second_factor=True)
    assert (await browser.sign_in()).status_code == 201
