"""Passkeys in Chromium, with the authenticator that it lends to tests; nothing is made up."""

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page

from tests.factories.authenticators import Json
from tests.integration.identity.people import Browser
from tests.plugins.browser import PageErrors
from tests.plugins.postgres import Site

_CREATE = """
async options => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
    return (await navigator.credentials.create({publicKey})).toJSON();
}
"""
_GET = """
async options => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({publicKey})).toJSON();
}
"""
_CALL = """
async ([method, path, token, body]) => {
    const headers = {"Content-Type": "application/json"};
    if (token) headers.Authorization = `Bearer ${token}`;
    const answer = await fetch(path, {method, headers, body: body && JSON.stringify(body)});
    return {status: answer.status, body: answer.status === 204 ? null : await answer.json()};
}
"""


def _refusal(script: str) -> str:
    """The name of the error that a ceremony ends with."""
    return f"options => ({script.strip()})(options).catch(error => error.name)"


@dataclass(frozen=True, slots=True)
class Phone:
    """A page of the site, and the authenticator of the device that shows it."""

    page: Page
    devtools: CDPSession
    authenticator_id: str

    async def call(self, method: str, path: str, token: str = "", body: Json | None = None) -> Json:
        answered: Json = await self.page.evaluate(_CALL, [method, path, token, body])
        return answered

    async def register(self, token: str, name: str = "Phone") -> Json:
        begun = (await self.call("POST", "/v1/me/passkeys/registrations", token))["body"]
        credential = await self.page.evaluate(_CREATE, begun["options"])
        body = {"registration_id": begun["registration_id"], "name": name}
        return await self.call("POST", "/v1/me/passkeys", token, {**body, "credential": credential})

    async def show(self) -> Json:
        made = (await self.call("POST", "/v1/passkeys/challenges"))["body"]
        credential = await self.page.evaluate(_GET, made["options"])
        return {"challenge_id": made["challenge_id"], "credential": credential}

    async def sign_in(self) -> Json:
        return await self.call("POST", "/v1/passkeys/sessions", body=await self.show())

    async def let_user(self, *, verified: bool) -> None:
        """Whether the finger, the face or the PIN is the right one."""
        values = {"authenticatorId": self.authenticator_id, "isUserVerified": verified}
        await self.devtools.send("WebAuthn.setUserVerified", values)

    async def credentials(self) -> list[Json]:
        values = {"authenticatorId": self.authenticator_id}
        found: list[Json] = (await self.devtools.send("WebAuthn.getCredentials", values))[
            "credentials"
        ]
        return found


@pytest.fixture
async def phone(page: Page, live_site: Site) -> Phone:
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made: dict[str, Any] = await devtools.send(
        "WebAuthn.addVirtualAuthenticator", {"options": options}
    )
    await page.goto(f"{live_site.url}/health")
    return Phone(page, devtools, made["authenticatorId"])


@pytest.fixture
async def account(browser: Browser) -> Json:
    """Somebody who signed up with a password."""
    return await browser.sign_up()


async def test_a_person_registers_signs_out_and_signs_in_again(phone: Phone, account: Json) -> None:
    registered = await phone.register(account["token"])
    out = await phone.call("DELETE", "/v1/me/sessions/current", account["token"])
    signed_in = await phone.sign_in()
    token = signed_in["body"]["token"]
    security = (await phone.call("GET", "/v1/me/security", token))["body"]
    (passkey,) = (await phone.call("GET", "/v1/me/passkeys", token))["body"]["items"]
    assert (registered["status"], out["status"], signed_in["status"]) == (201, 204, 201)
    assert signed_in["body"]["user_id"] == account["user_id"]
    assert (security["proved_by"], security["passkeys"]) == ("passkey", 1)
    assert passkey["id"] == registered["body"]["id"]
    assert passkey["last_used_at"] is not None


async def test_the_device_keeps_a_passkey_that_finds_its_owner(phone: Phone, account: Json) -> None:
    await phone.register(account["token"])
    (kept,) = await phone.credentials()
    assert (kept["rpId"], kept["isResidentCredential"]) == ("localhost", True)
    assert kept["userDisplayName"] == "Grace"


async def test_a_session_is_proved_with_the_passkey(phone: Phone, account: Json) -> None:
    await phone.register(account["token"])
    before = (await phone.call("GET", "/v1/me/security", account["token"]))["body"]
    shown = await phone.show()
    proved = await phone.call("POST", "/v1/me/passkeys/proofs", account["token"], shown)
    after = (await phone.call("GET", "/v1/me/security", account["token"]))["body"]
    assert (before["proved_by"], proved["status"], after["proved_by"]) == (None, 204, "passkey")


async def test_a_counter_that_grows_is_let_in_each_time(phone: Phone, account: Json) -> None:
    await phone.register(account["token"])
    answers = [await phone.sign_in() for _ in range(3)]
    (kept,) = await phone.credentials()
    assert [answer["status"] for answer in answers] == [201, 201, 201]
    assert kept["signCount"] > 2


async def test_a_copied_passkey_is_found_out_by_its_counter(
    phone: Phone, account: Json, page_errors: PageErrors
) -> None:
    await phone.register(account["token"])
    (copied,) = await phone.credentials()
    await phone.sign_in()
    values = {"authenticatorId": phone.authenticator_id}
    await phone.devtools.send("WebAuthn.clearCredentials", values)
    await phone.devtools.send("WebAuthn.addCredential", {**values, "credential": copied})
    answer = await phone.sign_in()
    page_errors.expected("401")
    assert (answer["status"], answer["body"]["code"]) == (401, "passkey_refused")


async def test_a_device_makes_no_second_passkey_for_one_account(
    phone: Phone, account: Json
) -> None:
    await phone.register(account["token"])
    begun = (await phone.call("POST", "/v1/me/passkeys/registrations", account["token"]))["body"]
    assert await phone.page.evaluate(_refusal(_CREATE), begun["options"]) == "InvalidStateError"


async def test_a_removed_passkey_is_of_no_use(
    phone: Phone, account: Json, page_errors: PageErrors
) -> None:
    made = (await phone.register(account["token"]))["body"]
    path = f"/v1/me/passkeys/{made['id']}"
    removed = await phone.call("DELETE", path, account["token"])
    answer = await phone.sign_in()
    page_errors.expected("401")
    assert (removed["status"], answer["body"]["code"]) == (204, "passkey_refused")


async def test_whoever_is_not_verified_makes_and_shows_no_passkey(
    phone: Phone, account: Json
) -> None:
    await phone.register(account["token"])
    await phone.let_user(verified=False)
    begun = (await phone.call("POST", "/v1/me/passkeys/registrations", account["token"]))["body"]
    made = (await phone.call("POST", "/v1/passkeys/challenges"))["body"]
    begun["options"]["excludeCredentials"] = []
    refusals = [
        await phone.page.evaluate(_refusal(script), options)
        for script, options in ((_CREATE, begun["options"]), (_GET, made["options"]))
    ]
    assert refusals == ["NotAllowedError", "NotAllowedError"]


async def test_a_page_of_another_site_gets_no_signature(
    phone: Phone, account: Json, live_site: Site
) -> None:
    await phone.register(account["token"])
    made = (await phone.call("POST", "/v1/passkeys/challenges"))["body"]
    await phone.page.goto(f"{live_site.url.replace('localhost', 'evil.localhost')}/health")
    assert await phone.page.evaluate(_refusal(_GET), made["options"]) == "SecurityError"
