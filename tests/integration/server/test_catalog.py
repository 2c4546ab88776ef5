import asyncio
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.credentials.keys import verifies_ed25519
from shared.credentials.layout import TicketFlag
from shared.ids import EventId
from sync_server.catalog import service as catalog
from sync_server.catalog.errors import EventNotFoundError, TicketTypeNotFoundError
from sync_server.kit.claims import WORKER
from sync_server.kit.database import sqlstate
from sync_server.kit.keys import SealBrokenError
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from tests.factories.orders import type_of
from tests.factories.tenants import Tenant, make_event, make_member

EVENT = {
    "name": "Night One",
    "base_time": "2026-12-01T00:00:00+03:00",
    "timezone": "Africa/Kampala",
    "venue": "Lugogo",
}


async def test_an_event_is_made_once_and_read_back(
    app_client: httpx.AsyncClient, tenant: Tenant
) -> None:
    url = f"{tenant.path}/events"
    made = await app_client.post(url, json=EVENT, headers=tenant.headers)
    body = {**EVENT, "id": made.json()["id"]}
    again = await app_client.post(url, json=body, headers=tenant.headers)
    read = await app_client.get(f"{url}/{made.json()['id']}", headers=tenant.headers)
    assert made.status_code == 201
    assert made.json()["status"] == "scheduled"
    assert read.json() == made.json() | {"base_time": "2026-11-30T21:00:00Z"}
    assert (again.status_code, again.json()["code"]) == (409, "already_exists")


async def test_no_organizer_gives_its_event_the_id_of_anothers(
    app_client: httpx.AsyncClient, other_tenant: Tenant, event_id: EventId
) -> None:
    body = {**EVENT, "id": str(event_id)}
    url = f"{other_tenant.path}/events"
    answer = await app_client.post(url, json=body, headers=other_tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_exists")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timezone", "Africa/Atlantis"),
        ("base_time", "2026-12-01T00:00:00"),
        ("name", "   "),
        ("surprise", "1"),
    ],
)
async def test_an_event_with_a_wrong_field_is_refused(
    app_client: httpx.AsyncClient, tenant: Tenant, field: str, value: str
) -> None:
    body = {**EVENT, field: value}
    answer = await app_client.post(f"{tenant.path}/events", json=body, headers=tenant.headers)
    assert answer.json()["errors"][0]["pointer"] == f"/body/{field}"


@pytest.mark.parametrize(
    ("part", "number", "expected"),
    [
        ("gates", "number", [1, 7, 2]),
        ("zones", "bit", [0, 7, 1]),
        ("ticket-types", "tier", [0, 7, 1]),
    ],
)
async def test_numbers_are_the_lowest_free_unless_chosen(
    app_client: httpx.AsyncClient, tenant: Tenant, part: str, number: str, expected: list[int]
) -> None:
    made = await app_client.post(f"{tenant.path}/events", json=EVENT, headers=tenant.headers)
    url = f"{tenant.path}/events/{made.json()['id']}/{part}"
    bodies: list[dict[str, Any]] = [{"name": "a"}, {"name": "b", number: 7}, {"name": "c"}]
    answers = [await app_client.post(url, json=body, headers=tenant.headers) for body in bodies]
    assert [answer.json()[number] for answer in answers] == expected
    taken = await app_client.post(url, json={"name": "d", number: 7}, headers=tenant.headers)
    assert (taken.status_code, taken.json()["code"]) == (409, "already_exists")


async def test_gates_made_at_the_same_time_get_different_numbers(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    url = f"{tenant.path}/events/{event_id}/gates"
    answers = await asyncio.gather(
        *(app_client.post(url, json={"name": "Side"}, headers=tenant.headers) for _ in range(8))
    )
    assert sorted(answer.json()["number"] for answer in answers) == list(range(2, 10))


async def test_an_event_has_sixteen_zones_and_no_more(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    url = f"{tenant.path}/events/{event_id}/zones"
    for _ in range(15):
        await app_client.post(url, json={"name": "Zone"}, headers=tenant.headers)
    answer = await app_client.post(url, json={"name": "Zone"}, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "numbers_exhausted")


async def test_a_ticket_type_names_zones_that_exist(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    url = f"{tenant.path}/events/{event_id}/ticket-types"
    body = {"name": "VIP", "zones": [0, 3, 5]}
    answer = await app_client.post(url, json=body, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "zone_unknown")
    assert answer.json()["zones"] == [3, 5]


async def test_a_gate_names_zones_that_exist(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    url = f"{tenant.path}/events/{event_id}/gates"
    refused = await app_client.post(
        url, json={"name": "VIP", "zones": [0, 3]}, headers=tenant.headers
    )
    made = await app_client.post(url, json={"name": "All"}, headers=tenant.headers)
    assert (refused.status_code, refused.json()["code"]) == (422, "zone_unknown")
    assert made.json()["zones"] is None


async def test_a_ticket_type_that_names_no_zone_opens_every_one(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, event_id: EventId
) -> None:
    url = f"{tenant.path}/events/{event_id}/ticket-types"
    made = await app_client.post(url, json={"name": "VIP"}, headers=tenant.headers)
    async with services.database.reading(tenant.claims) as session:
        facts = await catalog.find_ticket_type(
            session, tenant.organizer_id, event_id, UUID(made.json()["id"])
        )
    assert made.json()["zones"] is None
    assert facts.zones == 0xFFFF


@pytest.mark.parametrize(
    ("body", "flags"),
    [
        ({}, TicketFlag(0)),
        ({"static_allowed": True}, TicketFlag.STATIC_ALLOWED),
        (
            {"identity_bound": True, "reentry_allowed": True},
            TicketFlag.IDENTITY_BOUND | TicketFlag.REENTRY,
        ),
        ({"staff": True, "companion": True}, TicketFlag.STAFF | TicketFlag.COMPANION),
        ({"medium": "qr_and_nfc"}, TicketFlag.NFC_REQUIRED),
        ({"medium": "nfc"}, TicketFlag.NFC_REQUIRED),
        ({"medium": "qr_or_nfc"}, TicketFlag(0)),
    ],
)
async def test_a_ticket_type_is_shown_as_made_and_carried_in_flags(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    body: dict[str, Any],
    flags: TicketFlag,
) -> None:
    url = f"{tenant.path}/events/{event_id}/ticket-types"
    wanted = {"name": "VIP", "zones": [0], **body}
    made = await app_client.post(url, json=wanted, headers=tenant.headers)
    assert made.json().items() >= wanted.items()
    async with services.database.reading(tenant.claims) as session:
        listed = await catalog.load_event_floor(session, tenant.organizer_id, event_id)
        shown = listed.ticket_types[-1]
        facts = await catalog.find_ticket_type(session, tenant.organizer_id, event_id, shown.id)
    assert (facts.flags, facts.zones, facts.tier) == (flags, 0b1, 1)


async def test_a_list_goes_on_after_its_cursor(
    app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId
) -> None:
    url = f"{tenant.path}/events/{event_id}/gates"
    for name in ("b", "c", "d"):
        await app_client.post(url, json={"name": name}, headers=tenant.headers)
    first = (await app_client.get(url, params={"limit": 3}, headers=tenant.headers)).json()
    after = {"limit": 3, "cursor": first["next_cursor"]}
    second = (await app_client.get(url, params=after, headers=tenant.headers)).json()
    names = [gate["name"] for gate in first["items"] + second["items"]]
    assert (len(first["items"]), sorted(names)) == (3, ["Main", "b", "c", "d"])
    assert second["next_cursor"] is None


@pytest.mark.parametrize("part", ["", "/x/members"])
async def test_a_made_up_cursor_is_refused(
    app_client: httpx.AsyncClient, tenant: Tenant, part: str
) -> None:
    url = f"/v1/organizers{part}".replace("/x", f"/{tenant.organizer_id}")
    answer = await app_client.get(url, params={"cursor": "!"}, headers=tenant.headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "cursor_invalid")


async def test_an_event_has_a_key_set_and_an_issuer_key_that_signs(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    async with services.database.reading(WORKER) as session:
        keys = await catalog.load_event_keys(session, services, tenant.organizer_id, event_id)
    issuer = keys.current_issuer_key
    signature = issuer.private_key.sign(b"message")
    assert keys.current_key_set.event_id == event_id
    assert (issuer.ikid, len(keys.key_sets), len(keys.issuer_keys)) == (1, 1, 1)
    assert verifies_ed25519(issuer.public_key, signature, b"message")


async def test_two_events_share_no_key(services: Services, tenant: Tenant) -> None:
    async with services.database.transaction(WORKER) as session:
        keys = [
            await catalog.load_event_keys(session, services, tenant.organizer_id, event_id)
            for event_id in [await make_event(services, tenant) for _ in range(2)]
        ]
    assert keys[0].current_key_set.event_key != keys[1].current_key_set.event_key
    assert keys[0].current_issuer_key.public_key != keys[1].current_issuer_key.public_key


async def test_keys_are_not_for_members_who_issue_no_tickets(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    member = await make_member(services, tenant, Capability.EVENT_MANAGE)
    type_id = await type_of(services, tenant, event_id)
    async with services.database.reading(member.claims) as session:
        with pytest.raises(EventNotFoundError):
            await catalog.issuing(session, tenant.organizer_id, event_id, [type_id])


async def test_what_is_sealed_in_keys_is_not_for_members_at_all(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with services.database.reading(tenant.claims) as session:
            await catalog.load_event_keys(session, services, tenant.organizer_id, event_id)
    assert sqlstate(refused.value.orig) == "42501"


async def test_tickets_are_made_under_the_newest_key_that_is_active(
    services: Services, tenant: Tenant, event_id: EventId, administrator: AsyncConnection
) -> None:
    await administrator.execute(_TWO_MORE_KEYS, {"event_id": event_id})
    type_id = await type_of(services, tenant, event_id)
    async with services.database.reading(tenant.claims) as session:
        found = await catalog.issuing(session, tenant.organizer_id, event_id, [type_id])
    assert (found.issuer_key_id, list(found.types)) == (2, [type_id])


async def test_a_ticket_type_of_another_event_makes_no_tickets(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    ours = await type_of(services, tenant, event_id)
    theirs = await type_of(services, tenant, await make_event(services, tenant))
    async with services.database.reading(tenant.claims) as session:
        with pytest.raises(TicketTypeNotFoundError):
            await catalog.issuing(session, tenant.organizer_id, event_id, [ours, theirs])


_TWO_MORE_KEYS = text("""
    INSERT INTO issuer_keys
    SELECT organizer_id, event_id, gen_random_uuid(), more.ikid, public_key, sealed_private_key,
        more.ikid = 2, created_at + make_interval(days => more.ikid)
    FROM issuer_keys, (VALUES (2), (3)) AS more (ikid) WHERE event_id = :event_id
""")


async def test_a_sealed_key_moved_to_another_row_does_not_open(
    services: Services, tenant: Tenant, administrator: AsyncConnection
) -> None:
    first, second = [await make_event(services, tenant) for _ in range(2)]
    swap = text(
        "UPDATE event_key_sets SET sealed_event_key ="
        " (SELECT sealed_event_key FROM event_key_sets WHERE event_id = :first)"
        " WHERE event_id = :second",
    )
    await administrator.execute(swap, {"first": first, "second": second})
    async with services.database.reading(WORKER) as session:
        with pytest.raises(SealBrokenError):
            await catalog.load_event_keys(session, services, tenant.organizer_id, second)


async def test_no_secret_stands_in_the_database_in_the_open(
    services: Services, tenant: Tenant, event_id: EventId, administrator: AsyncConnection
) -> None:
    async with services.database.reading(WORKER) as session:
        keys = await catalog.load_event_keys(session, services, tenant.organizer_id, event_id)
    query = "SELECT k.sealed_event_key || i.sealed_private_key FROM event_key_sets k, issuer_keys i"
    stored = b"".join(await administrator.scalars(text(query)))
    assert keys.current_key_set.event_key not in stored
    assert keys.current_issuer_key.private_key.private_bytes_raw() not in stored


async def test_an_unknown_ticket_type_is_not_found(
    services: Services, tenant: Tenant, event_id: EventId
) -> None:
    async with services.database.reading(tenant.claims) as session:
        with pytest.raises(TicketTypeNotFoundError):
            await catalog.find_ticket_type(
                session, tenant.organizer_id, event_id, services.new_id()
            )
