"""Problems, sign-in and readiness, on the whole application."""

from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId
from sync_server.kit.services import Services
from tests.factories.jobs import client_of
from tests.factories.tenants import Tenant, make_person

_CUT = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE usename = 'zeraket_login' AND datname = current_database()
"""


async def test_health_needs_nothing(app_client: httpx.AsyncClient) -> None:
    answer = await app_client.get("/health")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_ready_when_the_database_is_at_the_newest_revision(
    app_client: httpx.AsyncClient,
) -> None:
    assert (await app_client.get("/ready")).status_code == 200


async def test_not_ready_while_migrations_are_pending(
    app_client: httpx.AsyncClient, administrator: AsyncConnection
) -> None:
    question = text("SELECT version_num FROM migrations.alembic_version")
    newest = await administrator.scalar(question)
    update = text("UPDATE migrations.alembic_version SET version_num = :revision")
    await administrator.execute(update, {"revision": "0000"})
    answer = await app_client.get("/ready")
    await administrator.execute(update, {"revision": newest})
    assert (answer.status_code, answer.json()["code"]) == (503, "migrations_pending")


@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer zgu_unknown"}, {"Authorization": "Basic x"}],
    ids=["no token", "unknown token", "another scheme"],
)
async def test_callers_without_a_valid_token_are_told_to_sign_in(
    app_client: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    answer = await app_client.get("/v1/me", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["code"] == "authentication_required"


async def test_me(app_client: httpx.AsyncClient, services: Services) -> None:
    person = await make_person(services, "Grace Akello")
    answer = await app_client.get("/v1/me", headers=person.headers)
    assert answer.json() == {"user_id": str(person.user_id), "display_name": "Grace Akello"}


async def test_signing_out_everywhere_ends_the_token(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    ended = await app_client.delete("/v1/me/sessions", headers=tenant.headers)
    after = await app_client.get(tenant.path, headers=tenant.headers)
    assert (ended.json(), after.status_code) == ({"sessions_ended": 1}, 401)


async def test_a_problem_has_the_form_of_rfc_9457(
    app_client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    answer = await app_client.get(other_tenant.path, headers=tenant.headers)
    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem.pop("instance") == f"urn:zeraket:request:{answer.headers['x-request-id']}"
    assert problem == {
        "type": "urn:zeraket:problem:organizer_not_found",
        "title": "There is no such organizer, or you are not one of its members",
        "status": 404,
        "code": "organizer_not_found",
    }


async def test_wrong_fields_are_named_but_never_repeated(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    answer = await app_client.post(
        "/v1/organizers", json={"nam": "secret-value"}, headers=tenant.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/body/name", "/body/nam"}
    assert "secret-value" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/health", 405, "method_not_allowed"),
    ],
)
async def test_what_does_not_exist_is_a_problem_too(
    app_client: httpx.AsyncClient, method: str, path: str, status: int, code: str
) -> None:
    answer = await app_client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_after_a_lost_connection_one_answer_says_so_and_the_next_is_right(
    app_client: httpx.AsyncClient, administrator: AsyncConnection
) -> None:
    await app_client.get("/ready")
    await administrator.execute(text(_CUT))
    lost = await app_client.get("/ready")
    found = await app_client.get("/ready")
    assert (lost.status_code, lost.json()["code"]) == (503, "database_unavailable")
    assert (lost.headers["retry-after"], found.status_code) == ("1", 200)


async def test_the_application_answers_on_a_real_socket(live_server: str) -> None:
    async with httpx.AsyncClient(base_url=live_server) as client:
        assert (await client.get("/ready")).status_code == 200


async def test_every_endpoint_says_who_may_call_it(app_client: httpx.AsyncClient) -> None:
    """Only health is open; all else asks for a token in its description."""
    paths = (await app_client.get("/openapi.json")).json()["paths"]
    is_open = [
        f"{method} {path}"
        for path, methods in paths.items()
        for method, operation in methods.items()
        if "security" not in operation
    ]
    assert {"get /health", "get /ready"} <= set(is_open)
    assert [each for each in is_open if "/v1/organizers" in each or "/v1/me" in each] == []


@pytest.mark.parametrize("name", ["a\\u0000b", "a\\ud800b", "\\udfff"])
async def test_what_no_text_can_hold_is_refused_and_not_a_fault(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId, name: str
) -> None:
    answer = await app_client.post(
        f"{tenant.path}/events/{event_id}/zones",
        content=f'{{"name": "{name}"}}',
        headers={**tenant.headers, "Content-Type": "application/json"},
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "request_invalid")


async def test_whoever_sends_too_much_is_told_how_long_to_wait(
    services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    async with client_of(replace(services, requests_per_minute=3)) as client:
        answers = [await client.get("/v1/organizers", headers=tenant.headers) for _ in range(4)]
        other = await client.get("/v1/organizers", headers=other_tenant.headers)
        health = await client.get("/health", headers=tenant.headers)
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert answers[0].headers["ratelimit"] == '"requests";r=2;t=20'
    assert answers[3].json()["code"] == "too_many_requests"
    assert answers[3].headers["retry-after"] == "20"
    assert (other.status_code, health.status_code) == (200, 200)


async def test_a_network_of_buyers_without_tokens_may_send_ten_times_as_much(
    services: Services,
) -> None:
    async with client_of(replace(services, requests_per_minute=3)) as client:
        answers = [await client.get("/openapi.json") for _ in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
