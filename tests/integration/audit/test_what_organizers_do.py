"""What an organizer makes, gives and takes away leaves one action each; what names people leaves an
access when it is read.
"""

import asyncio
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import DeviceId, EventId, GateId, TicketId
from shared.wire import paths
from sync_server.audit.rules import Log
from sync_server.deployments.stale_sessions import end_stale_sessions
from sync_server.kit.services import Services
from sync_server.organizers import invitations
from sync_server.organizers.rules import Capability
from tests.factories.audit import rows_about
from tests.factories.changes import changed
from tests.factories.journal import a_chain, chained
from tests.factories.repeats import bearer, binding, make_call
from tests.factories.scanners import Door, Kiosk, make_door, new_key, plain
from tests.factories.team import confirm_address
from tests.factories.tenants import Tenant, make_member, make_person

Row = dict[str, Any]


@pytest.fixture
async def door(app_client: httpx.AsyncClient, tenant: Tenant, event_id: EventId) -> Door:
    return await make_door(app_client, tenant, event_id)


async def _of_kind(services: Services, tenant: Tenant, log: Log, kind: str) -> list[Row]:
    """Read as the organizer itself does."""
    query = text(f"SELECT * FROM {log} WHERE kind = :kind ORDER BY xid, id")
    async with services.database.reading(tenant.claims) as session:
        return [dict(row) for row in (await session.execute(query, {"kind": kind})).mappings()]


async def _one(services: Services, tenant: Tenant, kind: str) -> Row:
    (row,) = await _of_kind(services, tenant, Log.ACTIONS, kind)
    return row


async def _post(door: Door, place: str, body: object) -> dict[str, Any]:
    headers = {**door.tenant.headers, **new_key()}
    answer = await door.client.post(f"{door.tenant.path}{place}", json=body, headers=headers)
    assert answer.is_success, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_an_organizer_that_is_founded(services: Services, tenant: Tenant) -> None:
    row = await _one(services, tenant, "organizer.create")
    assert (row["object_id"], row["organizer_id"]) == (
        str(tenant.organizer_id),
        tenant.organizer_id,
    )
    assert (row["actor_kind"], row["actor_id"]) == ("person", tenant.founder.user_id)
    assert row["after"] == {"name": "Nile Nights"}


async def test_members_added_changed_and_removed(services: Services, door: Door) -> None:
    person = await make_person(services)
    body = {"user_id": str(person.user_id), "capabilities": ["scans.view"]}
    await _post(door, "/members", body)
    path = f"{door.tenant.path}/members/{person.user_id}"
    more = {"capabilities": ["tickets.issue", "scans.view"]}
    await door.client.put(path, json=more, headers=door.tenant.headers)
    await door.client.delete(path, headers=door.tenant.headers)
    kinds = ("member.add", "member.change", "member.remove")
    rows = [await _one(services, door.tenant, kind) for kind in kinds]
    few, many = ({"capabilities": each} for each in (["scans.view"], more["capabilities"]))
    assert [(row["before"], row["after"]) for row in rows] == [
        (None, few),
        (few, many),
        (many, None),
    ]
    assert {row["object_id"] for row in rows} == {str(person.user_id)}


async def test_a_manager_who_steps_down_or_leaves_is_written_down(
    services: Services, door: Door
) -> None:
    """Afterwards they could write nothing in the organizer's log."""
    manager = await make_member(services, door.tenant, Capability.MEMBERS_MANAGE)
    another = await make_member(services, door.tenant, Capability.MEMBERS_MANAGE)
    members = f"{door.tenant.path}/members"
    nothing: dict[str, Any] = {"capabilities": []}
    url = f"{members}/{manager.user_id}"
    await door.client.put(url, json=nothing, headers=manager.headers)
    await door.client.delete(f"{members}/{another.user_id}", headers=another.headers)
    changed_row = await _one(services, door.tenant, "member.change")
    removed = await _one(services, door.tenant, "member.remove")
    assert (changed_row["actor_id"], removed["actor_id"]) == (manager.user_id, another.user_id)


async def test_invitations_made_accepted_and_withdrawn(services: Services, door: Door) -> None:
    person = await make_person(services)
    address = f"{services.new_id().hex}@example.org"
    await confirm_address(services, person.user_id, address)
    wanted = {"address": address, "capabilities": ["scans.view"]}
    first = await _post(door, "/invitations", wanted)
    token = (await _letter(services)).partition("invitation#")[2].split()[0]
    await invitations.accept_invitation(services, person.user_id, token)
    second = await _post(door, "/invitations", {**wanted, "address": "moses@example.net"})
    url = f"{door.tenant.path}/invitations/{second['id']}"
    for _ in range(2):
        await door.client.delete(url, headers=door.tenant.headers)
    made = await _of_kind(services, door.tenant, Log.ACTIONS, "invitation.create")
    accepted = await _one(services, door.tenant, "invitation.accept")
    withdrawn = await _one(services, door.tenant, "invitation.withdraw")
    assert [row["after"]["address"] for row in made] == ["…@example.org", "…@example.net"]
    assert (accepted["object_id"], accepted["actor_id"]) == (first["id"], person.user_id)
    assert accepted["actor_kind"] == "worker"
    assert withdrawn["object_id"] == second["id"]
    assert token not in str((made, accepted, withdrawn))


async def _letter(services: Services) -> str:
    (path,) = (services.data_directory / "mail").glob("*.eml")
    return await asyncio.to_thread(path.read_text)


async def test_service_accounts_made_and_revoked(services: Services, door: Door) -> None:
    wanted = {"name": "Scoreboard", "capabilities": ["scans.view"]}
    account = await _post(door, "/service-accounts", wanted)
    url = f"{door.tenant.path}/service-accounts/{account['id']}"
    for _ in range(2):
        await door.client.delete(url, headers=door.tenant.headers)
    made = await _one(services, door.tenant, "service_account.create")
    revoked = await _one(services, door.tenant, "service_account.revoke")
    assert made["after"]["name"] == "Scoreboard"
    assert made["after"]["capabilities"] == ["scans.view"]
    assert {made["object_id"], revoked["object_id"]} == {account["id"]}
    assert account["token"] not in str(made)


async def test_a_program_records_under_its_own_name(services: Services, door: Door) -> None:
    wanted = {"name": "Till", "capabilities": ["tickets.issue"]}
    account = await _post(door, "/service-accounts", wanted)
    call = await make_call(door, "tickets")
    await call.send("key", caller=bearer(account["token"]))
    row = await _one(services, door.tenant, "tickets.issue")
    assert (row["actor_kind"], str(row["actor_id"])) == ("service", account["id"])


async def test_an_event_and_all_it_is_made_of(services: Services, door: Door) -> None:
    rows = {
        kind: await _one(services, door.tenant, kind)
        for kind in (
            "event.create",
            "event_keys.create",
            "gate.create",
            "zone.create",
            "ticket_type.create",
            "deployment.create",
        )
    }
    event = str(door.event_id)
    assert rows["event.create"]["after"]["name"] == "Night One"
    assert {rows[kind]["object_id"] for kind in ("event.create", "event_keys.create")} == {event}
    assert set(rows["event_keys.create"]["after"]) == {"kid", "ikid"}
    assert rows["gate.create"]["after"] == {"event_id": event, "name": "Main", "zones": None}
    assert rows["zone.create"]["after"] == {"event_id": event, "name": "Ground", "bit": 0}
    assert rows["ticket_type.create"]["after"]["zones"] == [0]
    assert rows["deployment.create"]["object_id"] == door.deployment_id
    assert rows["deployment.create"]["after"]["gate_ids"] == [door.gate_id]


async def test_tickets_that_are_issued_leave_one_row_a_request(
    services: Services, door: Door
) -> None:
    issued = await door.issue(7)
    row = await _one(services, door.tenant, "tickets.issue")
    (count,) = row["after"]["counts_by_type"].values()
    assert (row["object_id"], row["after"]["count"], count) == (str(door.event_id), 7, 7)
    assert "Amina" not in str(row)
    assert [ticket for ticket in issued if ticket["claim_token"] in str(row)] == []


async def test_a_repeat_leaves_no_second_row(services: Services, door: Door) -> None:
    call = await make_call(door, "tickets")
    for _ in range(3):
        await call.send("key")
    assert len(await _of_kind(services, door.tenant, Log.ACTIONS, "tickets.issue")) == 1


async def test_a_phone_that_binds_a_ticket_is_in_its_organizers_log(
    services: Services, door: Door
) -> None:
    (ticket,) = await door.issue()
    headers = bearer(ticket["claim_token"])
    for word in ("one", "one", "two"):
        url = "/v1/wallet/tickets/bind"
        await door.client.post(url, json=binding(word), headers=headers)
    rows = await _of_kind(services, door.tenant, Log.ACTIONS, "ticket.bind")
    assert [(row["before"], row["after"]) for row in rows] == [
        ({"generation": 1, "bound": False}, {"generation": 1, "bound": True}),
        ({"generation": 1, "bound": True}, {"generation": 2, "bound": True}),
    ]
    assert {(row["actor_kind"], row["actor_id"]) for row in rows} == {("wallet", None)}
    assert {row["object_id"] for row in rows} == {ticket["ticket_id"]}
    assert ticket["claim_token"] not in str(rows)


async def test_a_wallet_cannot_write_in_another_organizers_log(
    services: Services, door: Door, other_tenant: Tenant, administrator: AsyncConnection
) -> None:
    (ticket,) = await door.issue()
    claims = {"role": "zeraket_wallet", "token": ticket["claim_token"]}
    entry = {
        "id": str(services.new_id()),
        "happened_at": "2026-12-01T00:00:00+00:00",
        "organizer_id": str(other_tenant.organizer_id),
        "kind": "ticket.bind",
        "object_kind": "ticket",
        "object_id": ticket["ticket_id"],
    }
    await administrator.execute(text("BEGIN"))
    say = "SELECT set_config('role', :role, true), set_config('zeraket.token', :token, true)"
    await administrator.execute(text(say), claims)
    record = text("SELECT private.record_action(CAST(:entry AS jsonb))")
    await administrator.execute(record, {"entry": json.dumps(entry)})
    await administrator.execute(text("COMMIT"))
    (row,) = await rows_about(administrator, Log.ACTIONS, ticket["ticket_id"])
    assert row["organizer_id"] == door.tenant.organizer_id


async def test_a_kiosk_that_enrols(services: Services, door: Door) -> None:
    kiosk, code = Kiosk(door.client), await door.code()
    for _ in range(2):
        await kiosk.enrol(code)
    row = await _one(services, door.tenant, "device.enrol")
    made = await _one(services, door.tenant, "enrolment_code.create")
    assert (row["object_id"], row["actor_kind"]) == (kiosk.device_id, "worker")
    assert row["before"] is None
    assert row["after"] == {
        "state": "enrolled",
        "deployment_id": door.deployment_id,
        "gate_id": door.gate_id,
        "enrolment_id": made["object_id"],
    }


async def test_a_kiosk_that_enrols_again(services: Services, door: Door) -> None:
    kiosk = await door.kiosk()
    await door.post(f"/devices/{kiosk.device_id}/revoke")
    await kiosk.enrol(await door.code())
    rows = await _of_kind(services, door.tenant, Log.ACTIONS, "device.enrol")
    assert [row["before"] for row in rows] == [None, {"state": "revoked"}]


async def test_a_session_that_went_silent_is_ended_by_the_server(
    services: Services, door: Door, clock: SettableClock
) -> None:
    strict = await make_door(door.client, door.tenant, door.event_id, stale_after_seconds=60)
    kiosk = await strict.kiosk()
    clock.advance(61_000)
    for _ in range(2):
        await end_stale_sessions(services)
    row = await _one(services, door.tenant, "scanner_session.stale")
    assert (row["object_id"], row["actor_kind"], row["actor_id"]) == (
        kiosk.session_id,
        "worker",
        None,
    )
    assert row["after"] == {"device_id": kiosk.device_id, "end_reason": "stale"}


async def test_a_kiosk_whose_journal_forks_is_put_in_quarantine(
    services: Services, door: Door
) -> None:
    kiosk = await door.kiosk()
    place = {
        "device_id": DeviceId(UUID(kiosk.device_id)),
        "gate_id": GateId(UUID(kiosk.enrolment["gate_id"])),
    }
    (made,) = a_chain(1, None, ticket_id=TicketId(1), **place)
    forked = chained(changed(made.entry, {"ticket_id": TicketId(2)}))
    for entry in (made, forked, forked):
        await kiosk.post(paths.SCANS, kiosk.batch([entry]))
    row = await _one(services, door.tenant, "device.state")
    assert (row["actor_kind"], str(row["actor_id"])) == ("device", kiosk.device_id)
    assert (row["before"], row["after"]) == ({"state": "enrolled"}, {"state": "quarantined"})


async def test_a_snapshot_that_is_asked_for_anew(services: Services, door: Door) -> None:
    answer = await door.post("/snapshots")
    row = await _one(services, door.tenant, "snapshot.rebuild")
    assert answer.status_code == 201
    assert (row["object_id"], row["actor_id"]) == (
        door.deployment_id,
        door.tenant.founder.user_id,
    )


@pytest.mark.parametrize(
    ("place", "object_kind"),
    [
        ("{deployment}/scans", "scans_of_deployment"),
        ("{deployment}/conflicts", "conflicts_of_deployment"),
        ("{organizer}/members", "members_of_organizer"),
        ("{organizer}/invitations", "invitations_of_organizer"),
    ],
)
async def test_reading_what_names_people_is_written_down(
    services: Services, door: Door, place: str, object_kind: str
) -> None:
    path = place.format(deployment=door.path, organizer=door.tenant.path)
    answer = await door.client.get(path, headers=door.tenant.headers)
    rows = await _of_kind(services, door.tenant, Log.ACCESSES, "read")
    assert answer.status_code == 200
    assert [(row["object_kind"], row["actor_id"]) for row in rows] == [
        (object_kind, door.tenant.founder.user_id)
    ]


async def test_a_kiosk_that_fetches_the_names_of_holders_is_written_down(
    services: Services, door: Door
) -> None:
    await door.issue()
    kiosk = await door.kiosk()
    manifest = json.loads(plain((await kiosk.get(paths.MANIFEST)).json()["manifest"]))
    path = paths.SNAPSHOT.format(sha256=manifest["sha256"])
    answer = await kiosk.get(path)
    (row,) = await _of_kind(services, door.tenant, Log.ACCESSES, "read")
    assert answer.status_code == 200
    assert (row["object_kind"], row["object_id"]) == ("snapshot", manifest["sha256"])
    assert (row["actor_kind"], str(row["actor_id"])) == ("device", kiosk.device_id)
