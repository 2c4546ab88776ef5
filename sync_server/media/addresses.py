"""Addresses of stored files: public ones last for ever, private ones are signed for minutes; pure.

A signature is HMAC-SHA-256 over a label, the organizer's and the object's 16 bytes, and the time it
ends as 8 bytes big-endian: every part has its own length, so that no two addresses share one form.
"""

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from hashlib import sha256
from typing import Final
from uuid import UUID

from sync_server.media.rules import Kind

SIGNED_SECONDS: Final = 300
EXPIRES_MAX: Final = (1 << 63) - 1
_LABEL: Final = b"zeraket/file-address/1\0"
_TIME_BYTES: Final = 8


@dataclass(frozen=True, slots=True)
class SignedAddress:
    """A private object's address, good until `expires` in Unix seconds."""

    organizer_id: UUID
    object_id: UUID
    expires: int

    @property
    def canonical(self) -> bytes:
        moment = self.expires.to_bytes(_TIME_BYTES, "big")
        return _LABEL + self.organizer_id.bytes + self.object_id.bytes + moment

    def signature(self, secret: bytes) -> str:
        digest = hmac.digest(secret, self.canonical, sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def is_signed_by(self, secret: bytes, signature: str) -> bool:
        return hmac.compare_digest(self.signature(secret).encode(), signature.encode())

    def path(self, secret: bytes) -> str:
        query = f"expires={self.expires}&signature={self.signature(secret)}"
        return f"/files/{self.organizer_id}/{self.object_id}?{query}"


def public_path(content_sha256: str, kind: Kind) -> str:
    return f"/media/{content_sha256}{kind.endings[0]}"
