"""Enrolment codes: what an organizer shows a new kiosk, as a QR text or as letters to type."""

from base64 import b32decode, b32encode
from binascii import Error as Base32Error
from dataclasses import dataclass, field
from typing import Final, Self

from shared.credentials import base45
from shared.errors import ZeraketError

PREFIX: Final = "TKE1:"
CODE_BYTES: Final = 16
FINGERPRINT_BYTES: Final = 32
ADDRESS_BYTES_MAX: Final = 200
_VERSION: Final = 1
_TYPED_GROUP: Final = 4
_TYPED_LENGTH: Final = 26


class InvalidEnrolmentCodeError(ZeraketError):
    """Text that is no enrolment code."""

    code = "invalid_enrolment_code"


@dataclass(frozen=True, slots=True)
class EnrolmentCode:
    """Where to enrol, with what secret, and whom to expect there.

    `fingerprint` is the SHA-256 of the server's raw Ed25519 signing key; a typed code has none, and
    the six digits take its place.
    """

    server_address: str
    secret: bytes = field(repr=False)
    fingerprint: bytes | None

    def to_text(self) -> str:
        """Write the QR text: version, secret, fingerprint, address, in Base45."""
        fingerprint = self.fingerprint or bytes(FINGERPRINT_BYTES)
        address = self.server_address.encode()
        return PREFIX + base45.encode(bytes((_VERSION,)) + self.secret + fingerprint + address)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Read a scanned QR text, or raise InvalidEnrolmentCodeError."""
        if not text.startswith(PREFIX):
            message = "This is not an enrolment code."
            raise InvalidEnrolmentCodeError(message)
        try:
            data = base45.decode(text[len(PREFIX) :])
            address = data[1 + CODE_BYTES + FINGERPRINT_BYTES :].decode()
        except (ZeraketError, UnicodeDecodeError) as error:
            message = "This enrolment code is damaged. Scan it again."
            raise InvalidEnrolmentCodeError(message) from error
        if not data or data[0] != _VERSION or not _is_address(address):
            message = "This enrolment code is damaged, or made for a newer kiosk."
            raise InvalidEnrolmentCodeError(message)
        return cls(
            server_address=address,
            secret=data[1 : 1 + CODE_BYTES],
            fingerprint=data[1 + CODE_BYTES : 1 + CODE_BYTES + FINGERPRINT_BYTES],
        )

    @classmethod
    def from_typed(cls, server_address: str, letters: str) -> Self:
        """Read typed letters in any case and grouping, or raise InvalidEnrolmentCodeError."""
        compact = "".join(letters.upper().replace("-", " ").split())
        compact = compact.replace("0", "O").replace("1", "I").replace("8", "B")
        address = server_address.strip().rstrip("/")
        if not _is_address(address):
            message = "The server address starts with https:// and has no spaces."
            raise InvalidEnrolmentCodeError(message)
        if len(compact) != _TYPED_LENGTH:
            message = f"An enrolment code has {_TYPED_LENGTH} letters and digits."
            raise InvalidEnrolmentCodeError(message)
        try:
            secret = b32decode(compact + "======")
        except (Base32Error, ValueError) as error:
            message = "An enrolment code has only letters and the digits 2 to 7."
            raise InvalidEnrolmentCodeError(message) from error
        return cls(address, secret, None)

    @property
    def letters(self) -> str:
        """The secret as letters to type, in groups of four."""
        text = b32encode(self.secret).decode("ascii").rstrip("=")
        return "-".join(
            text[start : start + _TYPED_GROUP] for start in range(0, len(text), _TYPED_GROUP)
        )


def _is_address(address: str) -> bool:
    scheme = address.startswith(("https://", "http://"))
    printable = address.isascii() and address.isprintable() and " " not in address
    return scheme and printable and len(address) <= ADDRESS_BYTES_MAX
