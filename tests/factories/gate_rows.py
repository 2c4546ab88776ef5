"""One row in every table of the gate's server, put there by the superuser, for isolation tests."""

from secrets import token_bytes
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.ids import EventId, new_uuid7
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
    """,
    """
    INSERT INTO idempotent_answers VALUES (:organizer, 'key', :some_id, :hash, :hash, now())
    """,
    """
    INSERT INTO deployments VALUES (:organizer, :event, :deployment, 'Doors',
        ARRAY[CAST(:some_id AS uuid)], '{}', 60, false, now(), 0)
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
        :hash, 1, now(), now(), NULL, NULL)
    """,
    """
    INSERT INTO snapshots VALUES (:organizer, :event, :deployment, 1, :some_id, repeat('a', 64),
        1, 1, 1, 0, now(), :hash, :hash, :hash, :hash)
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
    VALUES (:organizer, :event, :some_id, 'device_fork', 'x', '{}', false, now(), now())
    """,
    """
    INSERT INTO device_heartbeats VALUES (:organizer, :event, :deployment, :device, now(), '{}')
    """,
)


async def fill_gate_tables(
    administrator: AsyncConnection, tenant: Tenant, event_id: EventId
) -> None:
    """Insert a row of this event into each table."""
    values: dict[str, Any] = {
        "organizer": tenant.organizer_id,
        "event": event_id,
        "deployment": _some_id(),
        "device": _some_id(),
        "some_id": _some_id(),
        "number": int.from_bytes(token_bytes(7), "big"),
        "core": token_bytes(18),
        "hash": token_bytes(32),
        "point": token_bytes(33),
    }
    for statement in _INSERTS:
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        await administrator.execute(text(statement), used)


def _some_id() -> UUID:
    return new_uuid7(_NOW_MS, token_bytes(10))
