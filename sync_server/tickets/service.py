"""Issuing tickets and what an organizer does to them; wallets are served in `wallet`."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import TicketStatus
from shared.credentials.layout import Core
from shared.ids import (
    DeploymentId,
    EventId,
    OrganizerId,
    TicketId,
    from_signed_64,
    ticket_id_from_bytes,
    ticket_id_to_hex,
    to_signed_64,
)
from shared.journal.entry import Cursor
from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.catalog import service as catalog
from sync_server.catalog.rules import TicketTypeFacts
from sync_server.kit import channels
from sync_server.kit.claims import token_hash
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.outbox import Message, publish
from sync_server.kit.pagination import Page, PageRequest, encode_cursor
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller
from sync_server.tickets import repository
from sync_server.tickets.errors import (
    GenerationsExhaustedError,
    StatusChangeRefusedError,
    TicketNotFoundError,
    ValidityInvalidError,
)
from sync_server.tickets.models import Ticket
from sync_server.tickets.rules import (
    CLAIM_TOKEN_BYTES,
    FIRST_GENERATION,
    GENERATION_MAX,
    WITHDRAWN_STATES,
    ClaimToken,
    ValidityUnits,
    claim_token,
    may_follow,
    validity_units,
    wallet_link,
)
from sync_server.tickets.schemas import (
    BindingShown,
    ClaimedTicket,
    IssuedTickets,
    NewTicket,
    NewTickets,
    StatusChange,
    TicketDetails,
    TicketShown,
    Transfer,
)


async def issue_tickets(
    caller: OrganizerCaller, services: Services, event_id: EventId, wanted: NewTickets
) -> IssuedTickets:
    """Make tickets, all or none; their claim tokens are in the answer and nowhere else."""
    session, organizer_id = caller.session, caller.organizer_id
    event = await catalog.find_event(session, organizer_id, event_id)
    type_ids = {ticket.ticket_type_id for ticket in wanted.tickets}
    made_of = await catalog.issuing(session, organizer_id, event_id, type_ids)
    rows: list[dict[str, Any]] = []
    issued: list[ClaimedTicket] = []
    for ticket in wanted.tickets:
        validity = _validity(ticket, event.base_time)
        kind = made_of.types[ticket.ticket_type_id]
        core = first_core(services, kind, validity, made_of.issuer_key_id)
        token = claim_token(services.randomness(CLAIM_TOKEN_BYTES))
        row = new_row(ticket, core, token, instant(services.clock.now_ms()))
        rows.append({"organizer_id": organizer_id, "event_id": event_id, **row})
        issued.append(_claimed(services, core, token))
    await repository.add_tickets(session, rows)
    counts = Counter(str(ticket.ticket_type_id) for ticket in wanted.tickets)
    made = {"count": len(issued), "counts_by_type": dict(counts)}
    event_subject = Subject("event", str(event_id), organizer_id)
    await audit.record_action(session, services, Action("tickets.issue", event_subject, after=made))
    told = {"event_id": event_id, "tickets": len(rows)}
    sales = (channels.event_sales(event_id),)
    await publish(session, Message("tickets.issued", organizer_id, sales, told))
    return IssuedTickets(tickets=issued)


def _validity(ticket: NewTicket, base_time: datetime) -> ValidityUnits:
    moments = (ticket.valid_from, ticket.valid_until)
    from_ms, until_ms = (None if moment is None else unix_ms(moment) for moment in moments)
    validity = validity_units(from_ms, until_ms, unix_ms(base_time))
    if validity is None:
        raise ValidityInvalidError
    return validity


def first_core(
    services: Services, kind: TicketTypeFacts, validity: ValidityUnits, issuer_key_id: int
) -> Core:
    """What a new ticket of a type carries in its code."""
    return Core(
        ticket_id=ticket_id_from_bytes(services.randomness(8)),
        generation=FIRST_GENERATION,
        tier=kind.tier,
        zones=kind.zones,
        flags=kind.flags,
        not_before_units=validity.not_before,
        expires_units=validity.expires,
        issuer_key_id=issuer_key_id,
    )


def new_row(ticket: NewTicket, core: Core, token: ClaimToken, now: datetime) -> dict[str, Any]:
    """What is kept of a new ticket beside whose it is."""
    return {
        "id": to_signed_64(core.ticket_id),
        "ticket_type_id": ticket.ticket_type_id,
        "generation": core.generation,
        "status": ticket.status.value,
        "status_changed_at": now,
        "core": core.to_bytes(),
        "attention": ticket.attention,
        "holder_name": ticket.holder_name,
        "seat": ticket.seat,
        "claim_token_hash": token_hash(token),
        "created_at": now,
    }


def _claimed(services: Services, core: Core, token: ClaimToken) -> ClaimedTicket:
    return ClaimedTicket(
        ticket_id=core.ticket_id,
        generation=core.generation,
        claim_token=token,
        wallet_link=wallet_link(services.public_url, token),
    )


async def list_tickets(
    caller: OrganizerCaller, event_id: EventId, page: PageRequest
) -> Page[TicketShown]:
    """List by ticket id; the page's cursor carries that id in a UUID's clothes."""
    event = (caller.organizer_id, event_id)
    await catalog.find_event(caller.session, *event)
    listed = Subject("tickets_of_event", str(event_id), caller.organizer_id)
    audit.note_access(Access(AccessKind.READ, listed))
    after = None if page.after is None else to_signed_64(TicketId(page.after.int % (1 << 64)))
    rows = await repository.list_tickets(caller.session, event, after, page.limit + 1)
    shown = rows[: page.limit]
    more = len(rows) > page.limit
    cursor = encode_cursor(UUID(int=from_signed_64(shown[-1].id))) if more else None
    return Page(items=[_shown(row) for row in shown], next_cursor=cursor)


async def read_ticket(
    caller: OrganizerCaller, event_id: EventId, ticket_id: TicketId
) -> TicketDetails:
    ticket = await _find(caller, event_id, ticket_id)
    audit.note_access(Access(AccessKind.READ, _subject(caller, ticket)))
    bindings = await repository.list_bindings(caller.session, ticket)
    return TicketDetails(
        **_shown(ticket).model_dump(),
        bindings=[BindingShown.model_validate(row) for row in bindings],
    )


async def change_status(
    caller: OrganizerCaller,
    services: Services,
    event_id: EventId,
    ticket_id: TicketId,
    wanted: StatusChange,
) -> TicketShown:
    """Give a ticket another state; asking for the one it has changes nothing."""
    ticket = await _find(caller, event_id, ticket_id, for_change=True)
    current = TicketStatus(ticket.status)
    if current is wanted.status:
        return _shown(ticket)
    if not may_follow(current, wanted.status):
        raise StatusChangeRefusedError(extra={"from": current, "to": wanted.status})
    values = {
        "status": wanted.status.value,
        "status_reason": wanted.reason,
        "status_changed_at": instant(services.clock.now_ms()),
    }
    states = ({"status": current.value}, {"status": wanted.status.value})
    change = Action("ticket.status", _subject(caller, ticket), *states, reason=wanted.reason)
    await audit.record_action(caller.session, services, change)
    await repository.change_ticket(caller.session, ticket, values)
    await publish(caller.session, news_of("ticket.status", ticket, ticket.generation))
    await caller.session.refresh(ticket)
    return _shown(ticket)


async def transfer_ticket(
    caller: OrganizerCaller,
    services: Services,
    event_id: EventId,
    ticket_id: TicketId,
    wanted: Transfer,
) -> ClaimedTicket:
    """Pass a ticket on: the old holder's link and codes end, the new link is in the answer."""
    ticket = await _find(caller, event_id, ticket_id, for_change=True)
    core = next_generation(ticket)
    token = claim_token(services.randomness(CLAIM_TOKEN_BYTES))
    values = {
        "generation": core.generation,
        "core": core.to_bytes(),
        "holder_algorithm": None,
        "holder_key": None,
        "holder_name": wanted.holder_name,
        "bound_xid": repository.CURRENT_XID,
        "claim_token_hash": token_hash(token),
    }
    generations = ({"generation": ticket.generation}, {"generation": core.generation})
    change = Action("ticket.transfer", _subject(caller, ticket), *generations)
    await audit.record_action(caller.session, services, change)
    await repository.change_ticket(caller.session, ticket, values)
    await publish(caller.session, news_of("ticket.transferred", ticket, core.generation))
    return _claimed(services, core, token)


def news_of(kind: str, ticket: Ticket, generation: int) -> Message:
    """Tell whoever listens to a ticket to look at it again."""
    ticket_id = ticket_id_to_hex(from_signed_64(ticket.id))
    told = {"event_id": ticket.event_id, "ticket_id": ticket_id, "generation": generation}
    listeners = (channels.event_ticket(ticket.event_id, ticket_id),)
    return Message(kind, ticket.organizer_id, listeners, told)


def next_generation(ticket: Ticket) -> Core:
    """Give the ticket's core one generation up, else raise GenerationsExhaustedError."""
    if ticket.generation >= GENERATION_MAX:
        raise GenerationsExhaustedError
    return replace(Core.from_bytes(ticket.core), generation=ticket.generation + 1)


async def record_freeze(
    session: AsyncSession,
    event: tuple[OrganizerId, EventId],
    deployment_id: DeploymentId,
    cursor: Cursor,
    frozen_at: datetime,
) -> None:
    """Note how far a deployment's newest snapshot reaches; wallets show short codes up to there."""
    organizer_id, event_id = event
    await repository.record_freeze(
        session,
        {
            "organizer_id": organizer_id,
            "event_id": event_id,
            "deployment_id": deployment_id,
            "cursor_xid": cursor.xid,
            "frozen_at": frozen_at,
        },
    )


async def revoked_since(
    session: AsyncSession, event: tuple[OrganizerId, EventId], ticket_ids: Sequence[TicketId]
) -> dict[TicketId, int]:
    """Say since when, in Unix milliseconds, those of the tickets that were taken back are."""
    stored = [to_signed_64(ticket_id) for ticket_id in ticket_ids]
    rows = await repository.tickets_by_id(session, event, stored)
    return {
        from_signed_64(row.id): unix_ms(row.status_changed_at)
        for row in rows
        if row.status in WITHDRAWN_STATES
    }


async def _find(
    caller: OrganizerCaller, event_id: EventId, ticket_id: TicketId, *, for_change: bool = False
) -> Ticket:
    event = (caller.organizer_id, event_id)
    stored_id = to_signed_64(ticket_id)
    ticket = await repository.find_ticket(caller.session, event, stored_id, for_change=for_change)
    if ticket is None:
        raise TicketNotFoundError
    return ticket


def _subject(caller: OrganizerCaller, ticket: Ticket) -> Subject:
    """Name a ticket as the API does, and not its holder."""
    return Subject("ticket", ticket_id_to_hex(from_signed_64(ticket.id)), caller.organizer_id)


def _shown(ticket: Ticket) -> TicketShown:
    return TicketShown(
        ticket_id=from_signed_64(ticket.id),
        ticket_type_id=ticket.ticket_type_id,
        generation=ticket.generation,
        status=TicketStatus(ticket.status),
        status_reason=ticket.status_reason,
        status_changed_at=ticket.status_changed_at,
        holder_name=ticket.holder_name,
        seat=ticket.seat,
        attention=ticket.attention,
        bound=ticket.holder_key is not None,
        created_at=ticket.created_at,
    )
