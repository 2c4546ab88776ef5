"""The change stream of an event: written in the transaction that changes something, read below
every open one.

A reader asks for what follows a cursor `(xid, id)` and never sees past the oldest transaction that
is still open, so a commit that comes late is never skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import DeploymentId, EventId, OrganizerId, from_signed_64
from shared.journal.entry import Cursor
from shared.wire.changes import Change, PassageHeard, RulesChanged, TicketChanged
from sync_server.kit.horizon import HORIZON
from sync_server.tickets import repository
from sync_server.tickets.models import StoredChange, Ticket

BEGINNING: Final = Cursor(0, 0)


@dataclass(frozen=True, slots=True)
class Stream:
    """One event's changes as one deployment hears them."""

    organizer_id: OrganizerId
    event_id: EventId
    deployment_id: DeploymentId


@dataclass(frozen=True, slots=True)
class StreamPage:
    """Changes in order, and where the next page begins."""

    changes: tuple[Change, ...]
    cursor: Cursor
    more: bool


async def announce_rules(session: AsyncSession, stream: Stream, rules: RulesChanged) -> None:
    """Tell the devices of one deployment its new rules."""
    await _append(
        session, [_row(stream, "rules", rules.model_dump(mode="json", exclude_unset=True))]
    )


async def announce_passages(
    session: AsyncSession, stream: Stream, passages: Sequence[PassageHeard]
) -> None:
    """Tell every gate of the event who was let through."""
    rows = [_row(stream, "passage", passage.model_dump(mode="json")) for passage in passages]
    if rows:
        await _append(session, rows)


async def _append(session: AsyncSession, rows: list[dict[str, Any]]) -> None:
    """Write rows without reading them back: who announces may not read the stream."""
    await session.execute(insert(StoredChange.__table__).inline(), rows)  # type: ignore[arg-type]


def _row(stream: Stream, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "organizer_id": stream.organizer_id,
        "event_id": stream.event_id,
        "kind": kind,
        "deployment_id": stream.deployment_id if kind == "rules" else None,
        "payload": payload,
    }


async def horizon(session: AsyncSession) -> Cursor:
    """Give the cursor below which this transaction sees every change there will ever be."""
    xid = await session.scalar(text(f"SELECT {HORIZON}"))
    return Cursor(int(xid or 0), 0)


async def read_page(session: AsyncSession, stream: Stream, after: Cursor, limit: int) -> StreamPage:
    """Read up to `limit` changes that follow the cursor; tickets come as they stand now."""
    place = tuple_(StoredChange.xid, StoredChange.id)
    query = (
        select(StoredChange)
        .where(
            StoredChange.organizer_id == stream.organizer_id,
            StoredChange.event_id == stream.event_id,
            place > (after.xid, after.id),
            StoredChange.xid < text(HORIZON),
        )
        .order_by(StoredChange.xid, StoredChange.id)
        .limit(limit + 1)
    )
    rows = (await session.scalars(query)).all()
    shown = rows[:limit]
    cursor = Cursor(shown[-1].xid, shown[-1].id) if shown else after
    return StreamPage(await _changes(session, stream, shown), cursor, len(rows) > limit)


async def _changes(
    session: AsyncSession, stream: Stream, rows: Sequence[StoredChange]
) -> tuple[Change, ...]:
    last_place = {row.ticket_id: row.id for row in rows if row.ticket_id is not None}
    event = (stream.organizer_id, stream.event_id)
    found = await repository.tickets_by_id(session, event, list(last_place))
    tickets = {ticket.id: ticket_changed(ticket) for ticket in found}
    changes: list[Change] = []
    for row in rows:
        if row.ticket_id is not None:
            # A ticket that changed often in one page is told once, as it now stands.
            told = row.id == last_place[row.ticket_id] and row.ticket_id in tickets
            changes.extend([tickets[row.ticket_id]] if told else [])
        elif row.kind == "passage":
            changes.append(PassageHeard.model_validate(row.payload))
        elif row.deployment_id == stream.deployment_id:
            changes.append(RulesChanged.model_validate({"kind": "rules", **(row.payload or {})}))
    return tuple(changes)


def ticket_changed(ticket: Ticket) -> TicketChanged:
    return TicketChanged.model_validate(
        {
            "kind": "ticket",
            "ticket_id": from_signed_64(ticket.id),
            "generation": ticket.generation,
            "status": ticket.status,
            "holder_algorithm": ticket.holder_algorithm,
            "holder_key": ticket.holder_key,
            "core": ticket.core,
            "medium": ticket.medium,
            "attention": ticket.attention,
            "holder_name": ticket.holder_name,
            "seat": ticket.seat,
        }
    )


async def newest_places(session: AsyncSession, event_ids: Sequence[UUID]) -> dict[UUID, Cursor]:
    """Give the newest readable place of each event that has changes."""
    query = text(
        f"""
        SELECT wanted.id AS event_id, newest.xid, newest.id
        FROM unnest(CAST(:event_ids AS uuid[])) AS wanted (id),
        LATERAL (
            SELECT xid, id FROM changes
            WHERE event_id = wanted.id AND xid < {HORIZON}
            ORDER BY xid DESC, id DESC LIMIT 1
        ) AS newest
        """,  # noqa: S608 - the horizon is an expression of ours
    )
    found = await session.execute(query, {"event_ids": list(event_ids)})
    return {row.event_id: Cursor(row.xid, row.id) for row in found}
