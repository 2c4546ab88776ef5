"""What an event is made of: numbers that codes carry, and the keys of one event in memory; pure."""

from collections.abc import Collection
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shared.credentials.keys import EventKeySet
from shared.credentials.layout import TicketFlag
from shared.ids import EventId

TIERS: Final = range(256)
ZONE_BITS: Final = range(16)
EVERY_ZONE: Final = 0xFFFF
GATE_NUMBERS: Final = range(1, 1 << 32)


class EventStatus(StrEnum):
    SCHEDULED = "scheduled"
    ENDED = "ended"
    CANCELLED = "cancelled"


class Medium(StrEnum):
    """What a ticket type asks a visitor to present."""

    QR = "qr"
    NFC = "nfc"
    QR_OR_NFC = "qr_or_nfc"
    QR_AND_NFC = "qr_and_nfc"


@dataclass(frozen=True, slots=True)
class TicketTypeFacts:
    """What a ticket of this type carries in its code."""

    id: UUID
    name: str
    tier: int
    zones: int
    flags: TicketFlag
    medium: Medium


@dataclass(frozen=True, slots=True)
class IssuerKey:
    """What signs an event's credentials; an inactive key is refused at the gate."""

    ikid: int
    public_key: bytes
    private_key: Ed25519PrivateKey = field(repr=False)
    active: bool


@dataclass(frozen=True, slots=True)
class EventKeys:
    """Everything secret about one event, opened; stays in memory."""

    event_id: EventId
    key_sets: tuple[EventKeySet, ...]
    issuer_keys: tuple[IssuerKey, ...]

    @property
    def current_key_set(self) -> EventKeySet:
        """The newest set: new tickets are issued under it."""
        return self.key_sets[-1]

    @property
    def current_issuer_key(self) -> IssuerKey:
        """The newest key that is still active."""
        return next(key for key in reversed(self.issuer_keys) if key.active)


def lowest_free(numbers: range, taken: Collection[int]) -> int | None:
    """Give the smallest number nobody has, or None when all are taken."""
    occupied = set(taken)
    return next((number for number in numbers if number not in occupied), None)


def zone_mask(bits: Collection[int] | None) -> int:
    """Fold zone bits into the 16-bit mask that a code carries; naming none means every zone."""
    return sum(1 << bit for bit in set(bits)) if bits else EVERY_ZONE


def zone_bits(mask: int) -> list[int] | None:
    """Undo `zone_mask`, in rising order; None is every zone, also those still to come."""
    return None if mask == EVERY_ZONE else [bit for bit in ZONE_BITS if mask >> bit & 1]
