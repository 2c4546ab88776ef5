"""The bytes of TK1 ticket codes: header, core and the three payloads.

Layout only: no keys, no signatures, no clock.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, Self

from shared.credentials import base45
from shared.errors import CredentialError
from shared.ids import TicketId

PREFIX: Final = "TK1:"
TEXT_LENGTH_MAX: Final = 400
VERSION: Final = 1
WINDOW_SECONDS: Final = 15
VALIDITY_UNIT_SECONDS: Final = 15 * 60

HEADER_BYTES: Final = 2
CORE_BYTES: Final = 18
REFERENCE_BYTES: Final = 16
WINDOW_BYTES: Final = 2
SIGNATURE_BYTES: Final = 64
SIV_TAG_BYTES: Final = 16
_SYNC_AGE_MASK: Final = 0b11


class MalformedCodeError(CredentialError):
    """Text that is not a TK1 code at all: foreign, cut off, or of a version unknown here."""

    code = "malformed_code"


class Form(IntEnum):
    """How a ticket is shown."""

    ROTATING_REFERENCE = 0
    ROTATING_SELF_CONTAINED = 1
    STATIC = 2

    @property
    def letter(self) -> str:
        """The letter people and logs use: R, E or S."""
        return "RES"[self]

    @property
    def rotates(self) -> bool:
        """Whether a holder key signs every window."""
        return self is not Form.STATIC


class HolderAlgorithm(IntEnum):
    """The curve of the holder's key."""

    ED25519 = 0
    P256 = 1

    @property
    def public_key_bytes(self) -> int:
        """Raw Ed25519, or a compressed SEC1 point."""
        return 33 if self is HolderAlgorithm.P256 else 32


class SyncAge(IntEnum):
    """How long ago the phone last heard the server's time; signed by the holder only."""

    UNKNOWN = 0
    UNDER_ONE_HOUR = 1
    UNDER_ONE_DAY = 2
    OLDER = 3

    @property
    def within_a_day(self) -> bool:
        """Whether such a wallet corrects its own clock."""
        return self in {SyncAge.UNDER_ONE_HOUR, SyncAge.UNDER_ONE_DAY}


class TicketFlag(IntFlag):
    """The flags byte of a core."""

    IDENTITY_BOUND = 0x01
    NFC_REQUIRED = 0x02
    STATIC_ALLOWED = 0x04
    REENTRY = 0x08
    STAFF = 0x10
    COMPANION = 0x20


@dataclass(frozen=True, slots=True)
class Header:
    """The two bytes in front of every form."""

    form: Form
    key_set_id: int
    holder_algorithm: HolderAlgorithm = HolderAlgorithm.ED25519
    sync_age: SyncAge = SyncAge.UNKNOWN

    def to_bytes(self) -> bytes:
        """Pack version 1, form, holder algorithm and sync age into b0, the key set into b1."""
        first = VERSION << 5 | self.form << 3 | self.holder_algorithm << 2 | self.sync_age
        return bytes((first, self.key_set_id))

    def issuer_bytes(self) -> bytes:
        """Pack what the issuer signed: the header without the phone's sync age."""
        packed = self.to_bytes()
        return bytes((packed[0] & ~_SYNC_AGE_MASK, packed[1]))

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a header, or raise MalformedCodeError where no issuer would have written it."""
        first, key_set_id = data[0], data[1]
        if first >> 5 != VERSION:
            message = "a ticket code of a version this program does not know"
            raise MalformedCodeError(message)
        form_bits = first >> 3 & 0b11
        if form_bits not in set(Form):
            message = "a ticket code of a reserved form"
            raise MalformedCodeError(message)
        header = cls(
            form=Form(form_bits),
            key_set_id=key_set_id,
            holder_algorithm=HolderAlgorithm(first >> 2 & 1),
            sync_age=SyncAge(first & _SYNC_AGE_MASK),
        )
        if header.form is Form.STATIC and first & 0b111:
            message = "a static code carries no holder algorithm and no sync age"
            raise MalformedCodeError(message)
        return header


@dataclass(frozen=True, slots=True)
class Core:
    """What the issuer promises about a ticket, in 18 big-endian bytes."""

    ticket_id: TicketId
    generation: int
    tier: int
    zones: int
    flags: TicketFlag
    not_before_units: int
    expires_units: int
    issuer_key_id: int

    def to_bytes(self) -> bytes:
        """Pack the core; raise OverflowError where a field exceeds its width."""
        return b"".join(
            (
                self.ticket_id.to_bytes(8, "big"),
                self.generation.to_bytes(1, "big"),
                self.tier.to_bytes(1, "big"),
                self.zones.to_bytes(2, "big"),
                int(self.flags).to_bytes(1, "big"),
                self.not_before_units.to_bytes(2, "big"),
                self.expires_units.to_bytes(2, "big"),
                self.issuer_key_id.to_bytes(1, "big"),
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a core of exactly 18 bytes, else raise MalformedCodeError."""
        if len(data) != CORE_BYTES:
            message = f"a ticket core is {CORE_BYTES} bytes"
            raise MalformedCodeError(message)
        return cls(
            ticket_id=TicketId(int.from_bytes(data[0:8], "big")),
            generation=data[8],
            tier=data[9],
            zones=int.from_bytes(data[10:12], "big"),
            flags=TicketFlag(data[12]),
            not_before_units=int.from_bytes(data[13:15], "big"),
            expires_units=int.from_bytes(data[15:17], "big"),
            issuer_key_id=data[17],
        )

    def validity_ms(self, base_time_ms: int) -> tuple[int, int]:
        """Give the first valid instant and the first no longer valid one, in Unix milliseconds."""
        unit_ms = VALIDITY_UNIT_SECONDS * 1_000
        return (
            base_time_ms + self.not_before_units * unit_ms,
            base_time_ms + self.expires_units * unit_ms,
        )


@dataclass(frozen=True, slots=True)
class Payload:
    """A code taken apart: `body` is the encrypted reference (R) or the ciphertext C (E and S)."""

    header: Header
    body: bytes
    window: int | None = None
    holder_signature: bytes = b""

    def to_text(self) -> str:
        """Write the code as it goes into a QR symbol in alphanumeric mode."""
        tail = b"" if self.window is None else self.window.to_bytes(WINDOW_BYTES, "big")
        return PREFIX + base45.encode(
            self.header.to_bytes() + self.body + tail + self.holder_signature
        )


def body_bytes(form: Form, algorithm: HolderAlgorithm) -> int:
    """Say how long the body of a form is."""
    if form is Form.ROTATING_REFERENCE:
        return REFERENCE_BYTES
    holder_key_bytes = algorithm.public_key_bytes if form is Form.ROTATING_SELF_CONTAINED else 0
    return SIV_TAG_BYTES + CORE_BYTES + holder_key_bytes + SIGNATURE_BYTES


def parse(text: str) -> Payload:
    """Take a scanned text apart, cheapest checks first.

    Raises CredentialError for all that is no TK1 code. The text is used as scanned: Base45 has a
    space, so nothing may be stripped.
    """
    if len(text) > TEXT_LENGTH_MAX:
        message = "longer than any ticket code"
        raise MalformedCodeError(message)
    if not text.startswith(PREFIX):
        message = "not a ticket code"
        raise MalformedCodeError(message)
    data = base45.decode(text[len(PREFIX) :])
    if len(data) < HEADER_BYTES:
        message = "a ticket code without a header"
        raise MalformedCodeError(message)
    header = Header.from_bytes(data)
    body_end = HEADER_BYTES + body_bytes(header.form, header.holder_algorithm)
    expected = body_end + (WINDOW_BYTES + SIGNATURE_BYTES if header.form.rotates else 0)
    if len(data) != expected:
        message = f"a ticket code of form {header.form.letter} is {expected} bytes"
        raise MalformedCodeError(message)
    if not header.form.rotates:
        return Payload(header, data[HEADER_BYTES:])
    signature_start = body_end + WINDOW_BYTES
    return Payload(
        header=header,
        body=data[HEADER_BYTES:body_end],
        window=int.from_bytes(data[body_end:signature_start], "big"),
        holder_signature=data[signature_start:],
    )


def counter_at(now_ms: int) -> int:
    """Give the number of the 15-second window that holds this instant."""
    return now_ms // (WINDOW_SECONDS * 1_000)
