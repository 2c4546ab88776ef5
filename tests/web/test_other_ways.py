"""Google and passkeys at the pages, as far as the browser's side of them goes.

What the server does with what is posted, its own tests try; here stand-ins answer in its place, at
the border of the browser.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Page, Route
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
)
from webauthn.helpers import (
    parse_authentication_credential_json,
    parse_registration_credential_json,
)
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from tests.factories.accounts import PASSWORD, Account, make_account
from tests.plugins.pages import Served, Windows
from tests.web.acting import heading, keep_signed_in, said, sign_in, submit

PROVIDERS = {"items": [{"id": "google", "name": "Google"}]}
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
Answer = Callable[[Any], Awaitable[tuple[int, Any]]]


@dataclass(frozen=True, slots=True)
class StandIn:
    """Answers calls of one page to parts of the API, and keeps what was posted."""

    page: Page
    posted: dict[str, list[Any]] = field(default_factory=dict)

    async def answers(self, method: str, path: str, status: int, body: object) -> None:
        async def fulfil(route: Route) -> None:
            if route.request.method != method:
                await route.fallback()
                return
            self.posted.setdefault(f"{method} {path}", []).append(route.request.post_data_json)
            content = "" if body is None else json.dumps(body)
            await route.fulfill(status=status, content_type="application/json", body=content)

        await self.page.route(f"**{path}", fulfil)

    async def signs_in(self, path: str, account: Account) -> None:
        """Answer as the real sign-in does for somebody's password."""

        async def fulfil(route: Route) -> None:
            self.posted.setdefault(f"POST {path}", []).append(route.request.post_data_json)
            body = {"address": account.address, "password": PASSWORD}
            context = self.page.context
            answer = await context.request.post("/v1/sessions", data=body)
            await route.fulfill(response=answer)

        await self.page.route(f"**{path}", fulfil)


@pytest.fixture
async def account(served: Served) -> Account:
    return await make_account(served.services)


async def authenticate_by_touch(page: Page) -> None:
    """Give the browser an authenticator that always says yes."""
    session = await page.context.new_cdp_session(page)
    await session.send("WebAuthn.enable")
    await session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


def registration(account: Account) -> dict[str, Any]:
    options = generate_registration_options(
        rp_id="localhost",
        rp_name="ZERAKET",
        user_id=account.person.user_id.bytes,
        user_name=account.address,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED,
            user_verification=UserVerificationRequirement.REQUIRED,
        ),
    )
    return {"registration_id": "r1", "options": json.loads(options_to_json(options))}


async def test_google_is_offered_where_the_server_has_it(windows: Windows) -> None:
    page = await windows.open("/")
    await StandIn(page).answers("GET", "/v1/openid/providers", 200, PROVIDERS)
    await page.goto("/sign-in")
    await page.wait_for_selector("[data-google]:visible")
    assert await page.inner_text("[data-google]") == "Sign in with Google"


@pytest.mark.parametrize(("status", "body"), [(200, {"items": []}), (404, {}), (503, {})])
async def test_google_is_hidden_where_it_is_not(
    windows: Windows, status: int, body: dict[str, list[str]]
) -> None:
    page = await windows.open("/")
    await StandIn(page).answers("GET", "/v1/openid/providers", status, body)
    await page.goto("/sign-in")
    await page.wait_for_load_state("networkidle")
    assert not await page.is_visible("[data-google]")
    assert await page.inner_text("#other-ways .notice") == ""


async def test_a_person_comes_back_from_google_signed_in(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/")
    stand_in = StandIn(page)
    back = f"{windows.address}/sign-in/google?code=c0de&state=st4te"
    begun = {"authorization_url": back, "flow_token": "fl0w", "expires_at": "2026-12-01T00:00:00Z"}
    await stand_in.answers("GET", "/v1/openid/providers", 200, PROVIDERS)
    await stand_in.answers("POST", "/v1/openid/google/requests", 201, begun)
    await stand_in.signs_in("/v1/openid/google/sessions", account)
    await page.goto("/sign-in?next=/invitation&lang=sw")
    await page.click("[data-google]")
    assert await heading(page, "/invitation") == "Mwaliko"
    assert stand_in.posted["POST /v1/openid/google/requests"] == [{"language": "sw"}]
    assert stand_in.posted["POST /v1/openid/google/sessions"] == [
        {"code": "c0de", "state": "st4te", "flow_token": "fl0w"}
    ]
    assert await page.evaluate("sessionStorage.length") == 0


async def test_google_does_not_replace_a_second_factor(windows: Windows, account: Account) -> None:
    page = await windows.open("/sign-in")
    stand_in = StandIn(page)
    path = "/v1/openid/google/sessions"
    await stand_in.answers("POST", path, 401, {"code": "second_factor_required"})
    flow = json.dumps({"purpose": "sign-in", "path": "/account", "flowToken": "fl0w"})
    await page.evaluate(f"sessionStorage.setItem('zeraket.google', {json.dumps(flow)})")
    await page.goto("/sign-in/google?code=c0de&state=st4te")
    assert "six digits" in await said(page, "#digits")
    assert page.url == f"{windows.address}/sign-in/google"
    await stand_in.signs_in(path, account)
    await page.fill("#code", "123456")
    await submit(page, "digits")
    assert await heading(page, "/account") == "Grace Akello"
    assert stand_in.posted[f"POST {path}"][-1]["code_of_second_factor"] == "123456"


@pytest.mark.parametrize("query", ["?error=access_denied&state=s", "", "?code=c&state=s"])
async def test_an_answer_of_google_that_was_not_asked_for_signs_nobody_in(
    windows: Windows, query: str
) -> None:
    page = await windows.open(f"/sign-in/google{query}")
    assert await said(page) == (
        "Signing in with Google was not finished. Begin again, or sign in with your password."
    )
    assert page.url == f"{windows.address}/sign-in/google"
    assert await page.is_visible("#back a")


async def test_google_is_linked_and_unlinked_at_the_account(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/")
    await keep_signed_in(page, account.person)
    stand_in = StandIn(page)
    back = f"{windows.address}/sign-in/google?code=c0de&state=st4te"
    begun = {"authorization_url": back, "flow_token": "fl0w", "expires_at": "2026-12-01T00:00:00Z"}
    linked = {"id": "i1", "provider": "google", "address": account.address}
    await stand_in.answers("GET", "/v1/openid/providers", 200, PROVIDERS)
    await stand_in.answers("POST", "/v1/openid/google/requests", 201, begun)
    await stand_in.answers("GET", "/v1/me/identities", 200, {"items": []})
    await stand_in.answers("POST", "/v1/me/identities/google", 201, linked)
    await page.goto("/account")
    await page.wait_for_selector("#identities [data-google]:visible")
    await stand_in.answers("GET", "/v1/me/identities", 200, {"items": [linked]})
    await page.click("#identities [data-google]")
    assert await said(page, "#identities") == "The account is linked."
    assert page.url == f"{windows.address}/account"
    assert await page.locator("#identities .row strong").all_inner_texts() == [account.address]
    await stand_in.answers("DELETE", "/v1/me/identities/i1", 204, None)
    await stand_in.answers("GET", "/v1/me/identities", 200, {"items": []})
    await page.click("#identities .row [data-act]")
    assert "no longer linked" in await said(page, "#identities", "no longer")
    assert await page.is_visible("#identities [data-none]")


async def test_a_passkey_is_made_named_and_signs_in(windows: Windows, account: Account) -> None:
    page = await windows.open("/")
    await keep_signed_in(page, account.person)
    await authenticate_by_touch(page)
    stand_in = StandIn(page)
    await stand_in.answers("GET", "/v1/me/passkeys", 200, {"items": []})
    await stand_in.answers("POST", "/v1/me/passkeys/registrations", 201, registration(account))
    await stand_in.answers("POST", "/v1/me/passkeys", 201, {"id": "p1"})
    await page.goto("/account")
    await page.fill("#passkey-name", "My phone")
    await submit(page, "add-passkey")
    assert await said(page, "#passkeys") == "The passkey is added."
    (made,) = stand_in.posted["POST /v1/me/passkeys"]
    credential = parse_registration_credential_json(made["credential"])
    assert (made["registration_id"], made["name"]) == ("r1", "My phone")

    options = generate_authentication_options(rp_id="localhost")
    challenge = {"challenge_id": "c1", "options": json.loads(options_to_json(options))}
    await stand_in.answers("POST", "/v1/passkeys/challenges", 201, challenge)
    await stand_in.signs_in("/v1/passkeys/sessions", account)
    await page.click("[data-sign-out]")
    await heading(page, "/")
    await page.goto("/sign-in")
    await page.click("[data-passkey]")
    assert await heading(page, "/account") == "Grace Akello"
    (given,) = stand_in.posted["POST /v1/passkeys/sessions"]
    assert given["challenge_id"] == "c1"
    assert parse_authentication_credential_json(given["credential"]).raw_id == credential.raw_id


async def test_passkeys_are_renamed_and_removed(windows: Windows, account: Account) -> None:
    page = await windows.open("/")
    await keep_signed_in(page, account.person)
    stand_in = StandIn(page)
    passkey = {
        "id": "p1",
        "name": "My phone",
        "created_at": "2026-11-01T09:00:00Z",
        "last_used_at": None,
        "is_synced": True,
    }
    renamed = {**passkey, "name": "Old phone", "last_used_at": "2026-11-02T09:00:00Z"}
    await stand_in.answers("GET", "/v1/me/passkeys", 200, {"items": [passkey]})
    await page.goto("/account")
    about = await page.locator("#passkeys .row > div .hint").inner_text()
    assert about.startswith("Made 1 Nov 2026")
    assert about.endswith("Never used.")
    assert await page.is_visible("#passkeys .row .badge")

    await stand_in.answers("PATCH", "/v1/me/passkeys/p1", 200, renamed)
    await stand_in.answers("GET", "/v1/me/passkeys", 200, {"items": [renamed]})
    await page.get_by_role("button", name="Rename My phone").click()
    await page.keyboard.type("Old phone")
    await page.keyboard.press("Enter")
    assert await said(page, "#passkeys", "new name") == "The passkey has its new name."
    assert stand_in.posted["PATCH /v1/me/passkeys/p1"] == [{"name": "Old phone"}]

    await stand_in.answers("DELETE", "/v1/me/passkeys/p1", 204, None)
    await stand_in.answers("GET", "/v1/me/passkeys", 200, {"items": []})
    await page.get_by_role("button", name="Remove Old phone").click()
    assert "is removed here" in await said(page, "#passkeys", "removed")
    assert await page.is_visible("#passkeys [data-none]")


async def test_a_server_without_passkeys_says_so_and_offers_them_no_more(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/sign-in")
    await StandIn(page).answers("POST", "/v1/passkeys/challenges", 404, {"code": "not_found"})
    await page.click("[data-passkey]")
    assert "does not offer passkeys" in await said(page, "#other-ways")
    assert not await page.is_visible("[data-passkey]")
    await sign_in(page, account)
    assert await heading(page, "/account") == "Grace Akello"


async def test_a_device_without_a_passkey_leaves_the_password(
    windows: Windows, account: Account
) -> None:
    page = await windows.open("/sign-in")
    await authenticate_by_touch(page)
    options = generate_authentication_options(rp_id="localhost", timeout=1_000)
    challenge = {"challenge_id": "c1", "options": json.loads(options_to_json(options))}
    await StandIn(page).answers("POST", "/v1/passkeys/challenges", 201, challenge)
    await page.click("[data-passkey]")
    assert await said(page, "#other-ways") == (
        "No passkey was used. Try again, or sign in with your password."
    )
    await sign_in(page, account)
    assert await heading(page, "/account") == "Grace Akello"
