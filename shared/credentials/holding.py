"""What a wallet shows: one signed window of an R or E code.

Python twin of the web wallet, for tests and virtual attendees.
"""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.credentials.layout import (
    Form,
    Header,
    HolderAlgorithm,
    Payload,
    SyncAge,
)
from shared.credentials.messages import holder_message


class HolderSigner(Protocol):
    """A holder's private key: raw r‖s for P-256, 64 bytes either way."""

    @property
    def algorithm(self) -> HolderAlgorithm:
        """The key's curve."""
        ...

    def sign(self, message: bytes) -> bytes:
        """Sign and give 64 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class HeldTicket:
    """What the server hands a wallet: the event, its key set's id and one form's body."""

    event_id: UUID
    key_set_id: int
    form: Form
    body: bytes


def show_code(
    ticket: HeldTicket, signer: HolderSigner, counter: int, sync_age: SyncAge = SyncAge.UNKNOWN
) -> str:
    """Sign one window and write the code to be shown during it."""
    header = Header(ticket.form, ticket.key_set_id, signer.algorithm, sync_age)
    signature = signer.sign(holder_message(ticket.event_id, header, ticket.body, counter))
    return Payload(header, ticket.body, counter & 0xFFFF, signature).to_text()
