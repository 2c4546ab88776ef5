"""Stable problem codes (RFC 9457) that a kiosk acts on; every other code is shown as text."""

from enum import StrEnum

from shared.wire.base import WireModel
from shared.wire.scanners import SignedRevocation


class ScannerProblem(StrEnum):
    """Codes a kiosk has its own behaviour for."""

    SESSION_REVOKED = "session_revoked"
    SESSION_SUPERSEDED = "session_superseded"
    TOKEN_EXPIRED = "token_expired"  # noqa: S105 - a code, not a secret
    PROOF_INVALID = "proof_invalid"
    PROOF_REPLAYED = "proof_replayed"
    ENROLMENT_CODE_UNKNOWN = "enrolment_code_unknown"
    ENROLMENT_CODE_USED = "enrolment_code_used"
    ENROLMENT_CODE_EXPIRED = "enrolment_code_expired"
    ENROLMENT_UNCONFIRMED = "enrolment_unconfirmed"
    DEVICE_REVOKED = "device_revoked"
    DEVICE_QUARANTINED = "device_quarantined"


class ProblemDocument(WireModel):
    """A problem answer; `revocation` comes with `session_revoked`."""

    type: str = "about:blank"
    title: str
    status: int
    code: str
    detail: str = ""
    revocation: SignedRevocation | None = None
