"""What every page, script and answer tells a browser to be careful about."""

import re
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace

import httpx
import pytest

from sync_server.app import create_app
from sync_server.kit.services import Services
from sync_server.web.assets import asset
from tests.factories.tenants import Person, make_person

PAGES = ["/", "/sign-in", "/sign-in/google", "/sign-up", "/password-reset", "/invitation", "/order"]
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)


@pytest.fixture
async def secure_client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """The application as production serves it: under https."""
    address = "https://gate.example.org"
    secured = replace(services, public_url=address)
    app = create_app(lambda: nullcontext(secured))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=address) as client,
    ):
        yield client


@pytest.fixture
async def person(services: Services) -> Person:
    return await make_person(services, "Grace Akello")


@pytest.mark.parametrize("path", [*PAGES, "/nowhere"])
async def test_a_page_is_careful(app_client: httpx.AsyncClient, path: str) -> None:
    answer = await app_client.get(path, headers=HTML)
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    allowed = answer.headers["permissions-policy"].split(", ")
    assert {"publickey-credentials-get=(self)", "camera=()"} <= set(allowed)


@pytest.mark.parametrize("path", [*PAGES, "/account", "/nowhere"])
async def test_no_page_holds_a_script_or_style_of_its_own(
    app_client: httpx.AsyncClient, person: Person, path: str
) -> None:
    cookie = {"Cookie": f"zeraket={person.token}"}
    html = (await app_client.get(path, headers={**HTML, **cookie}, follow_redirects=True)).text
    scripts = re.findall(r"<script\b[^>]*>([^<]*)", html)
    assert [text for text in scripts if text.strip()] == []
    assert re.findall(r"<style|\sstyle=|\son\w+=|javascript:|https?://", html) == []


async def test_a_page_may_be_asked_for_without_its_body(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.head("/sign-in")
    assert (answer.status_code, answer.content) == (200, b"")


async def test_only_production_insists_on_https(
    app_client: httpx.AsyncClient, secure_client: httpx.AsyncClient
) -> None:
    answers = [await client.get("/") for client in (app_client, secure_client)]
    assert [answer.headers.get("strict-transport-security") for answer in answers] == [
        None,
        "max-age=31536000",
    ]


async def test_the_api_is_not_guessed_at_either(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.get("/v1/me")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "content-security-policy" not in answer.headers


async def test_no_cache_keeps_what_a_cookie_was_answered(
    app_client: httpx.AsyncClient, person: Person
) -> None:
    cookie = {"Cookie": f"zeraket={person.token}"}
    kept = await app_client.get("/v1/me", headers=cookie)
    refused = await app_client.get(f"/v1/organizers/{person.user_id}", headers=cookie)
    asked = await app_client.get("/v1/me", headers=person.headers)
    assert [answer.status_code for answer in (kept, refused, asked)] == [200, 404, 200]
    assert kept.headers["cache-control"] == "private, no-store"
    assert refused.headers["cache-control"] == "private, no-store"
    assert "cache-control" not in asked.headers


async def test_nothing_of_another_site_runs_beside_sessions(app_client: httpx.AsyncClient) -> None:
    answers = [await app_client.get(path) for path in ("/docs", "/redoc")]
    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("pages.css", "text/css; charset=utf-8"),
        ("sign-in.js", "text/javascript; charset=utf-8"),
        ("mark.svg", "image/svg+xml"),
    ],
)
async def test_what_pages_are_made_of_is_kept_for_ever(
    app_client: httpx.AsyncClient, name: str, media_type: str
) -> None:
    answer = await app_client.get(asset(name))
    assert (answer.status_code, answer.headers["content-type"]) == (200, media_type)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_yesterdays_address_gives_todays_file_to_nobody_who_keeps_it(
    app_client: httpx.AsyncClient,
) -> None:
    answer = await app_client.get("/assets/0123456789abcdef/pages.css")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize("name", ["nothing.js", "..%2fassets.py", "%2e%2e/assets.py", ""])
async def test_there_is_nothing_else_to_get(app_client: httpx.AsyncClient, name: str) -> None:
    answer = await app_client.get(f"/assets/0123456789abcdef/{name}", headers=HTML)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_template_that_names_no_file_is_a_bug() -> None:
    with pytest.raises(KeyError):
        asset("nothing.js")
