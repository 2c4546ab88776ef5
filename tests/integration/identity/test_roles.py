"""Admins are made by admins, and one is always left."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.identity import roles
from sync_server.identity.errors import LastAdminError, UserNotFoundError
from sync_server.identity.rules import UserId
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.database import Database, sqlstate
from sync_server.kit.services import Services
from tests.factories.tenants import make_person
from tests.integration.identity.people import Browser, bearer
from tests.plugins.postgres import ClonedDatabase, services_on

NOBODY = "00000000-0000-7000-8000-000000000000"


@pytest.fixture
async def alone(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Services]:
    """A server with no admin yet."""
    database = Database(spare_database.login_url)
    yield services_on(database, clock, tmp_path)
    await database.close()


async def _make_admin(services: Services) -> UserId:
    person = await make_person(services)
    async with services.database.transaction(WORKER) as session:
        insert = text("INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')")
        await session.execute(insert, {"id": person.user_id})
    return person.user_id


async def _prove(administrator: AsyncConnection, made: dict[str, Any]) -> None:
    """Let every session of a person have shown its second factor."""
    mark = text("UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id")
    await administrator.execute(mark, {"id": made["user_id"]})


async def _admins(services: Services) -> set[UserId]:
    return {UserId(shown.user_id) for shown in (await roles.list_admins(services)).items}


async def test_the_last_admin_stays(alone: Services) -> None:
    first, second = await _make_admin(alone), await _make_admin(alone)
    await roles.revoke_admin(alone, second, first)
    with pytest.raises(LastAdminError):
        await roles.revoke_admin(alone, second, second)
    assert await _admins(alone) == {second}


async def test_two_admins_cannot_remove_one_another(alone: Services) -> None:
    pair = [await _make_admin(alone), await _make_admin(alone)]
    ended = await asyncio.gather(
        *(roles.revoke_admin(alone, admin, admin) for admin in pair), return_exceptions=True
    )
    assert sorted(type(end).__name__ for end in ended) == ["LastAdminError", "NoneType"]
    assert len(await _admins(alone)) == 1


async def test_the_database_refuses_a_grant_by_somebody_who_is_no_admin(alone: Services) -> None:
    await _make_admin(alone)
    granter, person = await make_person(alone), await make_person(alone)
    with pytest.raises(DBAPIError) as refused:
        await roles.grant_admin(alone, granter.user_id, person.user_id)
    assert sqlstate(refused.value.orig) == "42501"


async def test_a_person_cannot_write_roles_at_all(alone: Services) -> None:
    person = await make_person(alone)
    with pytest.raises(DBAPIError) as refused:
        await _write_role(alone.database, person.token, person.user_id)
    assert sqlstate(refused.value.orig) == "42501"


async def _write_role(database: Database, token: str, user_id: UserId) -> None:
    async with database.transaction(user_claims(token)) as session:
        insert = text("INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')")
        await session.execute(insert, {"id": user_id})


async def test_the_operator_makes_the_first_admin_by_address(
    browser: Browser, services: Services, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    assert str(await roles.grant_first_admin(services, browser.address)) == made["user_id"]
    await _prove(administrator, made)
    listed = await browser.client.get("/v1/admins", headers=bearer(made["token"]))
    assert made["user_id"] in {shown["user_id"] for shown in listed.json()["items"]}


async def test_an_address_without_an_account_makes_no_admin(services: Services) -> None:
    with pytest.raises(UserNotFoundError):
        await roles.grant_first_admin(services, "nobody@example.org")


async def test_an_admin_makes_another_and_takes_it_back(
    browser: Browser, services: Services, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    mine = bearer(made["token"])
    await roles.grant_first_admin(services, browser.address)
    await _prove(administrator, made)
    person = await make_person(services)
    url = f"/v1/admins/{person.user_id}"
    granted = [await browser.client.put(url, headers=mine) for _ in range(2)]
    await _prove(administrator, {"user_id": person.user_id})
    seen = await browser.client.get("/v1/admins", headers=person.headers)
    taken = [await browser.client.delete(url, headers=mine) for _ in range(2)]
    after = await browser.client.get("/v1/admins", headers=person.headers)
    assert [answer.status_code for answer in granted] == [204, 204]
    assert (seen.status_code, after.status_code) == (200, 403)
    assert [answer.status_code for answer in taken] == [204, 404]


async def test_nobody_who_does_not_exist_becomes_an_admin(
    browser: Browser, services: Services, administrator: AsyncConnection
) -> None:
    made = await browser.sign_up()
    mine = bearer(made["token"])
    await roles.grant_first_admin(services, browser.address)
    await _prove(administrator, made)
    answer = await browser.client.put(f"/v1/admins/{NOBODY}", headers=mine)
    assert answer.json()["code"] == "user_not_found"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ""), ("PUT", f"/{NOBODY}"), ("DELETE", f"/{NOBODY}")],
)
async def test_only_admins_may(browser: Browser, method: str, path: str) -> None:
    token = (await browser.sign_up())["token"]
    answers = [
        await browser.client.request(method, f"/v1/admins{path}", headers=headers)
        for headers in (bearer(token), bearer("zgu_unknown"))
    ]
    assert [answer.json()["code"] for answer in answers] == [
        "admin_required",
        "authentication_required",
    ]
