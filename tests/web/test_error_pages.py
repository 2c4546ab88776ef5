"""A person gets a page that says what to do; a program gets a problem with a code."""

from collections.abc import AsyncIterator
from contextlib import nullcontext

import httpx
import pytest
from structlog.testing import capture_logs

from sync_server.app import create_app
from sync_server.kit.problems import BusyError, ForbiddenError
from sync_server.kit.services import Services

HTML = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.fixture
async def failing_client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application, with three more paths that always fail."""
    app = create_app(lambda: nullcontext(services))

    @app.get("/forbidden")
    async def refuse() -> None:
        raise ForbiddenError

    @app.get("/broken")
    async def break_down() -> None:
        message = "zgu_secret"
        raise RuntimeError(message)

    @app.get("/busy")
    async def be_busy() -> None:
        raise BusyError(headers={"Retry-After": "7"})

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
    ):
        yield client


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nowhere", 404, "There is no such page"),
        ("/forbidden", 403, "This is not open to you"),
        ("/broken", 500, "Something went wrong"),
        ("/busy", 503, "Not ready right now"),
    ],
)
async def test_a_browser_is_shown_a_page(
    failing_client: httpx.AsyncClient, path: str, status: int, said: str
) -> None:
    answer = await failing_client.get(path, headers={"Accept": HTML})
    assert (answer.status_code, answer.headers["content-type"]) == (
        status,
        "text/html; charset=utf-8",
    )
    assert f"<h1>{said}</h1>" in answer.text
    assert "zgu_secret" not in answer.text


@pytest.mark.parametrize(
    ("path", "accept", "code"),
    [
        ("/nowhere", "application/json", "not_found"),
        ("/nowhere", "*/*", "not_found"),
        ("/forbidden", "application/json", "forbidden"),
        ("/broken", "*/*", "internal_error"),
        ("/v1/nowhere", HTML, "not_found"),
        ("/v1/me", HTML, "authentication_required"),
        ("/assets/x/nothing.js", HTML, "not_found"),
    ],
)
async def test_a_program_is_given_a_problem(
    failing_client: httpx.AsyncClient, path: str, accept: str, code: str
) -> None:
    answer = await failing_client.get(path, headers={"Accept": accept})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


async def test_a_page_speaks_the_browsers_language(failing_client: httpx.AsyncClient) -> None:
    headers = {"Accept": HTML, "Accept-Language": "fr-RW,fr;q=0.9"}
    answer = await failing_client.get("/nowhere", headers=headers)
    assert "Cette page n&#39;existe pas" in answer.text
    assert answer.headers["content-language"] == "fr"


async def test_a_page_says_when_to_come_back(failing_client: httpx.AsyncClient) -> None:
    answer = await failing_client.get("/busy", headers={"Accept": HTML})
    assert answer.headers["retry-after"] == "7"


async def test_what_went_wrong_is_logged_all_the_same(failing_client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await failing_client.get("/broken", headers={"Accept": HTML})
    assert [log["error"] for log in logs if log["event"] == "request.failed"] == ["RuntimeError"]


async def test_an_address_is_not_repeated_on_the_page(failing_client: httpx.AsyncClient) -> None:
    path = "//evil.example/%3Cscript%3E?x=%22%3E%3Cscript%3E"
    answer = await failing_client.get(f"http://127.0.0.1{path}", headers={"Accept": HTML})
    assert answer.status_code == 404
    assert "evil.example" not in answer.text
    assert "<script>" not in answer.text
