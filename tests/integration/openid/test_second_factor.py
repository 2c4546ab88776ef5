"""Whoever has a second factor gives its digits at this door as well; the code at the provider is
used once all the same.
"""

from dataclasses import dataclass

import pyotp
import pytest

from shared.clock import SettableClock
from sync_server.kit.services import Services
from sync_server.sandboxes.openid_provider import SandboxPerson
from tests.factories.openid import OpenidBrowser, a_person, bearer
from tests.integration.identity.people import PASSWORD, Browser
from tests.plugins.openid import SandboxProvider

STEP_MS = 30_000


@dataclass(frozen=True, slots=True)
class Owner:
    """Somebody with a password, a phone that shows digits, and an account at the provider."""

    person: SandboxPerson
    user_id: str
    secret: str
    clock: SettableClock

    def digits(self) -> str:
        return pyotp.TOTP(self.secret).at(self.clock.now_ms() // 1_000)


@pytest.fixture
async def owner(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    services: Services,
    clock: SettableClock,
) -> Owner:
    person = a_person(services)
    sandbox_provider.add_person(person)
    mailbox = Browser(browser.client, person.address, services.data_directory / "mail")
    made = await mailbox.sign_up()
    headers, url = bearer(made["token"]), "/v1/me/second-factor"
    begun = await browser.client.post(url, json={"present_password": PASSWORD}, headers=headers)
    owner = Owner(person, made["user_id"], begun.json()["secret"], clock)
    code = {"code": owner.digits()}
    confirmed = await browser.client.post(f"{url}/confirm", json=code, headers=headers)
    assert confirmed.status_code == 204, confirmed.text
    clock.advance(STEP_MS)
    return owner


async def test_digits_are_asked_and_the_same_answer_of_the_provider_is_good_again(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, owner: Owner
) -> None:
    body = await browser.come_back(owner.person)
    without = await browser.finish(body)
    wrong = await browser.finish(body, code_of_second_factor="000000")
    right = await browser.finish(body, code_of_second_factor=owner.digits())
    late = await browser.finish(body, code_of_second_factor=owner.digits())
    assert [answer.json().get("code") for answer in (without, wrong, right, late)] == [
        "second_factor_required",
        "second_factor_wrong",
        None,
        "openid_flow_invalid",
    ]
    assert (right.status_code, right.json()["user_id"]) == (201, owner.user_id)
    assert sandbox_provider.sandbox.asked["/token"] == 1


async def test_nothing_is_linked_before_the_digits_are_right(
    browser: OpenidBrowser, services: Services, owner: Owner
) -> None:
    body = await browser.come_back(owner.person)
    await browser.finish(body)
    mailbox = Browser(browser.client, owner.person.address, services.data_directory / "mail")
    entered = await mailbox.sign_in(code=owner.digits())
    assert await browser.identities(entered.json()["token"]) == []


async def test_the_session_has_shown_its_second_factor(
    browser: OpenidBrowser, owner: Owner
) -> None:
    """An admin's call says which is missing: the role, or the second factor."""
    body = await browser.come_back(owner.person)
    entered = await browser.finish(body, code_of_second_factor=owner.digits())
    headers = bearer(entered.json()["token"])
    removed = await browser.client.get("/v1/admins", headers=headers)
    assert removed.json()["code"] == "admin_required"


async def test_digits_brought_by_another_code_or_browser_open_nothing(
    browser: OpenidBrowser, other_browser: OpenidBrowser, owner: Owner
) -> None:
    body = await browser.come_back(owner.person)
    await browser.finish(body)
    theirs = await other_browser.begin()
    tried = [
        await browser.finish({**body, "code": "guessed"}, code_of_second_factor=owner.digits()),
        await other_browser.finish(
            {**body, "flow_token": theirs["flow_token"]}, code_of_second_factor=owner.digits()
        ),
    ]
    assert {answer.json()["code"] for answer in tried} == {"openid_flow_invalid"}
    assert (await browser.finish(body, code_of_second_factor=owner.digits())).status_code == 201


async def test_digits_are_not_guessed(browser: OpenidBrowser, owner: Owner) -> None:
    body = await browser.come_back(owner.person)
    answers = [await browser.finish(body, code_of_second_factor=f"{n:06}") for n in range(10)]
    assert {answer.status_code for answer in answers} <= {403, 429}
    assert answers[-1].json()["code"] == "too_many_attempts"


async def test_whoever_has_no_second_factor_gives_digits_in_vain(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, services: Services
) -> None:
    grace = a_person(services)
    sandbox_provider.add_person(grace)
    body = await browser.come_back(grace)
    assert (await browser.finish(body, code_of_second_factor="123456")).status_code == 201
