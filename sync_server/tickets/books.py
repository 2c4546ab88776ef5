"""Which tickets there are, for reconciliation, in the worker's transaction."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import TicketStatus
from sync_server.tickets import repository


@dataclass(frozen=True, slots=True)
class IssuedTicket:
    """`reason` is why it has its status; a new one has none."""

    status: TicketStatus
    reason: str | None


async def issued(
    session: AsyncSession, organizer_id: UUID
) -> Mapping[tuple[UUID, int], IssuedTicket]:
    """Give every ticket of an organizer, by event and id as it is stored."""
    rows = await repository.all_states(session, organizer_id)
    return {
        (row.event_id, row.id): IssuedTicket(TicketStatus(row.status), row.status_reason)
        for row in rows
    }
