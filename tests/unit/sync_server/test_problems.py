from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from structlog.testing import capture_logs

from sync_server.kit.problems import (
    NotFoundError,
    ProblemError,
    install_problem_handlers,
    problem_responses,
)


class GoneError(NotFoundError):
    code = "gone"
    title = "It is gone"


class _DriverError(Exception):
    def __init__(self, state: str) -> None:
        super().__init__("parameters: zgu_secret")
        self.sqlstate = state


def _database_error(state: str, *, lost: bool = False) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, _DriverError(state), connection_invalidated=lost)


FAILURES: dict[str, Exception] = {
    "unexpected": RuntimeError("zgu_secret"),
    "refusal": GoneError("a detail", extra={"since": 3}, headers={"X-Hint": "h"}),
    "framework": HTTPException(429, "Slow down", headers={"Retry-After": "9"}),
    "policy": _database_error("42501"),
    "statement-timeout": _database_error("57014"),
    "lock-timeout": _database_error("55P03"),
    "serialization": _database_error("40001"),
    "connection-lost": _database_error("08006", lost=True),
    "bug-in-sql": _database_error("42P01"),
    "unreachable": ConnectionRefusedError("zgu_secret"),
}


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/{failure}")
    async def fail(failure: str) -> None:
        raise FAILURES[failure]

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as opened:
        yield opened


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        ("unexpected", 500, "internal_error"),
        ("refusal", 404, "gone"),
        ("framework", 429, "too_many_requests"),
        ("policy", 403, "forbidden"),
        ("statement-timeout", 503, "busy"),
        ("lock-timeout", 503, "busy"),
        ("serialization", 503, "busy"),
        ("connection-lost", 503, "database_unavailable"),
        ("bug-in-sql", 500, "internal_error"),
        ("unreachable", 503, "database_unavailable"),
    ],
)
async def test_every_failure_is_a_problem_that_gives_nothing_away(
    client: httpx.AsyncClient, failure: str, status: int, code: str
) -> None:
    with capture_logs() as logs:
        answer = await client.get(f"/{failure}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert "zgu_secret" not in answer.text + repr(logs)


async def test_a_refusal_carries_its_detail_members_and_headers(client: httpx.AsyncClient) -> None:
    answer = await client.get("/refusal")
    assert answer.json() == {
        "since": 3,
        "type": "urn:zeraket:problem:gone",
        "title": "It is gone",
        "status": 404,
        "code": "gone",
        "detail": "a detail",
    }
    assert answer.headers["x-hint"] == "h"


@pytest.mark.parametrize("failure", ["statement-timeout", "unreachable", "framework"])
async def test_a_passing_failure_says_when_to_try_again(
    client: httpx.AsyncClient, failure: str
) -> None:
    assert "retry-after" in (await client.get(f"/{failure}")).headers


async def test_an_unexpected_error_is_logged_with_its_place(client: httpx.AsyncClient) -> None:
    with capture_logs() as logs:
        await client.get("/unexpected")
    assert logs[-1]["error"] == "RuntimeError"
    assert "fail" in logs[-1]["place"]


def test_two_problems_of_one_status_share_a_description() -> None:
    described = problem_responses(GoneError, NotFoundError, ProblemError)
    assert sorted(described) == [400, 404]
    assert "`gone`" in described[404]["description"]
    assert "`not_found`" in described[404]["description"]
