"""SQL on scans and what follows from them; a batch is written in a few statements, not in a few a
row.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import DeploymentId, EventId, OrganizerId
from shared.journal.chain import Head
from sync_server.admissions.models import Scan, StoredConflict
from sync_server.kit.pagination import PageRequest

Event = tuple[OrganizerId, EventId]

_INSERT_SCANS = text("""
    INSERT INTO scans (organizer_id, event_id, device_id, deployment_id, received_at, seq,
        scan_id, entry_hash, prev_hash, entry, gate_id, direction, ticket_id, verdict, admitted,
        gate_time_ms, earliest_ms, latest_ms)
    SELECT :organizer_id, :event_id, :device_id, :deployment_id, :received_at, sent.*
    FROM unnest(CAST(:seq AS bigint[]), CAST(:scan_id AS uuid[]), CAST(:entry_hash AS bytea[]),
        CAST(:prev_hash AS bytea[]), CAST(:entry AS bytea[]), CAST(:gate_id AS uuid[]),
        CAST(:direction AS text[]), CAST(:ticket_id AS bigint[]), CAST(:verdict AS text[]),
        CAST(:admitted AS boolean[]), CAST(:gate_time_ms AS bigint[]),
        CAST(:earliest_ms AS bigint[]), CAST(:latest_ms AS bigint[])) AS sent
""")
_INSERT_QUARANTINED = text("""
    INSERT INTO quarantined_entries (organizer_id, event_id, device_id, received_at, seq,
        entry_hash, entry, finding)
    SELECT :organizer_id, :event_id, :device_id, :received_at, sent.*
    FROM unnest(CAST(:seq AS bigint[]), CAST(:entry_hash AS bytea[]), CAST(:entry AS bytea[]),
        CAST(:finding AS text[])) AS sent
    ON CONFLICT DO NOTHING
""")
_LOCK_CHAIN = text("""
    INSERT INTO device_chains (organizer_id, event_id, device_id, contiguous_seq, head_hash)
    VALUES (:organizer_id, :event_id, :device_id, 0, :head_hash)
    ON CONFLICT (organizer_id, event_id, device_id)
        DO UPDATE SET contiguous_seq = device_chains.contiguous_seq
    RETURNING contiguous_seq, head_hash
""")
_ADVANCE_CHAIN = text("""
    UPDATE device_chains SET contiguous_seq = :seq, head_hash = :head_hash
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND device_id = :device_id
""")
_KNOWN = text("""
    SELECT seq, entry_hash, false AS put_aside FROM scans
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND device_id = :device_id
      AND seq = ANY(CAST(:seqs AS bigint[]))
    UNION ALL
    SELECT seq, entry_hash, true FROM quarantined_entries
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND device_id = :device_id
      AND seq = ANY(CAST(:seqs AS bigint[]))
""")
_LINKS = text("""
    SELECT seq, prev_hash, entry_hash FROM scans
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND device_id = :device_id
      AND seq > :seq
    UNION ALL
    SELECT seq, NULL, entry_hash FROM quarantined_entries
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND device_id = :device_id
      AND seq > :seq AND finding <> 'device_fork'
""")
_LOCK_TICKETS = text("""
    INSERT INTO ticket_admissions (organizer_id, event_id, ticket_id, inside, entries, updated_at)
    SELECT :organizer_id, :event_id, touched.id, false, 0, :now
    FROM unnest(CAST(:ticket_ids AS bigint[])) AS touched (id)
    ON CONFLICT (organizer_id, event_id, ticket_id) DO UPDATE SET updated_at = excluded.updated_at
""")
_ADMISSIONS_OF = text("""
    SELECT scan_id, device_id, seq, entry_hash, gate_id, direction, earliest_ms, latest_ms,
           ticket_id
    FROM scans
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND admitted
      AND ticket_id = ANY(CAST(:ticket_ids AS bigint[]))
""")
_COUNT_ENTERED = text("""
    SELECT count(*) FROM ticket_admissions
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND entries > 0
""")
_FOLD_ORDER = "earliest_ms, latest_ms, device_id, seq, entry_hash"
# The sweep of `shared.admission.fold` over all scans of an event, where they lie. What a device
# read twice needs no care: it enters nobody who is not inside already.
_BEYOND = text(f"""
    WITH followed AS (
        SELECT *, lag(direction) OVER (PARTITION BY ticket_id ORDER BY {_FOLD_ORDER}) AS before
        FROM scans
        WHERE organizer_id = :organizer_id AND event_id = :event_id AND admitted
          AND ticket_id IS NOT NULL
    ), moved AS (
        SELECT *, CASE WHEN direction = 'entry' AND before IS DISTINCT FROM 'entry' THEN 1
                       WHEN direction = 'exit' AND before = 'entry' THEN -1 ELSE 0 END AS moves
        FROM followed
    ), counted AS (
        SELECT *, sum(moves) OVER (ORDER BY {_FOLD_ORDER} ROWS UNBOUNDED PRECEDING) AS inside
        FROM moved
    )
    SELECT scan_id FROM counted WHERE moves = 1 AND inside > :capacity ORDER BY {_FOLD_ORDER}
""")  # noqa: S608 - columns of ours
_WRITE_STATES = text("""
    UPDATE ticket_admissions AS kept
    SET inside = folded.inside, entries = folded.entries, last_at_ms = folded.last_at_ms
    FROM unnest(CAST(:ticket_id AS bigint[]), CAST(:inside AS boolean[]),
        CAST(:entries AS bigint[]), CAST(:last_at_ms AS bigint[]))
        AS folded (ticket_id, inside, entries, last_at_ms)
    WHERE kept.organizer_id = :organizer_id AND kept.event_id = :event_id
      AND kept.ticket_id = folded.ticket_id
""")
_WRITE_CONFLICTS = text("""
    INSERT INTO conflicts AS kept (organizer_id, event_id, id, kind, subject, scan_ids, concurrent,
        found_at, changed_at)
    SELECT :organizer_id, :event_id, found.id, found.kind, found.subject, found.scan_ids,
        found.concurrent, :now, :now
    FROM jsonb_to_recordset(CAST(:found AS jsonb))
        AS found (id uuid, kind text, subject text, scan_ids uuid[], concurrent boolean)
    ON CONFLICT (organizer_id, event_id, kind, subject) DO UPDATE
    SET scan_ids = excluded.scan_ids, concurrent = excluded.concurrent,
        changed_at = excluded.changed_at, withdrawn_at = NULL,
        resolved_at = NULL, resolved_by = NULL, resolution = NULL
    WHERE kept.scan_ids <> excluded.scan_ids OR kept.withdrawn_at IS NOT NULL
    RETURNING kept.id
""")
_WITHDRAW = text("""
    UPDATE conflicts SET withdrawn_at = :now, changed_at = :now
    WHERE organizer_id = :organizer_id AND event_id = :event_id AND withdrawn_at IS NULL
      AND subject = ANY(CAST(:subjects AS text[]))
      AND NOT kind || ' ' || subject = ANY(CAST(:still AS text[]))
    RETURNING id
""")


async def lock_chain(session: AsyncSession, device: dict[str, Any], genesis: bytes) -> Head:
    """Hold a device's chain until commit, so that its batches are taken one after the other."""
    found = await session.execute(_LOCK_CHAIN, {**device, "head_hash": genesis})
    row = found.one()
    return Head(row.contiguous_seq, row.head_hash)


async def advance_chain(session: AsyncSession, device: dict[str, Any], head: Head) -> None:
    values = {**device, "seq": head.seq, "head_hash": head.entry_hash}
    await session.execute(_ADVANCE_CHAIN, values)


async def known_entries(
    session: AsyncSession, device: dict[str, Any], seqs: Sequence[int]
) -> tuple[dict[int, bytes], frozenset[tuple[int, bytes]]]:
    """Give the hashes of stored scans by number, and numbers with hashes of what was put aside."""
    rows = (await session.execute(_KNOWN, {**device, "seqs": list(seqs)})).all()
    stored = {row.seq: row.entry_hash for row in rows if not row.put_aside}
    return stored, frozenset((row.seq, row.entry_hash) for row in rows if row.put_aside)


async def links_after(
    session: AsyncSession, device: dict[str, Any], seq: int
) -> list[tuple[int, bytes | None, bytes]]:
    rows = await session.execute(_LINKS, {**device, "seq": seq})
    return [(row.seq, row.prev_hash, row.entry_hash) for row in rows]


async def add_scans(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(_INSERT_SCANS, values)


async def add_quarantined(session: AsyncSession, values: dict[str, Any]) -> None:
    await session.execute(_INSERT_QUARANTINED, values)


async def lock_tickets(
    session: AsyncSession, event: Event, ticket_ids: Sequence[int], now: datetime
) -> None:
    """Hold tickets until commit, in one order for everybody, so that no fold misses another's
    scan.
    """
    values = {**_named(event), "ticket_ids": sorted(ticket_ids)}
    await session.execute(_LOCK_TICKETS, {**values, "now": now})


async def admissions_of(
    session: AsyncSession, event: Event, ticket_ids: Sequence[int]
) -> Sequence[Row[Any]]:
    values = {**_named(event), "ticket_ids": list(ticket_ids)}
    return (await session.execute(_ADMISSIONS_OF, values)).all()


async def lock_event(session: AsyncSession, event_id: EventId) -> None:
    """Let those who count an event's visitors do so in turn, each with what the last one wrote."""
    number = int.from_bytes(event_id.bytes[8:], signed=True)
    await session.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


async def count_entered(session: AsyncSession, event: Event) -> int:
    """Count the tickets that ever entered: no more than those can be inside at once."""
    return await session.scalar(_COUNT_ENTERED, _named(event)) or 0


async def entries_beyond(session: AsyncSession, event: Event, capacity: int) -> tuple[UUID, ...]:
    """Name the scans that brought somebody in when the event was full, in fold order."""
    found = await session.scalars(_BEYOND, {**_named(event), "capacity": capacity})
    return tuple(found)


async def write_states(session: AsyncSession, event: Event, columns: dict[str, Any]) -> None:
    await session.execute(_WRITE_STATES, {**_named(event), **columns})


async def write_conflicts(
    session: AsyncSession, event: Event, rows: Sequence[dict[str, Any]], now: datetime
) -> Sequence[UUID]:
    """Write conflicts, and give the ids of those that are new or have new evidence."""
    if not rows:
        return ()
    values = {"organizer_id": event[0], "event_id": event[1], "now": now}
    found = json.dumps(rows, default=str)
    return (await session.scalars(_WRITE_CONFLICTS, {**values, "found": found})).all()


async def withdraw_conflicts(session: AsyncSession, values: dict[str, Any]) -> Sequence[UUID]:
    """Withdraw what is explained by now, and give the ids."""
    return (await session.scalars(_WITHDRAW, values)).all()


async def list_scans(
    session: AsyncSession, event: Event, deployment_id: DeploymentId, page: PageRequest
) -> Sequence[Scan]:
    query = (
        select(Scan)
        .where(
            Scan.organizer_id == event[0],
            Scan.event_id == event[1],
            Scan.deployment_id == deployment_id,
        )
        .order_by(Scan.scan_id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(Scan.scan_id > page.after)
    return (await session.scalars(query)).all()


async def list_conflicts(
    session: AsyncSession, event: Event, page: PageRequest
) -> Sequence[StoredConflict]:
    query = (
        select(StoredConflict)
        .where(StoredConflict.organizer_id == event[0], StoredConflict.event_id == event[1])
        .order_by(StoredConflict.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(StoredConflict.id > page.after)
    return (await session.scalars(query)).all()


async def resolve_conflict(
    session: AsyncSession, event: Event, conflict_id: UUID, values: dict[str, Any]
) -> StoredConflict | None:
    return await session.scalar(
        update(StoredConflict)
        .where(
            StoredConflict.organizer_id == event[0],
            StoredConflict.event_id == event[1],
            StoredConflict.id == conflict_id,
        )
        .values(values)
        .returning(StoredConflict),
    )


def _named(event: Event) -> dict[str, Any]:
    return {"organizer_id": event[0], "event_id": event[1]}
