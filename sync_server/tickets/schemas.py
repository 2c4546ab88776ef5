"""What tickets look like over HTTP, to organizers and to wallets."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from shared.admission.facts import TicketStatus
from shared.wire.base import Base64Bytes, TicketIdText

TICKETS_PER_CALL_MAX = 500
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NewTicket(BaseModel):
    """One ticket; without a validity it holds as long as a code can say."""

    model_config = ConfigDict(extra="forbid")

    ticket_type_id: UUID
    holder_name: Text | None = None
    seat: Text | None = None
    attention: bool = False
    valid_from: AwareDatetime | None = None
    valid_until: AwareDatetime | None = None
    status: Literal[TicketStatus.VALID, TicketStatus.UNPAID] = TicketStatus.VALID


class NewTickets(BaseModel):
    model_config = ConfigDict(extra="forbid")

    tickets: Annotated[list[NewTicket], Field(min_length=1, max_length=TICKETS_PER_CALL_MAX)]


class ClaimedTicket(BaseModel):
    """A ticket with the secret that opens it in a wallet: shown once, kept nowhere."""

    ticket_id: TicketIdText
    generation: int
    claim_token: str
    wallet_link: str


class IssuedTickets(BaseModel):
    """In the order they were asked for."""

    tickets: list[ClaimedTicket]


class TicketShown(BaseModel):
    """A ticket as its organizer sees it."""

    ticket_id: TicketIdText
    ticket_type_id: UUID
    generation: int
    status: TicketStatus
    status_reason: str | None
    status_changed_at: datetime
    holder_name: str | None
    seat: str | None
    attention: bool
    bound: bool
    created_at: datetime


class BindingShown(BaseModel):
    """When a ticket moved to a phone."""

    model_config = ConfigDict(from_attributes=True)

    generation: int
    holder_algorithm: int
    bound_at: datetime


class TicketDetails(TicketShown):
    bindings: list[BindingShown]


class StatusChange(BaseModel):
    model_config = ConfigDict(extra="forbid")

    status: TicketStatus
    reason: Text


class Transfer(BaseModel):
    """To whom a ticket goes."""

    model_config = ConfigDict(extra="forbid")

    holder_name: Text | None = None


class Binding(BaseModel):
    """A key made on the phone: raw Ed25519 or a compressed P-256 point."""

    model_config = ConfigDict(extra="forbid")

    holder_algorithm: Literal["p256", "ed25519"]
    holder_key: Annotated[Base64Bytes, Field(min_length=32, max_length=33)]


class Bound(BaseModel):
    """What a repeat of a binding is answered from."""

    generation: int


class WalletTime(BaseModel):
    """The server's time, signed with its Ed25519 key over `tkt1/wallet-time` NUL event id, time."""

    time_ms: int
    signature: Base64Bytes
    server_key: Base64Bytes


class WalletTicket(BaseModel):
    """All that a wallet needs to show its ticket without a network.

    `form` is what to show now: R once every gate's snapshot knows this holder, else E. A ticket
    that
    is bound to no key yet has neither.
    """

    event_id: UUID
    event_name: str
    venue: str
    timezone: str
    base_time_ms: int
    ticket_id: TicketIdText
    generation: int
    status: TicketStatus
    ticket_type: str
    holder_name: str | None
    seat: str | None
    kid: int
    holder_algorithm: Literal["p256", "ed25519"] | None
    form: Literal["R", "E"] | None
    reference: Base64Bytes | None
    credential: Base64Bytes | None
    static_text: str | None
    time: WalletTime
