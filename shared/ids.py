"""Identifiers both programs use and how they are made; randomness and time are arguments."""

from typing import Final, NewType
from uuid import UUID

from shared.errors import ZeraketError

OrganizerId = NewType("OrganizerId", UUID)
EventId = NewType("EventId", UUID)
GateId = NewType("GateId", UUID)
DeploymentId = NewType("DeploymentId", UUID)
DeviceId = NewType("DeviceId", UUID)
ScannerSessionId = NewType("ScannerSessionId", UUID)
ScanId = NewType("ScanId", UUID)
StaffId = NewType("StaffId", UUID)
TicketId = NewType("TicketId", int)
"""Unsigned 64 bits, random; written as 16 lower-case hexadecimal digits wherever text is needed."""

UUID7_RANDOMNESS_BYTES: Final = 10
_UNSIGNED_64: Final = 1 << 64
_SIGNED_64_LIMIT: Final = 1 << 63


class InvalidIdentifierError(ZeraketError):
    """Text or a number that cannot be the identifier it stands for."""

    code = "invalid_identifier"


def new_uuid7(now_ms: int, randomness: bytes) -> UUID:
    """Make a time-ordered UUID (RFC 9562 §5.7) from Unix milliseconds and ten random bytes."""
    if len(randomness) != UUID7_RANDOMNESS_BYTES:
        message = f"a UUIDv7 takes {UUID7_RANDOMNESS_BYTES} random bytes, not {len(randomness)}"
        raise ValueError(message)
    random_bits = int.from_bytes(randomness, "big")
    value = (now_ms & (1 << 48) - 1) << 80
    value |= 0x7 << 76 | (random_bits >> 62 & 0xFFF) << 64
    value |= 0b10 << 62 | random_bits & (1 << 62) - 1
    return UUID(int=value)


def ticket_id_from_bytes(randomness: bytes) -> TicketId:
    """Make a ticket's id from eight random bytes."""
    if len(randomness) != 8:  # noqa: PLR2004 - the width of the id itself
        message = "a ticket id takes 8 random bytes"
        raise ValueError(message)
    return TicketId(int.from_bytes(randomness, "big"))


def ticket_id_to_hex(ticket_id: TicketId) -> str:
    """Write a ticket's id as 16 hexadecimal digits."""
    return f"{ticket_id:016x}"


def ticket_id_from_hex(text: str) -> TicketId:
    """Read a ticket's id from exactly 16 hexadecimal digits, else raise InvalidIdentifierError."""
    if len(text) != 16 or not set(text.lower()) <= set("0123456789abcdef"):  # noqa: PLR2004
        message = "a ticket id is 16 hexadecimal digits"
        raise InvalidIdentifierError(message)
    return TicketId(int(text, 16))


def to_signed_64(ticket_id: TicketId) -> int:
    """Fold a ticket's id into the signed 64 bits that PostgreSQL and SQLite store."""
    return ticket_id - _UNSIGNED_64 if ticket_id >= _SIGNED_64_LIMIT else ticket_id


def from_signed_64(stored: int) -> TicketId:
    """Undo `to_signed_64`."""
    return TicketId(stored + _UNSIGNED_64 if stored < 0 else stored)
