"""Opening a scanned code with an event's keys: all that is known before a ticket is looked up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.credentials.keys import EventKeySet, HolderKey, verifies_ed25519
from shared.credentials.layout import (
    CORE_BYTES,
    SIGNATURE_BYTES,
    Core,
    Form,
    Header,
    Payload,
    parse,
)
from shared.credentials.messages import holder_message, issuer_message
from shared.errors import CredentialError
from shared.ids import TicketId

_COUNTER_MODULUS: Final = 1 << 16


class OpeningFailure(StrEnum):
    """Why a code could not be opened."""

    FOREIGN = "foreign"
    """Not a TK1 code."""
    OTHER_EVENT = "other_event"
    """A TK1 code of a key set that this event does not have."""
    FORGED = "forged"
    """A TK1 code that does not open under the key set it names, or that no issuer signed."""


@dataclass(frozen=True, slots=True)
class OpenedCode:
    """A code whose envelope holds; the holder's signature is still to be checked.

    `core` and `holder` are the issuer's own word in forms E and S, and absent in form R, where the
    snapshot's row says both.
    """

    payload: Payload
    key_set: EventKeySet
    ticket_id: TicketId
    generation: int
    core: Core | None = None
    holder: HolderKey | None = None

    @property
    def form(self) -> Form:
        """The form shown."""
        return self.payload.header.form

    def counter_near(self, gate_counter: int) -> int | None:
        """Complete the 16 sent bits to the counter nearest the gate's own; None in form S."""
        window = self.payload.window
        if window is None:
            return None
        offset = (window - gate_counter + _COUNTER_MODULUS // 2) % _COUNTER_MODULUS
        return max(0, gate_counter + offset - _COUNTER_MODULUS // 2)

    def shown_by(self, holder: HolderKey, counter: int) -> bool:
        """Say whether this holder signed this code for this window."""
        header = self.payload.header
        if header.holder_algorithm is not holder.algorithm:
            return False
        message = holder_message(self.key_set.event_id, header, self.payload.body, counter)
        return holder.verifies(self.payload.holder_signature, message)


class EventKeyring:
    """All key sets and active issuer keys of one event."""

    def __init__(self, key_sets: Iterable[EventKeySet], issuer_keys: Mapping[int, bytes]) -> None:
        """Index the key sets by id; more than one may share an id, and each is tried."""
        self._key_sets: dict[int, list[EventKeySet]] = {}
        for key_set in key_sets:
            self._key_sets.setdefault(key_set.key_set_id, []).append(key_set)
        self._issuer_keys = dict(issuer_keys)

    def open(self, text: str) -> OpenedCode | OpeningFailure:
        """Open a scanned text; never raises, whatever the text is."""
        try:
            payload = parse(text)
        except CredentialError:
            return OpeningFailure.FOREIGN
        key_sets = self._key_sets.get(payload.header.key_set_id)
        if key_sets is None:
            return OpeningFailure.OTHER_EVENT
        for key_set in key_sets:
            opened = self._open_with(key_set, payload)
            if opened is not None:
                return opened
        return OpeningFailure.FORGED

    def _open_with(self, key_set: EventKeySet, payload: Payload) -> OpenedCode | None:
        if payload.header.form is Form.ROTATING_REFERENCE:
            reference = key_set.open_reference(payload.body)
            return None if reference is None else OpenedCode(payload, key_set, *reference)
        plaintext = key_set.open_credential(payload.header, payload.body)
        if plaintext is None:
            return None
        core = Core.from_bytes(plaintext[:CORE_BYTES])
        holder_bytes = plaintext[CORE_BYTES:-SIGNATURE_BYTES]
        message = issuer_message(key_set.event_id, payload.header, core, holder_bytes)
        issuer_key = self._issuer_keys.get(core.issuer_key_id)
        if issuer_key is None:
            return None
        if not verifies_ed25519(issuer_key, plaintext[-SIGNATURE_BYTES:], message):
            return None
        return OpenedCode(
            payload=payload,
            key_set=key_set,
            ticket_id=core.ticket_id,
            generation=core.generation,
            core=core,
            holder=_holder_of(payload.header, holder_bytes),
        )


def _holder_of(header: Header, encoded: bytes) -> HolderKey | None:
    return HolderKey(header.holder_algorithm, encoded) if encoded else None
