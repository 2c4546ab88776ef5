"""SQL on tickets; every statement names the organizer although RLS would, but where a claim token
alone is known.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from sync_server.kit.prepared import insertion
from sync_server.tickets.models import EventFreeze, Ticket, TicketBinding

CURRENT_XID = text("pg_current_xact_id()::text::bigint")


async def add_tickets(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    await insertion(Ticket, tuple(rows[0])).send_all(session, rows)


async def list_tickets(
    session: AsyncSession,
    event: tuple[OrganizerId, EventId],
    after: int | None,
    limit: int,
) -> Sequence[Ticket]:
    """Give up to `limit` tickets in the order of their stored ids."""
    query = (
        select(Ticket)
        .where(Ticket.organizer_id == event[0], Ticket.event_id == event[1])
        .order_by(Ticket.id)
        .limit(limit)
    )
    if after is not None:
        query = query.where(Ticket.id > after)
    return (await session.scalars(query)).all()


async def find_ticket(
    session: AsyncSession,
    event: tuple[OrganizerId, EventId],
    stored_id: int,
    *,
    for_change: bool = False,
) -> Ticket | None:
    return await session.get(Ticket, (*event, stored_id), with_for_update=for_change or None)


async def find_claimed(
    session: AsyncSession, claim_hash: bytes, *, for_change: bool = False
) -> Ticket | None:
    query = select(Ticket).where(Ticket.claim_token_hash == claim_hash)
    return await session.scalar(query.with_for_update() if for_change else query)


async def change_ticket(session: AsyncSession, ticket: Ticket, values: dict[str, Any]) -> None:
    """Write columns of one ticket; the table's trigger tells the change stream."""
    await session.execute(
        update(Ticket)
        .where(
            Ticket.organizer_id == ticket.organizer_id,
            Ticket.event_id == ticket.event_id,
            Ticket.id == ticket.id,
        )
        .values(values)
        .execution_options(synchronize_session=False),
    )


async def add_binding(session: AsyncSession, binding: TicketBinding) -> None:
    session.add(binding)
    await session.flush()


async def count_bindings(session: AsyncSession, claim_hash: bytes, since: datetime) -> int:
    query = select(func.count()).where(
        TicketBinding.claim_token_hash == claim_hash, TicketBinding.bound_at > since
    )
    return await session.scalar(query) or 0


async def list_bindings(session: AsyncSession, ticket: Ticket) -> Sequence[TicketBinding]:
    query = (
        select(TicketBinding)
        .where(
            TicketBinding.organizer_id == ticket.organizer_id,
            TicketBinding.event_id == ticket.event_id,
            TicketBinding.ticket_id == ticket.id,
        )
        .order_by(TicketBinding.generation)
    )
    return (await session.scalars(query)).all()


async def oldest_freeze(
    session: AsyncSession, organizer_id: OrganizerId, event_id: EventId
) -> int | None:
    """Give the transaction below which every deployment's snapshot knows all; None without one."""
    query = select(func.min(EventFreeze.cursor_xid)).where(
        EventFreeze.organizer_id == organizer_id, EventFreeze.event_id == event_id
    )
    return await session.scalar(query)


async def record_freeze(session: AsyncSession, freeze: dict[str, Any]) -> None:
    statement = postgresql.insert(EventFreeze).values(freeze)
    await session.execute(
        statement.on_conflict_do_update(
            constraint="pk_event_freezes",
            set_={"cursor_xid": freeze["cursor_xid"], "frozen_at": freeze["frozen_at"]},
        ),
    )


async def all_states(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    states = (Ticket.event_id, Ticket.id, Ticket.status, Ticket.status_reason)
    query = select(*states).where(Ticket.organizer_id == organizer_id)
    return (await session.execute(query)).all()


async def tickets_by_id(
    session: AsyncSession, event: tuple[OrganizerId, EventId], stored_ids: Sequence[int]
) -> Sequence[Ticket]:
    query = select(Ticket).where(
        Ticket.organizer_id == event[0], Ticket.event_id == event[1], Ticket.id.in_(stored_ids)
    )
    return (await session.scalars(query)).all()
