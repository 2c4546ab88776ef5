"""Messages between a kiosk and the server about who the kiosk is.

Enrolment, sessions, time, heartbeats and revocation; nothing about tickets.
"""

from enum import StrEnum
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.wire.base import Base64Bytes, WireModel

CompressedPoint = Annotated[Base64Bytes, Field(min_length=33, max_length=33)]
"""A P-256 public key as a compressed SEC1 point."""
Nonce = Annotated[Base64Bytes, Field(min_length=16, max_length=16)]


class EnrolmentRequest(WireModel):
    """A kiosk offers two public keys with the enrolment code; DPoP proves it holds the first."""

    code: Annotated[Base64Bytes, Field(min_length=16, max_length=16)]
    signing_key: CompressedPoint
    sealing_key: CompressedPoint
    name: Annotated[str, Field(min_length=1, max_length=80)]
    software_version: Annotated[str, Field(max_length=40)] = ""


class EnrolmentState(StrEnum):
    AWAITING_CONFIRMATION = "awaiting_confirmation"
    ENROLLED = "enrolled"
    REFUSED = "refused"


class EnrolmentAnswer(WireModel):
    """What the kiosk is now; `server_key` must match the fingerprint of a scanned code."""

    device_id: UUID
    deployment_id: UUID
    state: EnrolmentState
    server_key: Base64Bytes
    digits: str
    deployment_name: str
    gate_id: UUID
    gate_name: str


class SignedTime(WireModel):
    """The server's time for one nonce, signed (`shared.wire.signing.time_message`)."""

    device_id: UUID
    nonce: Nonce
    time_ms: int
    seq: int
    lease_until_ms: int | None = None
    signature: Base64Bytes


class SessionRequest(WireModel):
    """Start or renew a scanner session; the DPoP proof is the authentication."""

    device_id: UUID
    nonce: Nonce


class SessionAnswer(WireModel):
    """A session and the token that works under it."""

    session_id: UUID
    access_token: str
    token_type: Literal["DPoP"] = "DPoP"  # noqa: S105 - the name of a scheme, not a secret
    expires_at_ms: int
    heartbeat_interval_seconds: int
    stale_after_seconds: int
    time: SignedTime


class Health(StrEnum):
    GOOD = "good"
    DEGRADED = "degraded"
    FAILED = "failed"
    ABSENT = "absent"


class Heartbeat(WireModel):
    """How a kiosk is, every 15 seconds."""

    queue_length: Annotated[int, Field(ge=0)]
    journal_seq: Annotated[int, Field(ge=0)]
    snapshot_version: Annotated[int, Field(ge=0)]
    camera: Health
    reader: Health = Health.ABSENT
    clock: Health
    clock_uncertainty_ms: Annotated[int, Field(ge=0)] | None = None
    battery_percent: Annotated[int, Field(ge=0, le=100)] | None = None
    software_version: Annotated[str, Field(max_length=40)] = ""
    nonce: Nonce


class HeartbeatAnswer(WireModel):
    """What the kiosk should know at once: the time, and whether there is something to fetch."""

    time: SignedTime
    snapshot_version: int
    active_devices: int


class RevocationOrder(WireModel):
    """The signed document that stops a kiosk; it travels as bytes beside its signature."""

    session_id: UUID
    device_id: UUID
    deployment_id: UUID
    reason: Literal["revoked", "stale", "superseded"]
    issued_at_ms: int


class SignedRevocation(WireModel):
    """A revocation order as bytes of JSON, and the server's signature over them."""

    order: Base64Bytes
    signature: Base64Bytes
