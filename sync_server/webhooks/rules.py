"""A delivery, and Standard Webhooks' way to sign one; pure.

The format is that of the Standard Webhooks specification 1.0: HMAC-SHA256 in Base64 over
`id.timestamp.body`, several signatures apart by spaces, secrets as `whsec_` and Base64.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

EVENT_ID_CHARACTERS_MAX: Final = 255
_SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - what a secret begins with
_SECRET_BYTES_MIN: Final = 24
_AGE_MS_MAX: Final = 300_000
_MILLISECONDS: Final = 1_000
_DIGITS_MAX: Final = 12
_VERSION: Final = "v1"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What arrived, as it arrived: names of headers in small letters, the body in its own bytes."""

    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


def is_event_id(text: str) -> bool:
    return 0 < len(text) <= EVENT_ID_CHARACTERS_MAX and text.isprintable()


@dataclass(frozen=True, slots=True)
class StandardWebhooks:
    """Any secret may have signed, so that one can be replaced while both are in use."""

    scheme: str = "standard-webhooks"

    def fault(self, secrets: Sequence[str]) -> str | None:
        """Say what is wrong with a source's secrets without repeating them."""
        if not secrets:
            return "give at least one secret"
        if any(_key(secret) is None for secret in secrets):
            return "a secret is `whsec_` and the Base64 of at least 24 bytes"
        return None

    def verify(self, delivery: Delivery, secrets: Sequence[str], now_ms: int) -> str | None:
        """Give the event's id, or None where the delivery is not the source's or not of now."""
        event_id = delivery.headers.get("webhook-id", "")
        timestamp = delivery.headers.get("webhook-timestamp", "")
        if not (is_event_id(event_id) and _is_fresh(timestamp, now_ms)):
            return None
        message = f"{event_id}.{timestamp}.".encode() + delivery.body
        given = _signatures(delivery.headers.get("webhook-signature", ""))
        keys = [key for secret in secrets if (key := _key(secret)) is not None]
        expected = [hmac.new(key, message, hashlib.sha256).digest() for key in keys]
        matches = [hmac.compare_digest(one, other) for one in expected for other in given]
        return event_id if any(matches) else None


def _key(secret: str) -> bytes | None:
    if not secret.startswith(_SECRET_PREFIX):
        return None
    key = _decoded(secret.removeprefix(_SECRET_PREFIX))
    return key if key is not None and len(key) >= _SECRET_BYTES_MIN else None


def _signatures(header: str) -> list[bytes]:
    """Read the signatures of the version we know; others may stand beside them."""
    pairs = [part.partition(",") for part in header.split(" ")]
    found = [_decoded(value) for version, _, value in pairs if version == _VERSION]
    return [signature for signature in found if signature is not None]


def _decoded(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except ValueError:
        return None


def _is_fresh(timestamp: str, now_ms: int) -> bool:
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _DIGITS_MAX):
        return False
    return abs(now_ms - int(timestamp) * _MILLISECONDS) <= _AGE_MS_MAX
