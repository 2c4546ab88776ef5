"""The signature of an outside timer's call; pure.

HMAC-SHA256 in hexadecimal over `timestamp.method.path.sha256(body)`, under a secret that both know.
"""

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final

AGE_SECONDS_MAX: Final = 300
VERSION: Final = "v1"
_DIGITS_MAX: Final = 12


@dataclass(frozen=True, slots=True)
class SignedCall:
    """What the signature covers; `timestamp` is Unix seconds as they were written."""

    timestamp: str
    method: str
    path: str
    body: bytes

    @property
    def message(self) -> bytes:
        digest = hashlib.sha256(self.body).hexdigest()
        return f"{self.timestamp}.{self.method}.{self.path}.{digest}".encode()


def signature_of(call: SignedCall, secret: bytes) -> str:
    return f"{VERSION}={hmac.new(secret, call.message, hashlib.sha256).hexdigest()}"


def is_signed(call: SignedCall, signature: str, secret: bytes, now_seconds: int) -> bool:
    """Whether the signature is right and of these minutes; a wrong one takes as long as another."""
    expected = signature_of(call, secret).encode()
    is_right = hmac.compare_digest(expected, signature.encode())
    return is_right and _is_fresh(call.timestamp, now_seconds)


def _is_fresh(timestamp: str, now_seconds: int) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _DIGITS_MAX):
        return False
    return abs(now_seconds - int(timestamp)) <= AGE_SECONDS_MAX
