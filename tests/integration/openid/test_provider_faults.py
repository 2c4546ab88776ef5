"""A provider that is away, slow, broken, or has new keys: people are told, and try again."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import text
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.services import Services
from sync_server.openid.errors import OpenidProviderUnavailableError
from sync_server.openid.fetching import ANSWER_BYTES_MAX, Fetcher
from sync_server.openid.provider import KEPT_MS, KEYS_AGE_MS_MIN, OpenidProvider
from sync_server.sandboxes.openid_provider import SandboxPerson
from sync_server.sandboxes.openid_tokens import Forgery
from tests.factories.openid import OpenidBrowser, a_person, google_client
from tests.plugins.openid import BrowserAt, SandboxProvider
from tests.plugins.postgres import ClonedDatabase

UNAVAILABLE = (503, "openid_provider_unavailable")
DOCUMENT, KEYS, TOKENS = "/.well-known/openid-configuration", "/keys", "/token"
REDIRECT_URI = "http://127.0.0.1/sign-in/google"
PATIENCE_SECONDS = 0.2


@pytest.fixture
def grace(services: Services, sandbox_provider: SandboxProvider) -> SandboxPerson:
    person = a_person(services)
    sandbox_provider.add_person(person)
    return person


def told(answer: httpx.Response) -> tuple[int, str | None]:
    return answer.status_code, answer.json().get("code")


async def silent(_scope: Scope, receive: Receive, _send: Send) -> None:
    """Takes a request and answers nothing, until the caller goes."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def dripping(_scope: Scope, receive: Receive, send: Send) -> None:
    """Begins an answer and never ends it."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"{", "more_body": True})
    await silent(_scope, receive, send)


def document(address: str, **changed: str) -> JSONResponse:
    honest = {
        "issuer": address,
        "authorization_endpoint": f"{address}/authorize",
        "token_endpoint": f"{address}/token",
        "jwks_uri": f"{address}/keys",
    }
    return JSONResponse({**honest, **changed})


BROKEN: list[ASGIApp] = [
    PlainTextResponse("gateway time-out", 504),
    PlainTextResponse("<html>", 200),
    JSONResponse([], 200),
    JSONResponse({"error": "temporarily_unavailable"}, 503),
    JSONResponse({"error": "invalid_client"}, 401),
    JSONResponse({"error": "redirect_uri_mismatch"}, 400),
    JSONResponse({"error": ["not", "a", "word"]}, 400),
    RedirectResponse("https://elsewhere.example/"),
    PlainTextResponse(" " * (ANSWER_BYTES_MAX + 1)),
]


@pytest.mark.parametrize("answer", BROKEN)
@pytest.mark.parametrize("path", [KEYS, TOKENS])
async def test_a_broken_provider_is_told_and_the_same_flow_tried_again(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    path: str,
    answer: ASGIApp,
) -> None:
    body = await browser.come_back(grace)
    sandbox_provider.broken[path] = answer
    refused = await browser.finish(body)
    del sandbox_provider.broken[path]
    mended = await browser.finish(body)
    assert (told(refused), mended.status_code) == (UNAVAILABLE, 201)
    assert int(refused.headers["retry-after"]) > 0


@pytest.mark.parametrize("answer", BROKEN)
async def test_a_provider_without_a_usable_document_begins_nothing(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, answer: ASGIApp
) -> None:
    sandbox_provider.broken[DOCUMENT] = answer
    refused = await browser.client.post("/v1/openid/google/requests", json={})
    del sandbox_provider.broken[DOCUMENT]
    begun = await browser.client.post("/v1/openid/google/requests", json={})
    assert (told(refused), begun.status_code) == (UNAVAILABLE, 201)


@pytest.mark.parametrize(
    "changed",
    [
        {"issuer": "http://127.0.0.1:1"},
        {"token_endpoint": "https://127.0.0.1/token"},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
async def test_a_document_of_another_issuer_or_scheme_is_none(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, changed: dict[str, str]
) -> None:
    sandbox_provider.broken[DOCUMENT] = document(sandbox_provider.issuer, **changed)
    refused = await browser.client.post("/v1/openid/google/requests", json={})
    assert told(refused) == UNAVAILABLE


async def test_a_provider_that_is_away_is_told(
    browser_at: BrowserAt, sandbox_provider: SandboxProvider, refusing_port: int
) -> None:
    away = replace(sandbox_provider, issuer=f"http://127.0.0.1:{refusing_port}")
    browser = await browser_at(away)
    refused = await browser.client.post("/v1/openid/google/requests", json={})
    assert told(refused) == UNAVAILABLE


@pytest.mark.parametrize("app", [silent, dripping])
async def test_a_provider_that_is_slow_is_told_and_the_same_flow_tried_again(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    clock: SettableClock,
    app: ASGIApp,
) -> None:
    transport: Any = browser.client._transport
    client, fetcher = google_client(sandbox_provider.issuer), Fetcher("google")
    impatient = OpenidProvider(client, clock, fetcher, REDIRECT_URI)
    transport.app.state.openid_providers = {"google": impatient}
    body = await browser.come_back(grace)
    # Only now: the honest answers before it take as long as a busy machine does.
    fetcher._seconds_max = PATIENCE_SECONDS
    sandbox_provider.broken[TOKENS] = app
    refused = await browser.finish(body)
    del sandbox_provider.broken[TOKENS]
    del transport.app.state.openid_providers
    mended = await browser.finish(body)
    assert (told(refused), mended.status_code) == (UNAVAILABLE, 201)


async def test_all_who_wait_for_a_failing_provider_wait_for_one_answer(
    sandbox_provider: SandboxProvider, clock: SettableClock
) -> None:
    asked: list[str] = []

    async def counting(scope: Scope, receive: Receive, send: Send) -> None:
        asked.append(scope["path"])
        await PlainTextResponse("gateway time-out", 504)(scope, receive, send)

    sandbox_provider.broken[DOCUMENT] = counting
    client, fetcher = google_client(sandbox_provider.issuer), Fetcher("google")
    provider = OpenidProvider(client, clock, fetcher, REDIRECT_URI)
    found = await asyncio.gather(*(provider.document() for _ in range(20)), return_exceptions=True)
    assert {type(one) for one in found} == {OpenidProviderUnavailableError}
    assert asked == [DOCUMENT]


async def test_the_database_is_left_alone_while_the_provider_is_asked(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    cloned_database: ClonedDatabase,
    grace: SandboxPerson,
) -> None:
    """The server has one connection, and the provider takes it whenever it is asked."""
    transport: Any = browser.client._transport
    narrow = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    state = transport.app.state
    state.services = replace(state.services, database=narrow)
    taken: list[str] = []

    async def taking(scope: Scope, receive: Receive, send: Send) -> None:
        async with narrow.reading(WORKER) as session:
            await session.execute(text("SELECT 1"))
        taken.append(scope["path"])
        await sandbox_provider.app(scope, receive, send)

    sandbox_provider.broken.update(dict.fromkeys((DOCUMENT, KEYS, TOKENS), taking))
    entered = await browser.sign_in(grace)
    await narrow.close()
    assert (entered.status_code, taken) == (201, [DOCUMENT, KEYS, TOKENS])


async def test_documents_and_keys_are_kept_for_an_hour(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    clock: SettableClock,
) -> None:
    asked = sandbox_provider.sandbox.asked
    for _ in range(3):
        assert (await browser.sign_in(grace)).status_code == 201
    assert (asked[DOCUMENT], asked[KEYS], asked[TOKENS]) == (1, 1, 3)
    clock.advance(KEPT_MS)
    assert (await browser.sign_in(grace)).status_code == 201
    assert (asked[DOCUMENT], asked[KEYS], asked[TOKENS]) == (2, 2, 4)


async def test_a_new_key_is_asked_for_once_and_the_old_one_stays_good(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    clock: SettableClock,
) -> None:
    sandbox = sandbox_provider.sandbox
    answers = [await browser.sign_in(grace)]
    sandbox.rotate_keys()
    clock.advance(KEYS_AGE_MS_MIN)
    answers += [await browser.sign_in(grace), await browser.sign_in(grace)]
    assert [answer.status_code for answer in answers] == [201] * 3
    assert sandbox.asked[KEYS] == 2


async def test_a_key_that_was_withdrawn_is_good_no_more(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    clock: SettableClock,
) -> None:
    assert (await browser.sign_in(grace)).status_code == 201
    sandbox_provider.broken[KEYS] = JSONResponse({"keys": []})
    clock.advance(KEPT_MS)
    refused = await browser.sign_in(grace)
    assert (refused.status_code, refused.json().get("at_fault")) == (403, "kid")


async def test_forged_key_ids_do_not_make_us_hammer_the_provider(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    clock: SettableClock,
) -> None:
    sandbox = sandbox_provider.sandbox
    await browser.sign_in(grace)
    sandbox.forgery = Forgery.UNKNOWN_KEY
    early = [await browser.sign_in(grace) for _ in range(3)]
    clock.advance(KEYS_AGE_MS_MIN)
    later = [await browser.sign_in(grace) for _ in range(3)]
    assert {told(answer) for answer in (*early, *later)} == {(403, "openid_token_refused")}
    assert sandbox.asked[KEYS] == 2


async def test_elliptic_keys_are_as_good(
    browser: OpenidBrowser, sandbox_provider: SandboxProvider, grace: SandboxPerson
) -> None:
    sandbox = sandbox_provider.sandbox
    sandbox.make_key = lambda: ECKey.generate_key("P-256", auto_kid=True)
    good = await browser.sign_in(grace)
    sandbox.forgery = Forgery.SWAPPED_SIGNATURE
    bad = await browser.sign_in(grace)
    assert (good.status_code, bad.json().get("at_fault")) == (201, "signature")


async def test_a_secret_that_the_provider_does_not_take_is_the_operators_concern(
    browser: OpenidBrowser,
    sandbox_provider: SandboxProvider,
    grace: SandboxPerson,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = await browser.come_back(grace)
    sandbox_provider.broken[TOKENS] = JSONResponse({"error": "invalid_client"}, 401)
    refused = await browser.finish(body)
    logged = capsys.readouterr().out
    assert told(refused) == UNAVAILABLE
    assert "openid.client_refused" in logged
    assert "invalid_client" in logged
    assert [name for name in ("code", "state", "flow_token") if body[name] in logged] == []
