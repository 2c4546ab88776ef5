"""What each domain tells when something happens, to whom, and that it is ids and counts only."""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import DeviceId, GateId, ScanId, new_uuid7, ticket_id_from_hex
from shared.journal.chain import ChainedEntry
from shared.journal.entry import GENESIS_HASH
from shared.wire import paths
from sync_server.deployments.stale_sessions import end_stale_sessions
from sync_server.kit import channels
from tests.factories.admission import NOW_MS
from tests.factories.credentials import P256Holder
from tests.factories.journal import an_entry, chained
from tests.factories.scanners import Kiosk, new_key
from tests.factories.tenants import make_person
from tests.integration.realtime.stage import Stage

_PLAIN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{16}")
Told = dict[str, Any]


async def _told(administrator: AsyncConnection, *kinds: str) -> list[tuple[str, list[str], Told]]:
    """What was written under some names, by whomever, in the order of writing."""
    query = text("SELECT kind, channels, payload FROM outbox WHERE kind = ANY(:kinds) ORDER BY id")
    rows = await administrator.execute(query, {"kinds": list(kinds)})
    return [(row.kind, row.channels, row.payload) for row in rows]


async def _told_of(
    administrator: AsyncConnection, stage: Stage, *kinds: str
) -> list[tuple[str, list[str], Told]]:
    """The same, of one organizer's event."""
    rows = await _told(administrator, *kinds)
    return [row for row in rows if row[2].get("event_id") == str(stage.event_id)]


async def test_issued_tickets_are_counted_for_sales(
    stage: Stage, administrator: AsyncConnection
) -> None:
    await stage.door.issue(3)
    told = await _told_of(administrator, stage, "tickets.issued")
    sales = [channels.event_sales(stage.event_id)]
    assert [(names, news["tickets"]) for _, names, news in told] == [(sales, 1), (sales, 3)]


async def test_tickets_issued_again_for_one_key_are_told_once(
    stage: Stage, administrator: AsyncConnection
) -> None:
    path = f"{stage.door.event_path}/ticket-types"
    types = (await stage.client.get(path, headers=stage.tenant.headers)).json()["items"]
    body = {"tickets": [{"ticket_type_id": types[0]["id"]}] * 7}
    headers = {**stage.tenant.headers, "Idempotency-Key": "once"}
    for _ in range(2):
        await stage.client.post(f"{stage.door.event_path}/tickets", json=body, headers=headers)
    told = await _told_of(administrator, stage, "tickets.issued")
    assert [news["tickets"] for _, _, news in told] == [1, 7]


async def test_what_becomes_of_a_ticket_is_told_to_those_who_listen_to_it(
    stage: Stage, administrator: AsyncConnection
) -> None:
    bound = await _bind(stage, P256Holder("one"))
    again = await _bind(stage, P256Holder("one"))
    await stage.change_status("blocked")
    await stage.change_status("blocked")
    await stage.transfer()
    kinds = ("ticket.bound", "ticket.status", "ticket.transferred")
    told = await _told_of(administrator, stage, *kinds)
    ticket_id = stage.ticket["ticket_id"]
    common = {"event_id": str(stage.event_id), "ticket_id": ticket_id}
    names = [channels.event_ticket(stage.event_id, ticket_id)]
    assert (bound.status_code, again.status_code) == (200, 200)
    assert told == [
        ("ticket.bound", names, {**common, "generation": 1}),
        ("ticket.status", names, {**common, "generation": 1}),
        ("ticket.transferred", names, {**common, "generation": 2}),
    ]


async def _bind(stage: Stage, holder: P256Holder) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stage.wallet_token}"}
    key = b64encode(holder.key.encoded).decode()
    named = {"holder_algorithm": "p256", "holder_key": key}
    return await stage.client.post("/v1/wallet/tickets/bind", json=named, headers=headers)


async def test_a_binding_to_another_phone_tells_the_new_generation(
    stage: Stage, administrator: AsyncConnection
) -> None:
    for word in ("one", "two"):
        await _bind(stage, P256Holder(word))
    told = await _told_of(administrator, stage, "ticket.bound")
    assert [news["generation"] for _, _, news in told] == [1, 2]


def _scans(kiosk: Kiosk, ticket: str, *changes: Mapping[str, object]) -> list[ChainedEntry]:
    """A kiosk's first entries, a second apart: admissions, but for what is changed."""
    made: list[ChainedEntry] = []
    device_id = UUID(kiosk.device_id)
    for seq, change in enumerate(changes, start=1):
        usual: dict[str, object] = {
            "scan_id": ScanId(new_uuid7(NOW_MS + seq, device_id.bytes[-8:] + seq.to_bytes(2))),
            "device_id": DeviceId(device_id),
            "gate_id": GateId(UUID(kiosk.enrolment["gate_id"])),
            "seq": seq,
            "monotonic_ns": seq * 1_000_000_000,
            "gate_time_ms": NOW_MS + seq * 1_000,
            "ticket_id": ticket_id_from_hex(ticket),
            "prev_hash": made[-1].entry_hash if made else GENESIS_HASH,
        }
        made.append(chained(an_entry(**{**usual, **change})))
    return made


async def _upload(kiosk: Kiosk, entries: list[ChainedEntry]) -> None:
    answer = await kiosk.post(paths.SCANS, kiosk.batch(entries))
    assert answer.status_code == 200, answer.text


async def test_scans_are_counted_for_their_gate_once(
    stage: Stage, administrator: AsyncConnection
) -> None:
    kiosk = await stage.door.kiosk()
    refused = {"verdict": "REVOKED", "reasons": ("REVOKED",)}
    entries = _scans(kiosk, stage.ticket["ticket_id"], {}, refused)
    for _ in range(2):
        await _upload(kiosk, entries)
    ((_, names, news),) = await _told_of(administrator, stage, "scans.taken")
    gate_id = UUID(kiosk.enrolment["gate_id"])
    event_id = stage.event_id
    assert names == [channels.event_gate(event_id, gate_id), channels.event_gates(event_id)]
    counted = {"scans": 2, "entries": 1, "exits": 0, "refused": 1}
    assert news == {"event_id": str(event_id), "gate_id": str(gate_id), **counted}


async def test_a_batch_of_two_gates_is_told_gate_by_gate(
    stage: Stage, administrator: AsyncConnection
) -> None:
    kiosk = await stage.door.kiosk()
    elsewhere = {"gate_id": GateId(stage.event_id), "direction": "exit"}
    await _upload(kiosk, _scans(kiosk, stage.ticket["ticket_id"], {}, elsewhere))
    told = await _told_of(administrator, stage, "scans.taken")
    counts = [(news["entries"], news["exits"]) for _, _, news in told]
    assert counts == [(1, 0), (0, 1)]


async def test_conflicts_are_alerts_from_finding_to_resolving(
    stage: Stage, administrator: AsyncConnection
) -> None:
    """Two gates let the same ticket in; an exit between them that comes late explains it."""
    first, second = await stage.door.kiosk(), await stage.door.kiosk()
    ticket = stage.ticket["ticket_id"]
    left = {"direction": "exit", "gate_time_ms": NOW_MS + 60_000}
    begun = _scans(first, ticket, {}, left)
    await _upload(first, begun[:1])
    await _upload(second, _scans(second, ticket, {"gate_time_ms": NOW_MS + 120_000}))
    (conflict,) = (await stage.door.get("/conflicts")).json()["items"]
    path = f"/conflicts/{conflict['id']}/resolve"
    resolved = await stage.door.post(path, {"reason": "twins"})
    await _upload(first, begun[1:])
    kinds = ("conflict.found", "conflict.resolved", "conflict.withdrawn")
    told = await _told_of(administrator, stage, *kinds)
    alerts = [channels.organizer_alerts(stage.tenant.organizer_id)]
    assert resolved.status_code == 200
    assert [(kind, names, news["conflict_id"]) for kind, names, news in told] == [
        (kind, alerts, conflict["id"]) for kind in kinds
    ]


async def test_a_device_whose_journal_forks_is_an_alert_once(
    stage: Stage, administrator: AsyncConnection
) -> None:
    kiosk = await stage.door.kiosk()
    ticket = stage.ticket["ticket_id"]
    for change in ({}, {"direction": "exit"}, {"direction": "exit", "generation": 2}):
        await _upload(kiosk, _scans(kiosk, ticket, change))
    told = await _told_of(administrator, stage, "device.quarantined")
    assert [news["device_id"] for _, _, news in told] == [kiosk.device_id]


async def test_a_revoked_session_and_its_stopped_device_are_alerts(
    stage: Stage, administrator: AsyncConnection
) -> None:
    kiosk = await stage.door.kiosk()
    for _ in range(2):
        await stage.door.post(f"/sessions/{kiosk.session_id}/revoke")
    ids = {
        "event_id": str(stage.event_id),
        "deployment_id": stage.door.deployment_id,
        "device_id": kiosk.device_id,
    }
    told = await _told_of(administrator, stage, "scanner_session.revoked", "device.stopped")
    alerts = [channels.organizer_alerts(stage.tenant.organizer_id)]
    assert told == [
        ("scanner_session.revoked", alerts, {**ids, "session_id": kiosk.session_id}),
        ("device.stopped", alerts, ids),
    ]


async def test_a_revoked_device_loses_its_session_with_an_alert(
    stage: Stage, administrator: AsyncConnection
) -> None:
    kiosk = await stage.door.kiosk()
    await stage.door.post(f"/devices/{kiosk.device_id}/revoke")
    told = await _told_of(administrator, stage, "scanner_session.revoked")
    assert [news["session_id"] for _, _, news in told] == [kiosk.session_id]


async def test_a_silent_scanner_is_an_alert(
    stage: Stage, administrator: AsyncConnection, clock: SettableClock
) -> None:
    kiosk = await stage.door.kiosk()
    clock.advance(24 * 3_600_000)
    await end_stale_sessions(stage.services)
    await end_stale_sessions(stage.services)
    told = await _told_of(administrator, stage, "scanner_session.stale", "device.stopped")
    assert [(kind, news["device_id"]) for kind, _, news in told] == [
        ("scanner_session.stale", kiosk.device_id),
        ("device.stopped", kiosk.device_id),
    ]


async def test_a_person_hears_of_their_own_sessions(
    stage: Stage, administrator: AsyncConnection
) -> None:
    person = await make_person(stage.services)
    ended = await stage.client.delete("/v1/me/sessions", headers=person.headers)
    name = channels.person(person.user_id)
    told = await _told(administrator, "session.started", "session.ended")
    own = [(kind, news) for kind, names, news in told if name in names]
    assert ended.status_code == 200
    assert [kind for kind, _ in own] == ["session.started", "session.ended"]
    assert own[0][1] == own[1][1]


@pytest.mark.parametrize("undone", ["issue", "status"])
async def test_what_is_refused_is_not_told(
    stage: Stage, administrator: AsyncConnection, undone: str
) -> None:
    before = await _told_of(administrator, stage, "tickets.issued", "ticket.status")
    body: Told = {"tickets": [{"ticket_type_id": stage.door.gate_id}]}
    paths_ = {"issue": "/tickets", "status": f"/tickets/{stage.ticket['ticket_id']}/status"}
    bodies: dict[str, Told] = {"issue": body, "status": {"status": "transferred", "reason": "x"}}
    place = stage.door.event_path + paths_[undone]
    headers = {**stage.tenant.headers, **new_key()}
    answer = await stage.client.post(place, json=bodies[undone], headers=headers)
    assert answer.status_code in {404, 409}
    assert await _told_of(administrator, stage, "tickets.issued", "ticket.status") == before


async def test_every_message_carries_ids_and_numbers_only(
    stage: Stage, administrator: AsyncConnection
) -> None:
    """No name, code, token or address: whatever the tests beside this one made happen."""
    await stage.change_status("cancelled")
    rows = await administrator.execute(
        text("SELECT kind, payload FROM outbox WHERE kind NOT LIKE 'test.%'")
    )
    found = [(row.kind, value) for row in rows for value in _values(row.payload)]
    loose = [(kind, value) for kind, value in found if not _is_plain(value)]
    assert found
    assert loose == []


def _values(payload: Told) -> Iterator[object]:
    for value in payload.values():
        yield from value if isinstance(value, list) else [value]


def _is_plain(value: object) -> bool:
    return isinstance(value, int) or _PLAIN.fullmatch(str(value)) is not None
