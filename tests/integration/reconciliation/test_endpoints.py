from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.services import Services
from sync_server.reconciliation import service
from sync_server.reconciliation.checks import Check
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding
from sync_server.reconciliation.service import RunSource
from tests.factories.tenants import Person, Tenant, make_person


@pytest.fixture
async def admin(services: Services, administrator: AsyncConnection) -> Person:
    person = await make_person(services)
    for statement in (
        "INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')",
        "UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id",
    ):
        await administrator.execute(text(statement), {"id": person.user_id})
    return person


async def _found(_: object, __: object) -> list[Item]:
    return [
        Item(CheckName.CAPTURES, ItemFinding.MISSING_IN_BOOKS, f"capture:mtn:{number}")
        for number in range(5)
    ]


async def _all(
    client: httpx.AsyncClient, admin: Person, url: str, limit: int
) -> tuple[list[dict[str, Any]], int]:
    """Every row of a list, and on how many pages they came."""
    rows: list[dict[str, Any]] = []
    pages, query = 0, {"limit": str(limit)}
    while True:
        answer = (await client.get(url, params=query, headers=admin.headers)).json()
        rows, pages = rows + answer["items"], pages + 1
        if answer["next_cursor"] is None:
            return rows, pages
        query["cursor"] = answer["next_cursor"]


async def test_admins_read_runs_newest_first_and_items_in_pages(
    app_client: httpx.AsyncClient, services: Services, admin: Person
) -> None:
    empty, full = [
        str((await service.run(services, RunSource.OPERATOR, checks)).run_id)
        for checks in ((), (Check((CheckName.CAPTURES,), _found),))
    ]
    url = "/v1/reconciliation/runs"
    runs, _ = await _all(app_client, admin, url, 1)
    ids = [run["id"] for run in runs]
    assert ids == sorted(ids, reverse=True)
    drifts = {run["id"]: run["drifts"] for run in runs}
    assert (drifts[empty], drifts[full]) == (0, 5)
    items, pages = await _all(app_client, admin, f"{url}/{full}/items", 2)
    assert [item["subject"] for item in items] == [f"capture:mtn:{number}" for number in range(5)]
    assert pages == 3


async def test_runs_are_for_admins(app_client: httpx.AsyncClient, tenant: Tenant) -> None:
    answers = [
        await app_client.get(f"/v1/reconciliation/runs{path}", headers=tenant.headers)
        for path in ("", f"/{tenant.organizer_id}/items")
    ]
    assert [answer.json()["code"] for answer in answers] == ["admin_required"] * 2
