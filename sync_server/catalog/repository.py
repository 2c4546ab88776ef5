"""SQL on events and their parts; every statement names the organizer although RLS would."""

from collections.abc import Sequence
from typing import TypeVar
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

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

EventPart = TypeVar("EventPart", Gate, Zone, TicketType)
StoredKey = TypeVar("StoredKey", StoredKeySet, StoredIssuerKey)


async def add(session: AsyncSession, *rows: Base) -> None:
    session.add_all(rows)
    await session.flush()


async def find_event(
    session: AsyncSession,
    organizer_id: OrganizerId,
    event_id: EventId,
) -> Event | None:
    return await session.get(Event, (organizer_id, event_id))


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
    return await session.get(TicketType, (organizer_id, event_id, ticket_type_id))


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
    """Give an event's keys, oldest first."""
    query = (
        select(kind)
        .where(kind.organizer_id == organizer_id, kind.event_id == event_id)
        .order_by(kind.created_at, kind.id)
    )
    return (await session.scalars(query)).all()
