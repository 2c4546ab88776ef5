"""Tickets as orders have them issued and taken back: in the server's own name, in the transaction
in which the money came or went.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import TicketStatus
from shared.ids import EventId, OrganizerId, TicketId, to_signed_64
from sync_server.catalog import service as catalog
from sync_server.kit import channels
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.tickets import repository
from sync_server.tickets.models import Ticket
from sync_server.tickets.rules import (
    CLAIM_TOKEN_BYTES,
    VALIDITY_UNITS_MAX,
    ClaimToken,
    ValidityUnits,
    claim_token,
    may_follow,
)
from sync_server.tickets.schemas import NewTicket
from sync_server.tickets.service import first_core, new_row, news_of

_ALWAYS: Final = ValidityUnits(0, VALIDITY_UNITS_MAX)


@dataclass(frozen=True, slots=True)
class SoldTicket:
    """A new ticket and the secret that opens it in a wallet."""

    id: TicketId
    claim_token: ClaimToken = field(repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """A state for some tickets, and why. `undoes` takes a change back that was made for that
    reason, and no other.
    """

    ticket_ids: Sequence[TicketId]
    status: TicketStatus
    reason: str
    undoes: str | None = None


async def issue_sold(
    session: AsyncSession,
    services: Services,
    event: tuple[OrganizerId, EventId],
    ticket_type_ids: Sequence[UUID],
) -> list[SoldTicket]:
    """Make a ticket of each type named, in that order; needs the worker's transaction. `issued` is
    the news of it.
    """
    organizer_id, event_id = event
    made_of = await catalog.issuing(session, organizer_id, event_id, ticket_type_ids)
    now = instant(services.clock.now_ms())
    sold: list[SoldTicket] = []
    rows: list[dict[str, object]] = []
    for type_id in ticket_type_ids:
        core = first_core(services, made_of.types[type_id], _ALWAYS, made_of.issuer_key_id)
        token = claim_token(services.randomness(CLAIM_TOKEN_BYTES))
        row = new_row(NewTicket(ticket_type_id=type_id), core, token, now)
        rows.append({"organizer_id": organizer_id, "event_id": event_id, **row})
        sold.append(SoldTicket(core.ticket_id, token))
    await repository.add_tickets(session, rows)
    return sold


def issued(event: tuple[OrganizerId, EventId], count: int) -> Message:
    """Tell whoever follows an event's sales."""
    organizer_id, event_id = event
    told = {"event_id": event_id, "tickets": count}
    return Message("tickets.issued", organizer_id, (channels.event_sales(event_id),), told)


async def change_sold(
    session: AsyncSession, services: Services, event: tuple[OrganizerId, EventId], wanted: Change
) -> int:
    """Give sold tickets another state where they may have it, and say how many that were; what an
    organizer did to one meanwhile stands. Needs the worker's transaction.
    """
    changed = 0
    # In one order, so that two who change the same tickets never wait for each other for ever.
    for stored_id in sorted(map(to_signed_64, wanted.ticket_ids)):
        ticket = await repository.find_ticket(session, event, stored_id, for_change=True)
        if ticket is None or not _may_become(ticket, wanted):
            continue
        values = {
            "status": wanted.status.value,
            "status_reason": wanted.reason,
            "status_changed_at": instant(services.clock.now_ms()),
        }
        await repository.change_ticket(session, ticket, values)
        await publish(session, news_of("ticket.status", ticket, ticket.generation))
        changed += 1
    return changed


def _may_become(ticket: Ticket, wanted: Change) -> bool:
    current = TicketStatus(ticket.status)
    if wanted.undoes not in {None, ticket.status_reason}:
        return False
    return current is not wanted.status and may_follow(current, wanted.status)
