"""The log over HTTP: what organizers read, and what their requests leave behind."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from sync_server.app import create_app
from sync_server.audit.proofs import proof_holds
from sync_server.audit.rules import Log
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from tests.factories.audit import World
from tests.factories.tenants import PUBLIC_URL, Tenant, make_member, make_person

NOBODY = UUID(int=5)
_MAKE_ADMIN = (
    "INSERT INTO user_roles (user_id, role) VALUES (:user_id, 'admin')",
    "UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :user_id",
)


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    @asynccontextmanager
    async def given() -> AsyncIterator[Services]:
        yield world.services

    app = create_app(given)
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=("192.0.2.7", 1))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client,
    ):
        yield client


def _actions(tenant: Tenant) -> str:
    return f"{tenant.path}/audit/actions"


async def _accesses(world: World) -> list[tuple[Any, ...]]:
    names = ("kind", "object_id", "outcome", "detail", "organizer_id")
    return [tuple(row[name] for name in names) for row in await world.rows(Log.ACCESSES)]


async def test_an_organizer_reads_its_actions_page_by_page(
    world: World, client: httpx.AsyncClient
) -> None:
    for number in range(3):
        await world.act(reason=f"number {number}")
    tenant = world.tenant
    first = await client.get(_actions(tenant), params={"limit": 2}, headers=tenant.headers)
    cursor = {"limit": 2, "cursor": first.json()["next_cursor"]}
    second = await client.get(_actions(tenant), params=cursor, headers=tenant.headers)
    shown = [*first.json()["items"], *second.json()["items"]]
    assert sorted(item["reason"] for item in shown) == ["number 0", "number 1", "number 2"]
    assert second.json()["next_cursor"] is None


async def test_another_organizers_actions_are_not_in_the_list(
    world: World, client: httpx.AsyncClient
) -> None:
    other = await world.another_tenant()
    await world.act()
    answer = await client.get(_actions(other), headers=other.headers)
    assert answer.json()["items"] == []


async def test_an_organizer_reads_who_was_turned_away(
    world: World, client: httpx.AsyncClient
) -> None:
    tenant = world.tenant
    helper = await make_member(world.services, tenant, Capability.SCANS_VIEW)
    await client.get(_actions(tenant), headers=helper.headers)
    answer = await client.get(f"{tenant.path}/audit/accesses", headers=tenant.headers)
    (shown,) = answer.json()["items"]
    assert (shown["outcome"], shown["actor_id"]) == ("denied", str(helper.user_id))


@pytest.mark.parametrize("log", ["actions", "accesses"])
async def test_an_admin_reads_every_organizers_rows_and_others_do_not(
    world: World, client: httpx.AsyncClient, log: str
) -> None:
    await world.act()
    await client.get(_actions(world.tenant), headers=world.tenant.headers)
    admin = await make_person(world.services)
    refused = await client.get(f"/v1/audit/{log}", headers=admin.headers)
    for statement in _MAKE_ADMIN:
        await world.administrator.execute(text(statement), {"user_id": admin.user_id})
    listed = await client.get(f"/v1/audit/{log}", headers=admin.headers)
    assert refused.status_code == 403
    assert str(world.tenant.organizer_id) in {
        item["organizer_id"] for item in listed.json()["items"]
    }


async def test_a_proof_is_fetched_and_holds(world: World, client: httpx.AsyncClient) -> None:
    await world.sealed_action()
    (row_id,) = await world.row_ids()
    path = f"{_actions(world.tenant)}/{row_id}/proof"
    proof = await client.get(path, headers=world.tenant.headers)
    key = world.sealer.keys.audit_key.public_key().public_bytes_raw()
    assert proof_holds(proof.json(), key)


async def test_a_proof_of_a_row_that_is_not_sealed_yet_comes_later(
    world: World, client: httpx.AsyncClient
) -> None:
    await world.act()
    (row_id,) = await world.row_ids()
    path = f"{_actions(world.tenant)}/{row_id}/proof"
    answer = await client.get(path, headers=world.tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_sealed_yet")
    assert answer.headers["Retry-After"] == "5"


async def test_a_stranger_finds_neither_log_nor_proof(
    world: World, client: httpx.AsyncClient
) -> None:
    other = await world.another_tenant()
    await world.sealed_action()
    (row_id,) = await world.row_ids()
    foreign = await client.get(_actions(world.tenant), headers=other.headers)
    proof = await client.get(f"{_actions(other)}/{row_id}/proof", headers=other.headers)
    theirs = await client.get(f"{_actions(world.tenant)}/{row_id}/proof", headers=other.headers)
    assert (foreign.status_code, foreign.json()["code"]) == (404, "organizer_not_found")
    assert (theirs.status_code, theirs.json()["code"]) == (404, "organizer_not_found")
    assert (proof.status_code, proof.json()["code"]) == (404, "logged_row_not_found")


async def test_a_member_without_the_capability_is_refused_and_it_is_recorded(
    world: World, client: httpx.AsyncClient
) -> None:
    helper = await make_member(world.services, world.tenant, Capability.SCANS_VIEW)
    refused = await client.get(_actions(world.tenant), headers=helper.headers)
    organizer_id = world.tenant.organizer_id
    proof = await client.get(f"{_actions(world.tenant)}/{NOBODY}/proof", headers=helper.headers)
    assert (refused.status_code, proof.status_code) == (403, 403)
    (row, _) = await world.rows(Log.ACCESSES)
    assert (row["actor_id"], row["organizer_id"]) == (helper.user_id, organizer_id)
    assert (row["outcome"], row["detail"]) == ("denied", "capability_missing")
    assert row["object_id"] == f"GET /v1/organizers/{organizer_id}/audit/actions"
    assert row["network_address"] == "192.0.2.7"
    assert row["request_id"] == refused.headers["X-Request-Id"]


async def test_a_stranger_who_tries_is_recorded_without_entering_the_organizers_log(
    world: World, client: httpx.AsyncClient
) -> None:
    stranger = await make_person(world.services)
    await client.get(_actions(world.tenant), headers=stranger.headers)
    (row,) = await world.rows(Log.ACCESSES)
    assert (row["actor_id"], row["organizer_id"]) == (stranger.user_id, None)
    assert row["detail"] == "organizer_not_found"


async def test_reading_the_log_is_itself_recorded(world: World, client: httpx.AsyncClient) -> None:
    await client.get(_actions(world.tenant), headers=world.tenant.headers)
    organizer_id = world.tenant.organizer_id
    assert await _accesses(world) == [("read", "*", "allowed", None, organizer_id)]


@pytest.mark.parametrize(
    ("headers", "path"),
    [
        ({}, "/v1/organizers"),
        ({"Authorization": "Bearer made-up"}, f"/v1/organizers/{NOBODY}"),
        ({"Authorization": "Basic eDp5"}, f"/v1/organizers/{NOBODY}"),
    ],
)
async def test_requests_of_nobody_leave_no_row(
    world: World, client: httpx.AsyncClient, headers: dict[str, str], path: str
) -> None:
    answer = await client.get(path, headers=headers)
    assert answer.status_code == 401
    assert await world.rows(Log.ACCESSES) == []


async def test_a_token_that_was_withdrawn_leaves_no_row(
    world: World, client: httpx.AsyncClient
) -> None:
    """The database knows nobody by it, and whoever holds it must not fill a log for ever."""
    gone = await make_person(world.services)
    await client.delete("/v1/me/sessions/current", headers=gone.headers)
    answer = await client.get(_actions(world.tenant), headers=gone.headers)
    assert answer.status_code == 401
    assert await world.rows(Log.ACCESSES) == []


async def test_an_address_that_is_no_endpoint_leaves_no_row(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.get("/v1/nothing", headers=world.tenant.headers)
    assert await world.rows(Log.ACCESSES) == []


async def test_an_answer_stands_where_the_log_cannot_be_written(
    world: World, client: httpx.AsyncClient
) -> None:
    await world.administrator.execute(
        text("REVOKE EXECUTE ON FUNCTION private.record_access(jsonb) FROM zeraket_app")
    )
    answer = await client.get(_actions(world.tenant), headers=world.tenant.headers)
    assert answer.status_code == 200
    assert await world.rows(Log.ACCESSES) == []
