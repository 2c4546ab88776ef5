"""One row in every table of the gate's server, put there by the superuser, for isolation tests."""

from dataclasses import dataclass
from secrets import token_bytes, token_hex
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId, new_uuid7
from sync_server.kit.claims import token_hash
from tests.factories.tenants import Tenant

_NOW_MS: Final = 1_800_000_000_000
_INSERTS: Final = (
    """
    INSERT INTO tickets (organizer_id, event_id, id, ticket_type_id, generation, status,
        status_changed_at, core, attention, claim_token_hash, created_at)
    VALUES (:organizer, :event, :number, :some_id, 1, 'valid', now(), :core, false, :hash, now())
    """,
    """
    INSERT INTO ticket_bindings VALUES (:organizer, :event, :number, 1, 1, now(), :hash)
    """,
    """
    INSERT INTO event_freezes VALUES (:organizer, :event, :deployment, 1, now())
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO idempotent_answers VALUES
        (:organizer, CAST(:founder AS text), encode(:hash, 'hex'), :some_id, :hash, :hash, now()),
        (:organizer, encode(:hash, 'hex'), 'of a phone', :some_id, :hash, :hash, now()),
        (:organizer, encode(:hash, 'hex'), 'old', :some_id, :hash, :hash, '-infinity')
    """,
    """
    INSERT INTO deployments VALUES (:organizer, :event, :deployment, 'Doors',
        ARRAY[CAST(:some_id AS uuid)], '{}', 60, false, now(), 0)
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO enrolment_codes (organizer_id, event_id, deployment_id, id, gate_id, code_hash,
        created_by, created_at, expires_at)
    VALUES (:organizer, :event, :deployment, :some_id, :some_id, :hash, :some_id, now(), now())
    """,
    """
    INSERT INTO devices VALUES (:organizer, :event, :deployment, :device, :some_id, 'Kiosk',
        'enrolled', :point, :point, '123456', '', now())
    """,
    """
    INSERT INTO scanner_sessions VALUES (:organizer, :event, :deployment, :device, :some_id,
        :session_hash, 1, now(), now(), NULL, NULL)
    """,
    """
    INSERT INTO snapshots VALUES (:organizer, :event, :deployment, 1, :some_id, repeat('a', 64),
        1, 1, 1, 0, now(), :hash, :hash, :hash, :hash)
    ON CONFLICT DO NOTHING
    """,
    """
    INSERT INTO scans VALUES (:organizer, :event, :device, 1, :deployment, :some_id, :hash, :hash,
        :hash, :some_id, 'entry', :number, 'ADMIT', true, 1, 1, 1, now())
    """,
    """
    INSERT INTO quarantined_entries VALUES (:organizer, :event, :device, 1, :hash, :hash,
        'altered', now())
    """,
    """
    INSERT INTO device_chains VALUES (:organizer, :event, :device, 1, :hash)
    """,
    """
    INSERT INTO ticket_admissions VALUES (:organizer, :event, :number, true, 1, 1, now())
    """,
    """
    INSERT INTO conflicts (organizer_id, event_id, id, kind, subject, scan_ids, concurrent,
        found_at, changed_at)
    VALUES (:organizer, :event, :some_id, 'device_fork', encode(:hash, 'hex'), '{}', false, now(),
        now())
    """,
    """
    INSERT INTO device_heartbeats VALUES (:organizer, :event, :deployment, :device, now(),
        jsonb_build_object('queue_length', 0, 'journal_seq', 1, 'snapshot_version', 1,
            'camera', 'good', 'reader', 'absent', 'clock', 'good', 'clock_uncertainty_ms', 1,
            'battery_percent', NULL, 'software_version', ''))
    """,
)


@dataclass(frozen=True, slots=True)
class GateRows:
    """Whose rows they are, and the tokens that open the scanner session and the ticket."""

    event: UUID
    deployment: UUID
    device: UUID
    session: UUID
    session_token: str
    claim_token: str


async def fill_gate_tables(
    administrator: AsyncConnection,
    tenant: Tenant,
    event_id: EventId,
    deployment_id: UUID | None = None,
) -> GateRows:
    """Insert a row of this event into each table."""
    deployment = deployment_id or _some_id()
    rows = GateRows(event_id, deployment, _some_id(), _some_id(), token_hex(32), token_hex(32))
    values: dict[str, Any] = {
        "organizer": tenant.organizer_id,
        "founder": str(tenant.founder.user_id),
        "event": event_id,
        "deployment": rows.deployment,
        "device": rows.device,
        "some_id": rows.session,
        "number": int.from_bytes(token_bytes(7), "big"),
        "core": token_bytes(18),
        "hash": token_hash(rows.claim_token),
        "session_hash": token_hash(rows.session_token),
        "point": token_bytes(33),
    }
    for statement in _INSERTS:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        await administrator.execute(text(statement), used)
    return rows


def _some_id() -> UUID:
    return new_uuid7(_NOW_MS, token_bytes(10))
