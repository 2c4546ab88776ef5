"""What a wallet does with a claim token: bind the key of a phone, fetch what the phone shows."""

from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy.ext.asyncio import AsyncSession

from shared.admission.facts import TicketStatus
from shared.credentials.issuing import issue_credential, issue_static_code
from shared.credentials.keys import HolderKey
from shared.credentials.layout import Core, HolderAlgorithm, TicketFlag
from shared.ids import EventId, OrganizerId, from_signed_64, ticket_id_to_hex
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.catalog import service as catalog
from sync_server.catalog.rules import EventKeys
from sync_server.kit.claims import WORKER, token_hash, wallet_claims
from sync_server.kit.idempotency import RepeatableRequest
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.outbox import publish
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services
from sync_server.tickets import repository
from sync_server.tickets.errors import (
    BindingsExhaustedError,
    ClaimTokenInvalidError,
    HolderKeyInvalidError,
)
from sync_server.tickets.models import Ticket, TicketBinding
from sync_server.tickets.rules import (
    REBINDING_WINDOW,
    REBINDINGS_MAX,
    is_usable,
)
from sync_server.tickets.schemas import Binding, Bound, WalletTicket, WalletTime
from sync_server.tickets.service import news_of, next_generation

WALLET_TIME_LABEL: Final = b"tkt1/wallet-time\0"
_ALGORITHMS: Final = {"p256": HolderAlgorithm.P256, "ed25519": HolderAlgorithm.ED25519}


@dataclass(frozen=True, slots=True)
class WalletCall:
    """A request that carries a claim token, and what serves it."""

    services: Services
    server_keys: ServerKeys
    token: str


async def bind_key(call: WalletCall, request: RepeatableRequest, wanted: Binding) -> WalletTicket:
    """Bind the phone's key: the first is free, another one makes the old phone's codes invalid.

    Kept for a repeat is that it was bound, and not what was shown: the server's time in that ages.
    """
    key = HolderKey(_ALGORITHMS[wanted.holder_algorithm], wanted.holder_key)
    if not is_usable(key):
        raise HolderKeyInvalidError
    async with call.services.database.transaction(wallet_claims(call.token)) as session:
        ticket = await _claimed(session, call.token, for_change=True)
        claimed = (ticket, token_hash(call.token))
        await request.answer_once(
            session, ticket.organizer_id, Bound, lambda: _bind(session, call.services, claimed, key)
        )
    return await show_ticket(call)


async def _bind(
    session: AsyncSession, services: Services, claimed: tuple[Ticket, bytes], key: HolderKey
) -> Bound:
    ticket, claim_hash = claimed
    if (ticket.holder_algorithm, ticket.holder_key) == (key.algorithm, key.encoded):
        return Bound(generation=ticket.generation)
    now = instant(services.clock.now_ms())
    values: dict[str, Any] = {
        "holder_algorithm": int(key.algorithm),
        "holder_key": key.encoded,
        "bound_xid": repository.CURRENT_XID,
    }
    generation = ticket.generation
    if ticket.holder_key is not None:
        since = now - REBINDING_WINDOW
        recent = await repository.count_bindings(session, claim_hash, since)
        if recent > REBINDINGS_MAX:
            raise BindingsExhaustedError(headers={"Retry-After": "86400"})
        core = next_generation(ticket)
        generation = core.generation
        values |= {"generation": generation, "core": core.to_bytes()}
    await repository.change_ticket(session, ticket, values)
    binding = TicketBinding(
        organizer_id=ticket.organizer_id,
        event_id=ticket.event_id,
        ticket_id=ticket.id,
        generation=generation,
        holder_algorithm=int(key.algorithm),
        bound_at=now,
        claim_token_hash=claim_hash,
    )
    await repository.add_binding(session, binding)
    await publish(session, news_of("ticket.bound", ticket, generation))
    ticket_id = ticket_id_to_hex(from_signed_64(ticket.id))
    states = (
        {"generation": ticket.generation, "bound": ticket.holder_key is not None},
        {"generation": generation, "bound": True},
    )
    bound = Action("ticket.bind", Subject("ticket", ticket_id, ticket.organizer_id), *states)
    await audit.record_action(session, services, bound)
    return Bound(generation=generation)


async def show_ticket(call: WalletCall) -> WalletTicket:
    """Give all that a wallet needs; the event's keys are opened by the server and stay with it."""
    services = call.services
    async with services.database.reading(wallet_claims(call.token)) as session:
        ticket = await _claimed(session, call.token)
    organizer_id, event_id = OrganizerId(ticket.organizer_id), EventId(ticket.event_id)
    async with services.database.reading(WORKER) as session:
        event = await catalog.find_event(session, organizer_id, event_id)
        kind = await catalog.find_ticket_type(
            session, organizer_id, event_id, ticket.ticket_type_id
        )
        keys = await catalog.load_event_keys(session, services, organizer_id, event_id)
        freeze = await repository.oldest_freeze(session, organizer_id, event_id)
    return WalletTicket(
        event_id=event_id,
        event_name=event.name,
        venue=event.venue,
        timezone=event.timezone,
        base_time_ms=unix_ms(event.base_time),
        ticket_id=from_signed_64(ticket.id),
        generation=ticket.generation,
        status=TicketStatus(ticket.status),
        ticket_type=kind.name,
        holder_name=ticket.holder_name,
        seat=ticket.seat,
        kid=keys.current_key_set.key_set_id,
        **_codes(ticket, keys, known=freeze is not None and ticket.bound_xid < freeze),
        time=_signed_time(call, event_id),
    )


def _codes(ticket: Ticket, keys: EventKeys, *, known: bool) -> dict[str, Any]:
    """Make what the phone shows: nothing that rotates before a key is bound."""
    core = Core.from_bytes(ticket.core)
    issuer = keys.current_issuer_key.private_key
    static = TicketFlag.STATIC_ALLOWED in core.flags
    static_text = issue_static_code(keys.current_key_set, issuer, core) if static else None
    if ticket.holder_key is None or ticket.holder_algorithm is None:
        unbound = dict.fromkeys(("holder_algorithm", "form", "reference", "credential"))
        return {**unbound, "static_text": static_text}
    holder = HolderKey(HolderAlgorithm(ticket.holder_algorithm), ticket.holder_key)
    return {
        "holder_algorithm": _algorithm_name(holder.algorithm),
        "form": "R" if known else "E",
        "reference": keys.current_key_set.seal_reference(core.ticket_id, core.generation),
        "credential": issue_credential(keys.current_key_set, issuer, core, holder),
        "static_text": static_text,
    }


def _algorithm_name(algorithm: HolderAlgorithm) -> Literal["p256", "ed25519"]:
    return "p256" if algorithm is HolderAlgorithm.P256 else "ed25519"


def _signed_time(call: WalletCall, event_id: EventId) -> WalletTime:
    now_ms = call.services.clock.now_ms()
    message = WALLET_TIME_LABEL + event_id.bytes + now_ms.to_bytes(8, "big")
    keys = call.server_keys
    return WalletTime(time_ms=now_ms, signature=keys.sign(message), server_key=keys.public_key)


async def _claimed(session: AsyncSession, token: str, *, for_change: bool = False) -> Ticket:
    ticket = await repository.find_claimed(session, token_hash(token), for_change=for_change)
    if ticket is None:
        raise ClaimTokenInvalidError
    return ticket
