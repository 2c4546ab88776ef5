"""What a session token looks like; pure."""

from base64 import urlsafe_b64encode
from typing import Final, NewType
from uuid import UUID

UserId = NewType("UserId", UUID)
SessionToken = NewType("SessionToken", str)

TOKEN_BYTES: Final = 32
TOKEN_PREFIX: Final = "zgu_"  # noqa: S105 - lets a secret scanner know a leaked token by sight


def session_token(randomness: bytes) -> SessionToken:
    """Write 256 random bits as a token."""
    if len(randomness) != TOKEN_BYTES:
        message = f"a session token takes {TOKEN_BYTES} random bytes"
        raise ValueError(message)
    return SessionToken(TOKEN_PREFIX + urlsafe_b64encode(randomness).decode().rstrip("="))
