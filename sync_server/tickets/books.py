"""Which tickets there are, for reconciliation, in the worker's transaction."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.tickets import repository


async def issued(session: AsyncSession, organizer_id: UUID) -> set[tuple[UUID, int]]:
    """Give every ticket of an organizer, by event and id as it is stored."""
    return {(row.event_id, row.id) for row in await repository.all_ids(session, organizer_id)}
