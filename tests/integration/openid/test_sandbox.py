"""The sandbox is as strict as the provider it stands for, and starts in no production."""

import secrets
from collections.abc import AsyncIterator
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx
import pytest

from shared.clock import SettableClock, system_clock
from sync_server.sandboxes.openid_provider import (
    CLIENT_ID,
    CLIENT_SECRET,
    CODE_MS,
    PEOPLE,
    OpenidSandbox,
    create_sandbox_app,
)
from sync_server.settings import Settings, UnsafeSettingsError
from tests.plugins.openid import SandboxProvider

VERIFIER = "v" * 43
# S256 of the verifier: computed once with OpenSSL, so that no code of ours is asked.
CHALLENGE = "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM"
REDIRECT_URI = "http://127.0.0.1/sign-in/google"
ASKED = {
    "client_id": CLIENT_ID,
    "redirect_uri": REDIRECT_URI,
    "response_type": "code",
    "scope": "openid email",
    "state": "s",
    "nonce": "n",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
REDEEMED = {
    "grant_type": "authorization_code",
    "client_id": CLIENT_ID,
    "client_secret": CLIENT_SECRET,
    "redirect_uri": REDIRECT_URI,
    "code_verifier": VERIFIER,
}


@pytest.fixture
async def client(sandbox_provider: SandboxProvider) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox_provider.issuer) as client:
        yield client


async def code(client: httpx.AsyncClient) -> str:
    form = {"subject": PEOPLE[0].subject}
    sent = await client.post(f"/authorize?{urlencode(ASKED)}", data=form)
    assert sent.status_code == 303, sent.text
    return dict(parse_qsl(urlsplit(sent.headers["location"]).query))["code"]


async def test_a_code_is_traded_for_tokens_once(client: httpx.AsyncClient) -> None:
    form = {**REDEEMED, "code": await code(client)}
    answers = [await client.post("/token", data=form) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 400]
    assert answers[0].json()["token_type"] == "Bearer"
    assert answers[1].json() == {"error": "invalid_grant"}


async def test_the_secret_may_come_in_the_header(client: httpx.AsyncClient) -> None:
    form = {**REDEEMED, "code": await code(client), "client_secret": ""}
    right, wrong = (CLIENT_ID, CLIENT_SECRET), (CLIENT_ID, "guessed")
    answers = [await client.post("/token", data=form, auth=auth) for auth in (wrong, right)]
    assert [answer.status_code for answer in answers] == [401, 200]


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"client_secret": "guessed"}, "invalid_client"),
        ({"client_id": "another"}, "invalid_client"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"code": "guessed"}, "invalid_grant"),
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": ""}, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1/elsewhere"}, "invalid_grant"),
    ],
)
async def test_what_does_not_belong_to_a_code_gets_no_token(
    client: httpx.AsyncClient, changed: dict[str, str], error: str
) -> None:
    form = {**REDEEMED, "code": await code(client), **changed}
    answer = await client.post("/token", data=form)
    assert (answer.is_success, answer.json()) == (False, {"error": error})


async def test_a_code_ends_by_itself(client: httpx.AsyncClient, clock: SettableClock) -> None:
    form = {**REDEEMED, "code": await code(client)}
    clock.advance(CODE_MS)
    answer = await client.post("/token", data=form)
    assert answer.json() == {"error": "invalid_grant"}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "another"},
        {"redirect_uri": "https://evil.example/"},
        {"response_type": "token"},
        {"scope": "email"},
        {"state": ""},
        {"nonce": ""},
        {"code_challenge": ""},
        {"code_challenge_method": "plain"},
    ],
)
async def test_a_request_that_is_not_safe_goes_nowhere(
    client: httpx.AsyncClient, method: str, changed: dict[str, str]
) -> None:
    answer = await client.request(method, f"/authorize?{urlencode({**ASKED, **changed})}")
    assert (answer.status_code, answer.headers.get("location")) == (400, None)


async def test_the_page_shows_everybody(client: httpx.AsyncClient) -> None:
    page = await client.get(f"/authorize?{urlencode(ASKED)}")
    assert [person.name for person in PEOPLE if person.name not in page.text] == []


async def test_keys_are_published_without_their_private_parts(client: httpx.AsyncClient) -> None:
    (key,) = (await client.get("/keys")).json()["keys"]
    assert set(key) == {"kty", "kid", "use", "n", "e"}


def test_production_has_no_sandbox() -> None:
    sandbox = OpenidSandbox(system_clock(), secrets.token_bytes, frozenset())
    with pytest.raises(UnsafeSettingsError, match="ZERAKET_ENVIRONMENT"):
        create_sandbox_app(Settings.model_validate({"environment": "production"}), sandbox)
