"""Each change an organizer makes at a gate leaves one action, each look at a ticket one access."""

from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from shared.ids import (
    DeviceId,
    EventId,
    GateId,
    ScanId,
    ScannerSessionId,
    new_uuid7,
    ticket_id_from_hex,
)
from shared.wire import paths
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Log, Subject
from sync_server.deployments.rules import session_token
from sync_server.kit.claims import device_claims
from sync_server.kit.server_keys import open_server_keys
from sync_server.kit.services import Services
from tests.factories.changes import changed
from tests.factories.journal import a_chain, chained
from tests.factories.scanners import Door, Kiosk, make_door, new_key
from tests.factories.tenants import Tenant


@pytest.fixture
async def door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    return await make_door(app_client, tenant, event_id)


@pytest.fixture
async def strict_door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    return await make_door(app_client, tenant, event_id, confirm_devices=True)


# What the tests arrange before they do what they are about.
_ARRANGED = (
    "organizer.create",
    "event.create",
    "event_keys.create",
    "gate.create",
    "zone.create",
    "ticket_type.create",
    "deployment.create",
    "enrolment_code.create",
    "device.enrol",
    "tickets.issue",
)


async def _rows(services: Services, tenant: Tenant, log: Log) -> list[Any]:
    async with services.database.reading(tenant.claims) as session:
        query = text(f"SELECT * FROM {log} WHERE kind <> ALL(:arranged) ORDER BY xid, id")
        found = await session.execute(query, {"arranged": list(_ARRANGED)})
        return list(found.mappings())


async def test_a_new_code_for_a_kiosk(services: Services, tenant: Tenant, door: Door) -> None:
    code = await door.code()
    async with services.database.reading(tenant.claims) as session:
        query = text("SELECT * FROM admin_action_log WHERE kind = 'enrolment_code.create'")
        (row,) = (await session.execute(query)).mappings()
    assert row["after"]["gate_id"] == door.gate_id
    assert code not in str(dict(row))


@pytest.mark.parametrize(
    ("verb", "state"), [("confirm", "enrolled"), ("refuse", "refused"), ("revoke", "revoked")]
)
async def test_a_devices_new_state(
    services: Services, tenant: Tenant, strict_door: Door, verb: str, state: str
) -> None:
    kiosk = Kiosk(strict_door.client)
    await kiosk.enrol(await strict_door.code())
    for _ in range(2):
        await strict_door.post(f"/devices/{kiosk.device_id}/{verb}")
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert (row["kind"], row["object_id"]) == ("device.state", kiosk.device_id)
    assert (row["before"], row["after"]) == (
        {"state": "awaiting_confirmation"},
        {"state": state},
    )


async def test_a_session_that_is_revoked(services: Services, tenant: Tenant, door: Door) -> None:
    kiosk = await door.kiosk()
    for _ in range(2):
        await door.post(f"/sessions/{kiosk.session_id}/revoke")
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert (row["kind"], row["object_id"]) == ("scanner_session.revoke", kiosk.session_id)
    assert row["after"]["device_id"] == kiosk.device_id


async def test_rules_that_are_replaced(services: Services, tenant: Tenant, door: Door) -> None:
    rules = {"rules": [{"set": {"check_identity": True}}]}
    answer = await door.client.put(f"{door.path}/rules", json=rules, headers=tenant.headers)
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert answer.status_code == 200, answer.text
    assert (row["kind"], row["object_id"]) == ("deployment.rules", door.deployment_id)
    assert row["after"] == rules
    assert row["before"] != rules


async def test_a_tickets_new_status(services: Services, tenant: Tenant, door: Door) -> None:
    (ticket,) = await door.issue()
    place = f"{door.event_path}/tickets/{ticket['ticket_id']}/status"
    body = {"status": "blocked", "reason": "lost by grace@example.org"}
    for _ in range(2):
        await door.client.post(place, json=body, headers=tenant.headers)
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert (row["kind"], row["object_id"]) == ("ticket.status", ticket["ticket_id"])
    assert (row["before"], row["after"]) == ({"status": "valid"}, {"status": "blocked"})
    assert row["reason"] == "lost by …@example.org"


async def test_a_ticket_that_is_passed_on(services: Services, tenant: Tenant, door: Door) -> None:
    (ticket,) = await door.issue()
    place = f"{door.event_path}/tickets/{ticket['ticket_id']}/transfers"
    headers = {**tenant.headers, **new_key()}
    await door.client.post(place, json={"holder_name": "Okello"}, headers=headers)
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert (row["kind"], row["object_id"]) == ("ticket.transfer", ticket["ticket_id"])
    assert "Okello" not in str(dict(row))


async def _admit(kiosk: Kiosk, ticket_id: str) -> None:
    (made,) = a_chain(
        1,
        None,
        device_id=DeviceId(UUID(kiosk.device_id)),
        gate_id=GateId(UUID(kiosk.enrolment["gate_id"])),
        ticket_id=ticket_id_from_hex(ticket_id),
    )
    word = UUID(kiosk.device_id).bytes[-10:]
    scan_id = ScanId(new_uuid7(made.entry.gate_time_ms, word))
    entry = chained(changed(made.entry, {"scan_id": scan_id}))
    answer = await kiosk.post(paths.SCANS, kiosk.batch([entry]))
    assert answer.status_code == 200, answer.text


async def test_a_conflict_that_is_resolved(services: Services, tenant: Tenant, door: Door) -> None:
    (ticket,) = await door.issue()
    for kiosk in [await door.kiosk(), await door.kiosk()]:
        await _admit(kiosk, ticket["ticket_id"])
    (conflict,) = (await door.get("/conflicts")).json()["items"]
    await door.post(f"/conflicts/{conflict['id']}/resolve", {"reason": "twins"})
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert (row["kind"], row["object_id"]) == ("conflict.resolve", conflict["id"])
    assert row["reason"] == "twins"


async def test_a_kiosk_records_under_its_own_name(
    services: Services, tenant: Tenant, door: Door
) -> None:
    kiosk = await door.kiosk()
    session_id = ScannerSessionId(UUID(kiosk.session_id))
    token = session_token(open_server_keys(services).session_secret, session_id)
    async with services.database.transaction(device_claims(token)) as session:
        await audit.record_action(session, services, Action("gate.test", Subject("gate", "1")))
    (row,) = await _rows(services, tenant, Log.ACTIONS)
    assert (row["actor_kind"], str(row["actor_id"])) == ("device", kiosk.device_id)


async def test_looks_at_tickets(services: Services, tenant: Tenant, door: Door) -> None:
    (ticket,) = await door.issue()
    tickets = f"{door.event_path}/tickets"
    await door.client.get(tickets, headers=tenant.headers)
    await door.client.get(f"{tickets}/{ticket['ticket_id']}", headers=tenant.headers)
    rows = await _rows(services, tenant, Log.ACCESSES)
    assert sorted((row["object_kind"], row["object_id"]) for row in rows) == [
        ("ticket", ticket["ticket_id"]),
        ("tickets_of_event", str(door.event_id)),
    ]
    assert {row["actor_id"] for row in rows} == {tenant.founder.user_id}
