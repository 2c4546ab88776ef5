"""What may happen to a ticket, and the words and numbers it is made of; pure."""

from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, NewType

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from shared.admission.facts import TicketStatus
from shared.credentials.keys import HolderKey
from shared.credentials.layout import VALIDITY_UNIT_SECONDS, HolderAlgorithm

ClaimToken = NewType("ClaimToken", str)

CLAIM_TOKEN_BYTES: Final = 32
CLAIM_TOKEN_PREFIX: Final = "zgw_"  # noqa: S105 - lets a secret scanner know a leaked token by sight
FIRST_GENERATION: Final = 1
GENERATION_MAX: Final = 255
REBINDINGS_MAX: Final = 3
"""How often a ticket may move to another phone within REBINDING_WINDOW."""
REBINDING_WINDOW: Final = timedelta(days=1)
VALIDITY_UNITS_MAX: Final = 0xFFFF
_UNIT_MS: Final = VALIDITY_UNIT_SECONDS * 1_000

_NEVER_VALID_AGAIN: Final = frozenset({TicketStatus.REVOKED, TicketStatus.CANCELLED})
_FOLLOWERS: Final[Mapping[TicketStatus, frozenset[TicketStatus]]] = {
    TicketStatus.VALID: frozenset(TicketStatus) - {TicketStatus.TRANSFERRED},
    TicketStatus.BLOCKED: frozenset(TicketStatus) - {TicketStatus.TRANSFERRED},
    TicketStatus.UNPAID: frozenset(TicketStatus) - {TicketStatus.TRANSFERRED},
    TicketStatus.PAYMENT_REVERSED: frozenset({TicketStatus.VALID, *_NEVER_VALID_AGAIN}),
    TicketStatus.REVOKED: frozenset({TicketStatus.REFUNDED}),
    TicketStatus.CANCELLED: frozenset({TicketStatus.REFUNDED}),
    TicketStatus.REFUNDED: frozenset(),
    TicketStatus.TRANSFERRED: frozenset(),
}

WITHDRAWN_STATES: Final = frozenset(TicketStatus) - {TicketStatus.VALID, TicketStatus.UNPAID}
"""States that nobody should be admitted in; who has not paid may be let in by a supervisor."""


@dataclass(frozen=True, slots=True)
class ValidityUnits:
    """From the first unit to the one that is too late, counted from the event's base time."""

    not_before: int
    expires: int


def may_follow(current: TicketStatus, wanted: TicketStatus) -> bool:
    """Say whether a ticket may go from one state to another; staying as it is changes nothing."""
    return wanted in _FOLLOWERS[current]


def validity_units(from_ms: int | None, until_ms: int | None, base_ms: int) -> ValidityUnits | None:
    """Widen a validity to whole units; None where it is empty or too far from the base time."""
    not_before = 0 if from_ms is None else (from_ms - base_ms) // _UNIT_MS
    expires = VALIDITY_UNITS_MAX if until_ms is None else -((base_ms - until_ms) // _UNIT_MS)
    units = ValidityUnits(not_before, expires)
    return units if 0 <= units.not_before < units.expires <= VALIDITY_UNITS_MAX else None


def claim_token(randomness: bytes) -> ClaimToken:
    """Write 256 random bits as a claim token."""
    if len(randomness) != CLAIM_TOKEN_BYTES:
        message = f"a claim token takes {CLAIM_TOKEN_BYTES} random bytes"
        raise ValueError(message)
    return ClaimToken(CLAIM_TOKEN_PREFIX + urlsafe_b64encode(randomness).decode().rstrip("="))


def wallet_link(public_url: str, token: ClaimToken) -> str:
    """Write the link for the holder; the token is in the fragment, which no server sees."""
    return f"{public_url}/wallet#{token}"


def is_usable(key: HolderKey) -> bool:
    """Say whether the bytes are a public key, so that no ticket is bound to one nobody can hold."""
    if len(key.encoded) != key.algorithm.public_key_bytes:
        return False
    try:
        if key.algorithm is HolderAlgorithm.P256:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.encoded)
        else:
            ed25519.Ed25519PublicKey.from_public_bytes(key.encoded)
    except ValueError:
        return False
    return True
