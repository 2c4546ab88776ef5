"""What a device and its session may become, and the secrets that name them; pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from shared.ids import (
    DeploymentId,
    DeviceId,
    EventId,
    GateId,
    OrganizerId,
    ScannerSessionId,
)

ENROLMENT_CODE_LIFETIME: Final = timedelta(minutes=15)
TOKEN_LIFETIME_MS: Final = 600_000
HEARTBEAT_INTERVAL_SECONDS: Final = 15
CAPABILITIES: Final = ("manifest", "changes", "scans", "heartbeats")
"""What a token is good for, beside the deployment it names."""


class DeviceState(StrEnum):
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    ENROLLED = "enrolled"
    REFUSED = "refused"
    REVOKED = "revoked"
    QUARANTINED = "quarantined"
    """Its journal forked or broke: it may deliver scans and gets nothing new to decide with."""


class EndReason(StrEnum):
    REVOKED = "revoked"
    STALE = "stale"
    SUPERSEDED = "superseded"


_FOLLOWERS: Final[Mapping[DeviceState, frozenset[DeviceState]]] = {
    DeviceState.AWAITING_CONFIRMATION: frozenset(
        {DeviceState.ENROLLED, DeviceState.REFUSED, DeviceState.REVOKED}
    ),
    DeviceState.ENROLLED: frozenset({DeviceState.REVOKED, DeviceState.QUARANTINED}),
    DeviceState.QUARANTINED: frozenset({DeviceState.ENROLLED, DeviceState.REVOKED}),
    DeviceState.REFUSED: frozenset(),
    DeviceState.REVOKED: frozenset(),
}


def device_may_become(current: DeviceState, wanted: DeviceState) -> bool:
    """Say whether an organizer may move a device to a state; refused and revoked are final."""
    return wanted in _FOLLOWERS[current]


@dataclass(frozen=True, slots=True)
class Scanner:
    """Whom a scanner session's token speaks for."""

    organizer_id: OrganizerId
    event_id: EventId
    deployment_id: DeploymentId
    device_id: DeviceId
    session_id: ScannerSessionId
    gate_id: GateId


def scope_of(deployment_id: DeploymentId) -> str:
    """Write a token's scope: one deployment, and what may be done there."""
    return " ".join((f"deployment:{deployment_id}", *CAPABILITIES))


def session_token(session_secret: bytes, session_id: ScannerSessionId) -> str:
    """Derive the opaque 256-bit token of a session; the database keeps its hash only."""
    return hmac.digest(session_secret, session_id.bytes, "sha256").hex()


def is_p256_point(key: bytes) -> bool:
    """Say whether the bytes are a point on P-256."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key)
    except ValueError:
        return False
    return True
