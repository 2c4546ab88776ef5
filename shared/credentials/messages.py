"""The exact bytes that issuer and holder sign: a label, a zero byte, fields of fixed length."""

from hashlib import sha256
from typing import Final
from uuid import UUID

from shared.credentials.layout import Core, Header

ISSUER_LABEL: Final = b"tkt1/issuer\0"
HOLDER_QR_LABEL: Final = b"tkt1/holder-qr\0"


def issuer_message(event_id: UUID, header: Header, core: Core, holder_key: bytes) -> bytes:
    """Build what the issuer signs; `holder_key` is empty for a static code.

    The form stands inside, so that an opened E credential cannot be wrapped again as an S code.
    """
    return ISSUER_LABEL + event_id.bytes + header.issuer_bytes() + core.to_bytes() + holder_key


def holder_message(event_id: UUID, header: Header, body: bytes, counter: int) -> bytes:
    """Build what the holder signs for one window: the whole counter, of which 16 bits travel."""
    return b"".join(
        (
            HOLDER_QR_LABEL,
            event_id.bytes,
            header.to_bytes(),
            sha256(body).digest(),
            counter.to_bytes(8, "big"),
        )
    )
