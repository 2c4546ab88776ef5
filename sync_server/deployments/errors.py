"""Refusals of the deployments domain; the codes a kiosk acts on are those of
`shared.wire.problems`.
"""

from shared.wire.problems import ScannerProblem
from shared.wire.scanners import SignedRevocation
from sync_server.kit.problems import (
    ForbiddenError,
    NotFoundError,
    ProblemError,
    UnknownSecret,
    UnknownSecretError,
)


class DeploymentNotFoundError(NotFoundError):
    code = "deployment_not_found"
    title = "This event has no such deployment"


class DeploymentExistsError(ProblemError):
    status = 409
    code = "deployment_exists"
    title = "A deployment with this id exists already"


class DeviceNotFoundError(NotFoundError):
    code = "device_not_found"
    title = "This deployment has no such device"


class DeviceStateRefusedError(ProblemError):
    status = 409
    code = "device_state_refused"
    title = "A device in this state cannot be given that one"


class SessionNotFoundError(NotFoundError):
    code = "scanner_session_not_found"
    title = "This deployment has no such scanner session"


class GateUnknownError(ProblemError):
    status = 422
    code = "gate_unknown"
    title = "A gate named here does not belong to this deployment or event"


class RulesInvalidError(ProblemError):
    status = 422
    code = "rules_invalid"
    title = "These rules contradict themselves or name what does not exist"


class EnrolmentCodeUnknownError(NotFoundError, UnknownSecretError):
    secret = UnknownSecret.ENROLMENT
    code = ScannerProblem.ENROLMENT_CODE_UNKNOWN.value
    title = "This enrolment code is unknown; ask for a new one"


class EnrolmentCodeUsedError(ProblemError):
    status = 409
    code = ScannerProblem.ENROLMENT_CODE_USED.value
    title = "This enrolment code was used already; ask for a new one"


class EnrolmentCodeExpiredError(ProblemError):
    status = 410
    code = ScannerProblem.ENROLMENT_CODE_EXPIRED.value
    title = "This enrolment code is over; ask for a new one"


class EnrolmentUnconfirmedError(ForbiddenError):
    code = ScannerProblem.ENROLMENT_UNCONFIRMED.value
    title = "The organizer has not confirmed this device yet"


class _DeviceOutError(ForbiddenError):
    """A device that may not work; a kiosk that knows its device is told by a signed order."""

    def __init__(self, revocation: SignedRevocation | None = None) -> None:
        told = {} if revocation is None else {"revocation": revocation.model_dump(mode="json")}
        super().__init__(extra=told)


class EnrolmentRefusedError(_DeviceOutError):
    code = "enrolment_refused"
    title = "The organizer refused this device"


class DeviceKeyInvalidError(ProblemError):
    status = 422
    code = "device_key_invalid"
    title = "A device offers two public keys on P-256"


class DeviceRevokedError(_DeviceOutError):
    code = ScannerProblem.DEVICE_REVOKED.value
    title = "The organizer has revoked this device"


class DeviceStoppedError(_DeviceOutError):
    code = "device_stopped"
    title = "This device was stopped; the organizer confirms it, or it is enrolled again"


class DeviceQuarantinedError(ForbiddenError):
    code = ScannerProblem.DEVICE_QUARANTINED.value
    title = "This device's journal does not hold together; the organizer must look at it"


class ScannerAuthenticationError(ProblemError):
    """A call from a scanner that proves nothing; the header names the scheme (RFC 9449 §7.1)."""

    status = 401

    def __init__(self, detail: str | None = None) -> None:
        challenge = f'DPoP error="{self.code}", algs="ES256"'
        super().__init__(detail, headers={"WWW-Authenticate": challenge})


class ProofInvalidError(ScannerAuthenticationError):
    code = ScannerProblem.PROOF_INVALID.value
    title = "The call's DPoP proof does not hold"


class ProofNonceRequiredError(ScannerAuthenticationError):
    code = "use_dpop_nonce"
    title = "Repeat the call with the nonce of this answer"


class ProofReplayedError(ScannerAuthenticationError):
    code = ScannerProblem.PROOF_REPLAYED.value
    title = "This DPoP proof was used before"


class TokenInvalidError(ScannerAuthenticationError):
    code = "token_invalid"
    title = "This is no access token of this server, or it belongs to another device"


class TokenExpiredError(ScannerAuthenticationError):
    code = ScannerProblem.TOKEN_EXPIRED.value
    title = "The access token is over; ask for a new one"


class _SessionEndedError(ProblemError):
    status = 401

    def __init__(self, revocation: SignedRevocation) -> None:
        super().__init__(extra={"revocation": revocation.model_dump(mode="json")})


class SessionRevokedError(_SessionEndedError):
    code = ScannerProblem.SESSION_REVOKED.value
    title = "This scanner session was ended; stop admitting"


class SessionSupersededError(_SessionEndedError):
    code = ScannerProblem.SESSION_SUPERSEDED.value
    title = "This device has started a newer session"
