"""A session in a cookie: how it comes and goes, and that no other site's page can use it."""

from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from http.cookies import Morsel, SimpleCookie

import httpx
import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.app import create_app
from sync_server.audit.rules import Log
from sync_server.kit.services import Services
from tests.factories.team import furnish_team
from tests.factories.tenants import (
    PUBLIC_URL,
    Person,
    Tenant,
    founder_caller,
    make_member,
    make_person,
)

OUR_PAGE = {"Sec-Fetch-Site": "same-origin"}
SECURE_URL = "https://gate.example.org"


@pytest.fixture
async def person(services: Services) -> Person:
    return await make_person(services, "Grace Akello")


@pytest.fixture
async def secure_client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    secured = replace(services, public_url=SECURE_URL)
    app = create_app(lambda: nullcontext(secured))
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=SECURE_URL) as client,
    ):
        yield client


def in_cookie(person: Person, name: str = "zeraket") -> dict[str, str]:
    return {"Cookie": f"{name}={person.token}"}


def cookie_in(answer: httpx.Response) -> Morsel[str]:
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return cookie


async def test_a_fresh_session_goes_into_a_cookie_no_script_reads(
    app_client: httpx.AsyncClient, person: Person
) -> None:
    answer = await app_client.post("/web/session", headers=person.headers)
    cookie = cookie_in(answer)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (cookie.key, cookie.value) == ("zeraket", person.token)
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "lax", "/")
    assert (cookie["secure"], cookie["domain"]) == ("", "")
    assert int(cookie["max-age"]) == timedelta(days=30).total_seconds()


async def test_under_https_the_cookie_is_for_this_host_alone(
    secure_client: httpx.AsyncClient, person: Person
) -> None:
    cookie = cookie_in(await secure_client.post("/web/session", headers=person.headers))
    assert (cookie.key, cookie["secure"], cookie["path"]) == ("__Host-zeraket", True, "/")
    assert cookie["domain"] == ""


@pytest.mark.parametrize(("name", "status"), [("__Host-zeraket", 200), ("zeraket", 401)])
async def test_under_https_a_plain_cookie_is_nobodys(
    secure_client: httpx.AsyncClient, person: Person, name: str, status: int
) -> None:
    answer = await secure_client.get("/v1/me", headers=in_cookie(person, name))
    assert answer.status_code == status


async def test_the_cookie_lasts_no_longer_than_the_session_can(
    app_client: httpx.AsyncClient, person: Person, clock: SettableClock
) -> None:
    clock.advance(int(timedelta(days=10).total_seconds() * 1_000))
    cookie = cookie_in(await app_client.post("/web/session", headers=person.headers))
    assert int(cookie["max-age"]) == timedelta(days=20).total_seconds()


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer zgu_unknown"}, {"Authorization": "Basic x"}],
    ids=["no token", "unknown token", "another scheme"],
)
async def test_a_cookie_is_made_from_a_good_token_only(
    app_client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await app_client.post("/web/session", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")
    assert "set-cookie" not in answer.headers


async def test_a_cookie_is_not_made_from_a_cookie(
    app_client: httpx.AsyncClient, person: Person
) -> None:
    answer = await app_client.post("/web/session", headers={**in_cookie(person), **OUR_PAGE})
    assert answer.status_code == 401


async def test_a_program_gets_no_cookie(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    async with services.database.transaction(tenant.claims) as session:
        program = await furnish_team(services, founder_caller(tenant, session))
    headers = {"Authorization": f"Bearer {program.token}"}
    assert (await app_client.post("/web/session", headers=headers)).status_code == 401


async def test_signing_out_ends_session_and_cookie(
    app_client: httpx.AsyncClient, person: Person
) -> None:
    answer = await app_client.delete("/web/session", headers={**in_cookie(person), **OUR_PAGE})
    after = await app_client.get("/v1/me", headers=person.headers)
    cookie = cookie_in(answer)
    assert (answer.status_code, after.status_code) == (204, 401)
    assert (cookie.key, cookie.value, cookie["max-age"]) == ("zeraket", "", "0")


@pytest.mark.parametrize("cookie", ["", "zeraket=zgu_unknown", 'zeraket="\\000"'])
async def test_signing_out_twice_is_no_fault(app_client: httpx.AsyncClient, cookie: str) -> None:
    answer = await app_client.delete("/web/session", headers={"Cookie": cookie, **OUR_PAGE})
    assert (answer.status_code, cookie_in(answer)["max-age"]) == (204, "0")


async def test_another_site_signs_nobody_out(app_client: httpx.AsyncClient, person: Person) -> None:
    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    answer = await app_client.delete("/web/session", headers={**in_cookie(person), **elsewhere})
    after = await app_client.get("/v1/me", headers=in_cookie(person))
    assert (answer.json()["code"], after.status_code) == ("cross_site_request", 200)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 201),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC_URL}, 403),
        ({"Origin": PUBLIC_URL}, 201),
        ({"Origin": f"{PUBLIC_URL}:81"}, 403),
        ({"Origin": "https://127.0.0.1"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Referer": f"{PUBLIC_URL}/account"}, 403),
        ({}, 403),
    ],
)
async def test_a_cookie_changes_something_from_our_own_pages_only(
    app_client: httpx.AsyncClient, person: Person, headers: dict[str, str], status: int
) -> None:
    sent = {**in_cookie(person), **headers}
    answer = await app_client.post("/v1/organizers", json={"name": "Nile Nights"}, headers=sent)
    codes = {201: None, 403: "cross_site_request"}
    assert (answer.status_code, answer.json().get("code")) == (status, codes[status])


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_every_changing_method_is_guarded(
    app_client: httpx.AsyncClient, person: Person, tenant: Tenant, method: str
) -> None:
    paths = {
        "POST": "/v1/organizers",
        "PUT": f"{tenant.path}/members/{person.user_id}",
        "PATCH": "/web/session",
        "DELETE": "/v1/me/sessions",
    }
    answer = await app_client.request(method, paths[method], headers=in_cookie(person))
    expected = {"PATCH": 405}
    assert answer.status_code == expected.get(method, 403)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PUT", "/v1/me/password"),
        ("POST", "/v1/me/second-factor"),
        ("POST", "/v1/invitations/accept"),
        ("PUT", "/v1/admins/0190a0b1-c2d3-7e4f-8a9b-0c1d2e3f4a5b"),
        ("POST", "/web/qr-codes"),
    ],
)
async def test_callers_without_a_transaction_of_their_own_are_guarded_too(
    app_client: httpx.AsyncClient, person: Person, method: str, path: str
) -> None:
    answer = await app_client.request(method, path, headers=in_cookie(person))
    assert (answer.status_code, answer.json()["code"]) == (403, "cross_site_request")


@pytest.mark.parametrize("site", ["cross-site", "none", "same-origin"])
async def test_a_cookie_reads_from_anywhere_and_a_header_does_anything(
    app_client: httpx.AsyncClient, person: Person, site: str
) -> None:
    where = {"Sec-Fetch-Site": site}
    read = await app_client.get("/v1/me", headers={**in_cookie(person), **where})
    body = {"name": "Nile Nights"}
    headers = {**person.headers, **where}
    made = await app_client.post("/v1/organizers", json=body, headers=headers)
    assert (read.status_code, made.status_code) == (200, 201)


async def test_the_header_goes_before_the_cookie(
    app_client: httpx.AsyncClient, services: Services, person: Person
) -> None:
    other = await make_person(services, "Moses")
    answer = await app_client.get("/v1/me", headers={**in_cookie(other), **person.headers})
    unknown = {**in_cookie(other), "Authorization": "Bearer zgu_unknown"}
    refused = await app_client.get("/v1/me", headers=unknown)
    assert answer.json()["display_name"] == "Grace Akello"
    assert refused.status_code == 401


@pytest.mark.parametrize("value", ["", '"\\000"', '"\\303\\251"', "zgu_unknown", "zgu_a b"])
async def test_a_cookie_that_is_no_token_is_nobodys(
    app_client: httpx.AsyncClient, value: str
) -> None:
    answer = await app_client.get("/v1/me", headers={"Cookie": f"zeraket={value}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication_required")


@pytest.mark.parametrize(
    ("headers", "code"),
    [(OUR_PAGE, "capability_missing"), ({}, "cross_site_request")],
    ids=["from our page", "from elsewhere"],
)
async def test_who_was_turned_away_with_a_cookie_is_recorded(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    headers: dict[str, str],
    code: str,
) -> None:
    helper = await make_member(services, tenant)
    sent = {**in_cookie(helper), **headers}
    answer = await app_client.post(f"{tenant.path}/events", json={}, headers=sent)
    async with services.database.reading(tenant.claims) as session:
        query = text(f"SELECT actor_id, outcome, detail FROM {Log.ACCESSES}")
        rows = [tuple(row) for row in await session.execute(query)]
    assert answer.status_code == 403
    assert rows == [(helper.user_id, "denied", code)]


async def test_pages_know_who_is_signed_in(app_client: httpx.AsyncClient, person: Person) -> None:
    known = await app_client.get("/account", headers=in_cookie(person))
    at_door = await app_client.get("/sign-in?next=/invitation", headers=in_cookie(person))
    stranger = await app_client.get("/account", headers={"Cookie": "zeraket=zgu_unknown"})
    assert "<h1>Grace Akello</h1>" in known.text
    assert (at_door.status_code, at_door.headers["location"]) == (303, "/invitation")
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/sign-in?next=/account")


async def test_a_secret_is_drawn_for_whoever_is_signed_in(
    app_client: httpx.AsyncClient, person: Person
) -> None:
    wanted = {"text": "otpauth://totp/ZERAKET:grace?secret=ABC&issuer=ZERAKET"}
    drawn = await app_client.post("/web/qr-codes", json=wanted, headers=person.headers)
    refused = await app_client.post("/web/qr-codes", json=wanted)
    assert (drawn.status_code, drawn.headers["content-type"]) == (200, "image/svg+xml")
    assert drawn.headers["cache-control"] == "no-store"
    assert drawn.text.count("<path") == 2
    assert refused.status_code == 401


@pytest.mark.parametrize("wanted", ["https://evil.example", "otpauth://totp/" + "x" * 600, ""])
async def test_nothing_else_is_drawn(
    app_client: httpx.AsyncClient, person: Person, wanted: str
) -> None:
    body = {"text": wanted}
    answer = await app_client.post("/web/qr-codes", json=body, headers=person.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
