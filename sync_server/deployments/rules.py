"""What a device and its session may become, and the secrets that name them; pure."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec

from shared.admission.policy import RuleBook
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
    STOPPED = "stopped"
    """Its session was revoked or went silent: it begins no other until somebody allows it again."""
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
    DeviceState.ENROLLED: frozenset(
        {DeviceState.REVOKED, DeviceState.STOPPED, DeviceState.QUARANTINED}
    ),
    DeviceState.STOPPED: frozenset({DeviceState.ENROLLED, DeviceState.REVOKED}),
    DeviceState.QUARANTINED: frozenset({DeviceState.ENROLLED, DeviceState.REVOKED}),
    DeviceState.REFUSED: frozenset(),
    DeviceState.REVOKED: frozenset(),
}


def device_may_become(current: DeviceState, wanted: DeviceState) -> bool:
    """Say whether a device may be moved to a state; out of refused and revoked leads only a new
    enrolment.
    """
    return wanted in _FOLLOWERS[current]


def state_after_enrolment(current: DeviceState | None, *, confirms: bool) -> DeviceState:
    """Give the state of a device that used a code up; a code says nothing of a broken journal."""
    if current is DeviceState.QUARANTINED:
        return DeviceState.QUARANTINED
    return DeviceState.AWAITING_CONFIRMATION if confirms else DeviceState.ENROLLED


@dataclass(frozen=True, slots=True)
class FoldRules:
    """What a deployment says of all its gates and tiers alike, as far as the fold asks."""

    capacity: int | None
    exits_scanned: bool
    travel_seconds: int


def fold_rules(rules: RuleBook, travel_seconds: int) -> FoldRules:
    """Read the rules without a scope; the last that sets something counts."""
    general: dict[str, object] = {}
    for rule in rules.rules:
        if rule.gates is None and rule.tiers is None:
            general.update(rule.changes)
    capacity = general.get("capacity")
    return FoldRules(
        capacity=capacity if isinstance(capacity, int) else None,
        exits_scanned=general.get("inside_until_exit") is not False,
        travel_seconds=travel_seconds,
    )


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
