"""Alarms: one open for each thing that is wrong, told once, seen and taken on by admins alone."""

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection
from structlog.testing import capture_logs

from shared.clock import SettableClock
from sync_server.app import create_app
from sync_server.kit.alarms import Alarm, clear_alarm, raise_alarm, settle_alarms
from sync_server.kit.channels import ADMINS_ALARMS
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from tests.factories.tenants import PUBLIC_URL, Person, make_person
from tests.plugins.postgres import ClonedDatabase, connected, given, services_on

UNKNOWN = "/v1/alarms/00000000-0000-7000-8000-000000000000/acknowledge"
_TWICE = ["alarm.raised", "alarm.cleared", "alarm.raised"]
DISK = Alarm("disk.full", "snapshots", {"free_bytes": 7})


@pytest.fixture
async def alone(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Services]:
    """A server with no alarm yet."""
    database = Database(spare_database.login_url)
    yield services_on(database, clock, tmp_path)
    await database.close()


@pytest.fixture
async def owner(spare_database: ClonedDatabase) -> AsyncIterator[AsyncConnection]:
    async with connected(spare_database.administrator_url) as connection:
        yield connection


@pytest.fixture
async def client(alone: Services) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(partial(given, alone))
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=PUBLIC_URL) as opened,
    ):
        yield opened


@pytest.fixture
async def admin(alone: Services, owner: AsyncConnection) -> Person:
    person = await make_person(alone)
    who = {"id": person.user_id}
    grant = text("INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')")
    await owner.execute(grant, who)
    mark = text("UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id")
    await owner.execute(mark, who)
    return person


async def _raise(services: Services, alarm: Alarm = DISK) -> None:
    async with services.database.transaction(WORKER) as session:
        await raise_alarm(session, services, alarm)


async def _clear(services: Services, alarm: Alarm = DISK) -> None:
    async with services.database.transaction(WORKER) as session:
        await clear_alarm(session, services, alarm.kind, alarm.subject)


async def _listed(client: httpx.AsyncClient, admin: Person, **query: str) -> dict[str, Any]:
    answer = await client.get("/v1/alarms", params=query, headers=admin.headers)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def _told(owner: AsyncConnection) -> list[tuple[str, list[str], str]]:
    query = text(
        "SELECT kind, channels, payload ->> 'alarm_id' AS alarm_id FROM outbox"
        " WHERE kind LIKE 'alarm.%' ORDER BY id"
    )
    return [(row.kind, row.channels, row.alarm_id) for row in await owner.execute(query)]


async def test_an_alarm_is_opened_once_and_seen_again(
    alone: Services, client: httpx.AsyncClient, admin: Person, clock: SettableClock
) -> None:
    await _raise(alone)
    clock.advance(5_000)
    await _raise(alone, Alarm(DISK.kind, DISK.subject, {"free_bytes": 3}))
    (shown,) = (await _listed(client, admin))["items"]
    assert (shown["kind"], shown["subject"]) == (DISK.kind, DISK.subject)
    assert shown["detail"] == {"free_bytes": 3}
    assert shown["last_seen_at"] > shown["raised_at"]
    assert shown["cleared_at"] is None


async def test_an_alarm_is_told_and_logged_when_it_opens_and_when_it_is_cleared(
    alone: Services, owner: AsyncConnection
) -> None:
    with capture_logs() as lines:
        for _ in range(2):
            await _raise(alone)
        for _ in range(2):
            await _clear(alone)
        await _raise(alone)
    told = await _told(owner)
    (first, cleared, second) = (alarm_id for *_, alarm_id in told)
    assert [kind for kind, *_ in told] == [line["event"] for line in lines] == _TWICE
    assert {tuple(channels) for _, channels, _ in told} == {(ADMINS_ALARMS,)}
    assert first == cleared != second
    assert lines[0] == {
        "event": "alarm.raised",
        "log_level": "warning",
        "kind": DISK.kind,
        "subject": DISK.subject,
        "free_bytes": 7,
    }


async def test_an_alarm_of_a_transaction_that_fails_was_never_raised(
    alone: Services, owner: AsyncConnection
) -> None:
    async with alone.database.transaction(WORKER) as session:
        await raise_alarm(session, alone, DISK)
        await session.rollback()
    assert await _told(owner) == []
    assert await owner.scalar(text("SELECT count(*) FROM alarms")) == 0


async def test_settling_clears_what_is_right_again_and_no_other_kind(
    alone: Services, client: httpx.AsyncClient, admin: Person
) -> None:
    await _raise(alone)
    for wrong in (["a", "b"], ["b", "c"]):
        alarms = [Alarm("reader.late", subject) for subject in wrong]
        async with alone.database.transaction(WORKER) as session:
            await settle_alarms(session, alone, "reader.late", alarms)
    items = (await _listed(client, admin))["items"]
    states = {(item["kind"], item["subject"]): item["cleared_at"] is None for item in items}
    assert states == {
        (DISK.kind, DISK.subject): True,
        ("reader.late", "a"): False,
        ("reader.late", "b"): True,
        ("reader.late", "c"): True,
    }


async def test_open_alarms_come_first_and_pages_lose_none(
    alone: Services, client: httpx.AsyncClient, admin: Person, clock: SettableClock
) -> None:
    for number in range(7):
        clock.advance(1)
        await _raise(alone, Alarm("test", str(number)))
    for number in (1, 3, 6):
        await _clear(alone, Alarm("test", str(number)))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(4):
        page = await _listed(client, admin, limit="2", **cursor)
        seen += [item["subject"] for item in page["items"]]
        cursor = {"cursor": page["next_cursor"] or ""}
    assert seen == ["5", "4", "2", "0", "6", "3", "1"]
    assert cursor == {"cursor": ""}


async def test_an_alarm_cleared_between_two_pages_hides_no_other(
    alone: Services, client: httpx.AsyncClient, admin: Person, clock: SettableClock
) -> None:
    for number in range(4):
        clock.advance(1)
        await _raise(alone, Alarm("test", str(number)))
    first = await _listed(client, admin, limit="2")
    await _clear(alone, Alarm("test", "2"))
    second = await _listed(client, admin, limit="9", cursor=first["next_cursor"])
    assert [item["subject"] for item in first["items"]] == ["3", "2"]
    assert [item["subject"] for item in second["items"]] == ["1", "0", "2"]


async def test_the_first_admin_who_takes_an_alarm_on_is_named(
    alone: Services, owner: AsyncConnection, client: httpx.AsyncClient, admin: Person
) -> None:
    await _raise(alone)
    (shown,) = (await _listed(client, admin))["items"]
    path = f"/v1/alarms/{shown['id']}/acknowledge"
    first = await client.post(path, headers=admin.headers)
    other = await make_person(alone)
    who = {"id": other.user_id}
    await owner.execute(text("INSERT INTO user_roles (user_id, role) VALUES (:id, 'admin')"), who)
    mark = text("UPDATE user_sessions SET second_factor_at = now() WHERE user_id = :id")
    await owner.execute(mark, who)
    again = await client.post(path, headers=other.headers)
    assert first.status_code == again.status_code == 200
    assert first.json()["acknowledged_by"] == str(admin.user_id)
    assert again.json() == first.json()
    assert first.json()["cleared_at"] is None
    actions = text("SELECT kind, actor_id, object_id FROM admin_action_log")
    logged = [tuple(row) for row in await owner.execute(actions)]
    assert logged == [("alarm.acknowledge", admin.user_id, shown["id"])]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/alarms"),
        ("POST", "/v1/alarms/00000000-0000-7000-8000-000000000000/acknowledge"),
    ],
)
async def test_alarms_are_for_admins(
    alone: Services, client: httpx.AsyncClient, method: str, path: str
) -> None:
    person = await make_person(alone)
    answers = [await client.request(method, path, headers=it) for it in ({}, person.headers)]
    codes = [(answer.status_code, answer.json()["code"]) for answer in answers]
    assert codes == [(401, "authentication_required"), (403, "admin_required")]


async def test_an_alarm_nobody_raised_is_not_taken_on(
    client: httpx.AsyncClient, admin: Person
) -> None:
    answer = await client.post(UNKNOWN, headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (404, "alarm_not_found")
