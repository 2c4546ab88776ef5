"""Members invited by e-mail, and programs with tokens of their own."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER, user_claims
from sync_server.kit.database import Database, sqlstate
from sync_server.kit.services import Services
from sync_server.organizers import invitations
from sync_server.organizers.rules import Capability
from tests.factories.tenants import Tenant, make_event, make_member, make_person
from tests.integration.identity.people import Browser, bearer

DAY_MS = 86_400_000
NOBODY = "00000000-0000-7000-8000-000000000000"
Json = dict[str, Any]


async def _invite(browser: Browser, tenant: Tenant, *capabilities: str) -> Json:
    body = {"address": browser.address, "capabilities": capabilities, "language": "rw"}
    url = f"{tenant.path}/invitations"
    answer = await browser.client.post(url, json=body, headers=tenant.headers)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def _accept(browser: Browser, session_token: str, token: str) -> httpx.Response:
    url = "/v1/invitations/accept"
    return await browser.client.post(url, json={"token": token}, headers=bearer(session_token))


async def test_an_invited_person_joins_with_what_the_invitation_grants(
    browser: Browser, tenant: Tenant
) -> None:
    mine = (await browser.sign_up(language="fr"))["token"]
    await _invite(browser, tenant, "scans.view")
    joined = await _accept(browser, mine, browser.token())
    events = await browser.client.get(f"{tenant.path}/events", headers=bearer(mine))
    assert browser.letters()[-1]["Subject"] == "Nile Nights vous invite"
    assert joined.json() == {
        "organizer_id": str(tenant.organizer_id),
        "capabilities": ["scans.view"],
    }
    assert events.status_code == 200


async def test_somebody_without_an_account_is_written_to_in_the_language_chosen(
    browser: Browser, tenant: Tenant
) -> None:
    await _invite(browser, tenant)
    token = browser.token()
    assert browser.letters()[-1]["Subject"] == "Nile Nights baragutumira"
    mine = (await browser.sign_up())["token"]
    assert (await _accept(browser, mine, token)).status_code == 200


async def test_an_invitation_is_for_the_invited_address_alone(
    browser: Browser, tenant: Tenant
) -> None:
    other = Browser(browser.client, "other." + browser.address, browser.folder)
    theirs = (await other.sign_up())["token"]
    await _invite(browser, tenant)
    refused = await _accept(browser, theirs, browser.token())
    assert (refused.status_code, refused.json()["code"]) == (404, "invitation_not_found")


async def test_somebody_without_an_address_accepts_nothing(
    browser: Browser, services: Services, tenant: Tenant
) -> None:
    await _invite(browser, tenant)
    person = await make_person(services)
    assert (await _accept(browser, person.token, browser.token())).status_code == 404


async def test_an_invitation_works_once(browser: Browser, tenant: Tenant) -> None:
    mine = (await browser.sign_up())["token"]
    await _invite(browser, tenant)
    token = browser.token()
    answers = await asyncio.gather(*(_accept(browser, mine, token) for _ in range(3)))
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404]


async def test_an_invitation_expires(
    browser: Browser, tenant: Tenant, clock: SettableClock
) -> None:
    mine = (await browser.sign_up())["token"]
    await _invite(browser, tenant)
    clock.advance(7 * DAY_MS)
    assert (await _accept(browser, mine, browser.token())).status_code == 404


async def test_an_invitation_is_listed_and_withdrawn(browser: Browser, tenant: Tenant) -> None:
    mine = (await browser.sign_up())["token"]
    made = await _invite(browser, tenant, "event.manage")
    url = f"{tenant.path}/invitations"
    listed = await browser.client.get(url, headers=tenant.headers)
    gone = [
        await browser.client.delete(f"{url}/{made['id']}", headers=tenant.headers) for _ in range(2)
    ]
    assert listed.json() == {"items": [made], "next_cursor": None}
    assert [answer.status_code for answer in gone] == [204, 404]
    assert (await _accept(browser, mine, browser.token())).status_code == 404


async def test_a_member_stays_what_they_are_when_invited_again(
    browser: Browser, tenant: Tenant
) -> None:
    mine = (await browser.sign_up())["token"]
    await _invite(browser, tenant, "scans.view")
    await _accept(browser, mine, browser.token())
    await _invite(browser, tenant, "members.manage")
    again = await _accept(browser, mine, browser.token())
    assert again.json()["code"] == "member_exists"


async def test_nobody_sends_letters_by_the_thousand(
    browser: Browser, tenant: Tenant, administrator: AsyncConnection
) -> None:
    await _invite(browser, tenant)
    copy = text(
        "INSERT INTO organizer_invitations SELECT organizer_id, gen_random_uuid(), address,"
        " capabilities, sha256(n::text::bytea || token_hash), invited_by, created_at, expires_at"
        " FROM organizer_invitations, generate_series(2, :most) AS n"
        " WHERE organizer_id = :organizer",
    )
    values = {"most": invitations.INVITATIONS_AN_HOUR_MAX, "organizer": tenant.organizer_id}
    await administrator.execute(copy, values)
    body = {"address": browser.address, "capabilities": []}
    url = f"{tenant.path}/invitations"
    refused = await browser.client.post(url, json=body, headers=tenant.headers)
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_invitations")
    assert refused.headers["retry-after"] == "3600"


async def test_the_database_lets_the_worker_add_no_member_who_was_not_invited(
    database: Database, services: Services, tenant: Tenant
) -> None:
    person = await make_person(services)
    with pytest.raises(DBAPIError) as refused:
        await _add_member(database, tenant, person.user_id)
    assert sqlstate(refused.value.orig) == "42501"


async def _add_member(database: Database, tenant: Tenant, user_id: object) -> None:
    insert = text(
        "INSERT INTO organizer_members VALUES (:organizer, :person, '{members.manage}', now())",
    )
    async with database.transaction(WORKER) as session:
        values = {"organizer": tenant.organizer_id, "person": user_id}
        await session.execute(insert, values)


async def _program(
    client: httpx.AsyncClient, tenant: Tenant, *capabilities: str, days: int = 30
) -> Json:
    body = {"name": "Scoreboard", "capabilities": capabilities, "days": days}
    url = f"{tenant.path}/service-accounts"
    answer = await client.post(url, json=body, headers=tenant.headers)
    assert answer.status_code == 201, answer.text
    made: Json = answer.json()
    return made


async def test_a_program_acts_within_its_capabilities(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    token = bearer((await _program(app_client, tenant, "event.manage"))["token"])
    gates = f"{tenant.path}/events/{event_id}/gates"
    answers = [
        await app_client.get(gates, headers=token),
        await app_client.post(gates, json={"name": "Side"}, headers=token),
        await app_client.get(f"{tenant.path}/members", headers=token),
        await app_client.get(f"{tenant.path}/service-accounts", headers=token),
    ]
    assert [answer.status_code for answer in answers] == [200, 201, 200, 403]


async def test_a_program_is_nobody_elsewhere(
    app_client: httpx.AsyncClient, tenant: Tenant, other_tenant: Tenant
) -> None:
    token = bearer((await _program(app_client, tenant, "scans.view"))["token"])
    elsewhere = await app_client.get(other_tenant.path, headers=token)
    founding = await app_client.post("/v1/organizers", json={"name": "Mine"}, headers=token)
    me = await app_client.get("/v1/me", headers=token)
    accepting = await app_client.post(
        "/v1/invitations/accept", json={"token": "zgl_"}, headers=token
    )
    assert elsewhere.json()["code"] == "organizer_not_found"
    assert [answer.status_code for answer in (founding, me, accepting)] == [401, 401, 401]


async def test_a_program_cannot_reach_other_tenants_or_people_in_the_database(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    for each in (tenant, other_tenant):
        await make_event(services, each)
    token = (await _program(app_client, tenant, "event.manage"))["token"]
    async with services.database.reading(user_claims(token)) as session:
        seen = set(await session.scalars(text("SELECT organizer_id FROM events")))
        people = list(await session.scalars(text("SELECT id FROM users")))
    assert (seen, people) == ({tenant.organizer_id}, [])


async def test_a_program_never_manages_members(
    app_client: httpx.AsyncClient, tenant: Tenant, administrator: AsyncConnection
) -> None:
    body = {"name": "Scoreboard", "capabilities": ["members.manage"]}
    url = f"{tenant.path}/service-accounts"
    refused = await app_client.post(url, json=body, headers=tenant.headers)
    made = await _program(app_client, tenant, "scans.view")
    promote = text("UPDATE service_accounts SET capabilities = '{members.manage}' WHERE id = :id")
    with pytest.raises(DBAPIError, match="ck_service_accounts_capabilities"):
        await administrator.execute(promote, {"id": made["id"]})
    assert (refused.status_code, refused.json()["code"]) == (422, "request_invalid")


async def test_a_program_is_listed_and_revoked(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    made = await _program(app_client, tenant, "scans.view")
    token = made.pop("token")
    url = f"{tenant.path}/service-accounts"
    listed = await app_client.get(url, headers=tenant.headers)
    before = await app_client.get(tenant.path, headers=bearer(token))
    gone = [await app_client.delete(f"{url}/{made['id']}", headers=tenant.headers) for _ in "12"]
    after = await app_client.get(tenant.path, headers=bearer(token))
    assert listed.json() == {"items": [made], "next_cursor": None}
    assert [answer.status_code for answer in (before, *gone, after)] == [200, 204, 404, 401]


async def test_a_programs_token_expires(
    app_client: httpx.AsyncClient, tenant: Tenant, clock: SettableClock
) -> None:
    clock.advance(-2 * DAY_MS)
    made = await _program(app_client, tenant, "scans.view", days=1)
    assert (await app_client.get(tenant.path, headers=bearer(made["token"]))).status_code == 401


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/invitations", None),
        ("POST", "/invitations", {"address": "moses@example.org", "capabilities": []}),
        ("DELETE", f"/invitations/{NOBODY}", None),
        ("GET", "/service-accounts", None),
        ("POST", "/service-accounts", {"name": "X", "capabilities": ["scans.view"]}),
        ("DELETE", f"/service-accounts/{NOBODY}", None),
    ],
)
async def test_only_managers_of_this_organizer_may(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    other_tenant: Tenant,
    method: str,
    path: str,
    body: object,
) -> None:
    member = await make_member(services, tenant, Capability.EVENT_MANAGE)
    url = tenant.path + path
    answers = [
        await app_client.request(method, url, json=body, headers=headers)
        for headers in (member.headers, other_tenant.headers, bearer("zgu_unknown"))
    ]
    assert [answer.json()["code"] for answer in answers] == [
        "capability_missing",
        "organizer_not_found",
        "authentication_required",
    ]


async def test_what_belongs_to_another_organizer_is_not_found_under_ones_own(
    app_client: httpx.AsyncClient, browser: Browser, tenant: Tenant, other_tenant: Tenant
) -> None:
    made = [
        ("invitations", await _invite(browser, tenant)),
        ("service-accounts", await _program(app_client, tenant, "scans.view")),
    ]
    answers = [
        await app_client.delete(
            f"{other_tenant.path}/{kind}/{each['id']}", headers=other_tenant.headers
        )
        for kind, each in made
    ]
    assert [answer.status_code for answer in answers] == [404, 404]
