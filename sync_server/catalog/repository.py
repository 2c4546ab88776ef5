"""SQL on events and their parts; every statement names the organizer although RLS would."""

from collections.abc import Collection, Sequence
from typing import Final, TypeVar
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, ScalarSelect, Uuid, any_, bindparam, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute, undefer

from shared.ids import EventId, OrganizerId
from sync_server.catalog.models import (
    Event,
    Gate,
    StoredIssuerKey,
    StoredKeySet,
    TicketType,
    Zone,
)
from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest
from sync_server.kit.prepared import PreparedStatement, entity

EventPart = TypeVar("EventPart", Gate, Zone, TicketType)
StoredKey = TypeVar("StoredKey", StoredKeySet, StoredIssuerKey)
_EVENT = PreparedStatement(
    select(Event).where(
        Event.organizer_id == bindparam("organizer_id"), Event.id == bindparam("id")
    )
)
_TICKET_TYPE = PreparedStatement(
    select(TicketType).where(
        TicketType.organizer_id == bindparam("organizer_id"),
        TicketType.event_id == bindparam("event_id"),
        TicketType.id == bindparam("id"),
    )
)
_ISSUER: Final = "issuer"
_TYPES_AND_ISSUER = PreparedStatement(
    select(
        TicketType,
        select(StoredIssuerKey.ikid)
        .where(
            StoredIssuerKey.organizer_id == bindparam("organizer_id"),
            StoredIssuerKey.event_id == bindparam("event_id"),
            StoredIssuerKey.active,
        )
        .order_by(StoredIssuerKey.created_at.desc(), StoredIssuerKey.id.desc())
        .limit(1)
        .scalar_subquery()
        .label(_ISSUER),
    ).where(
        TicketType.organizer_id == bindparam("organizer_id"),
        TicketType.event_id == bindparam("event_id"),
        TicketType.id == any_(bindparam("ids", type_=ARRAY(Uuid))),
    )
)


async def add(session: AsyncSession, *rows: Base) -> None:
    session.add_all(rows)
    await session.flush()


async def find_event(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> Event | None:
    row = await _EVENT.row(session, {"organizer_id": organizer_id, "id": event_id})
    return None if row is None else entity(Event, row)


def status_of_event(
    organizer_id: ColumnElement[UUID], event_id: ColumnElement[UUID]
) -> ScalarSelect[str]:
    query = select(Event.status).where(Event.organizer_id == organizer_id, Event.id == event_id)
    return query.scalar_subquery()


async def lock_event(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> Event | None:
    """Hold the event until commit, so that numbers within it are given out one after the other."""
    return await session.get(Event, (organizer_id, event_id), with_for_update=True)


async def list_events(
    session: AsyncSession,
    organizer_id: OrganizerId,
    page: PageRequest,
) -> Sequence[Event]:
    query = (
        select(Event)
        .where(Event.organizer_id == organizer_id)
        .order_by(Event.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(Event.id > page.after)
    return (await session.scalars(query)).all()


async def list_parts(
    session: AsyncSession,
    part: type[EventPart],
    event: tuple[OrganizerId, EventId],
    page: PageRequest,
) -> Sequence[EventPart]:
    organizer_id, event_id = event
    query = (
        select(part)
        .where(part.organizer_id == organizer_id, part.event_id == event_id)
        .order_by(part.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(part.id > page.after)
    return (await session.scalars(query)).all()


async def all_parts(
    session: AsyncSession,
    part: type[EventPart],
    organizer_id: OrganizerId,
    event_id: EventId,
) -> Sequence[EventPart]:
    query = select(part).where(part.organizer_id == organizer_id, part.event_id == event_id)
    return (await session.scalars(query)).all()


async def find_ticket_type(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
    ticket_type_id: UUID,
) -> TicketType | None:
    values = {"organizer_id": organizer_id, "event_id": event_id, "id": ticket_type_id}
    row = await _TICKET_TYPE.row(session, values)
    return None if row is None else entity(TicketType, row)


async def taken_numbers(
    session: AsyncSession,
    column: InstrumentedAttribute[int],
    organizer_id: OrganizerId,
    event_id: EventId,
) -> set[int]:
    table = column.class_
    query = select(column).where(table.organizer_id == organizer_id, table.event_id == event_id)
    return set((await session.scalars(query)).all())


async def list_keys(
    session: AsyncSession,
    kind: type[StoredKey],
    organizer_id: OrganizerId,
    event_id: EventId,
) -> Sequence[StoredKey]:
    """Give an event's keys with what is sealed in them, oldest first; needs the worker's rights."""
    query = (
        select(kind)
        .options(undefer("*"))
        .where(kind.organizer_id == organizer_id, kind.event_id == event_id)
        .order_by(kind.created_at, kind.id)
    )
    return (await session.scalars(query)).all()


async def find_types_and_issuer(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
    ticket_type_ids: Collection[UUID],
) -> tuple[Sequence[TicketType], int | None]:
    """Give ticket types, and name the newest active key: under that one new tickets are made."""
    ids = list(ticket_type_ids)
    values = {"organizer_id": organizer_id, "event_id": event_id, "ids": ids}
    rows = [dict(row) for row in await _TYPES_AND_ISSUER.rows(session, values)]
    issuers = [row.pop(_ISSUER) for row in rows]
    return [entity(TicketType, row) for row in rows], next(iter(issuers), None)
