"""Refusals of the passkeys domain. One answer for whatever is wrong with a passkey that was shown;
what it was stands in the log alone.
"""

from enum import StrEnum

from sync_server.kit.problems import NotFoundError, ProblemError


class Reason(StrEnum):
    """Why a passkey was refused, for the log."""

    MALFORMED = "malformed"
    CHALLENGE = "challenge"
    """Unknown, used, too old, for something else, or not the one that was signed."""
    ORIGIN = "origin"
    CROSS_ORIGIN = "cross_origin"
    CEREMONY = "ceremony"
    """Made to register and shown to sign in, or the other way round."""
    RELYING_PARTY = "relying_party"
    USER_ABSENT = "user_absent"
    USER_UNVERIFIED = "user_unverified"
    BACKUP = "backup"
    """What it said about being synced contradicts itself, or what it said before."""
    ALGORITHM = "algorithm"
    ATTESTATION = "attestation"
    SIGNATURE = "signature"
    REGISTERED_BEFORE = "registered_before"
    UNKNOWN = "unknown"
    OWNER = "owner"
    """It is another's, or its user handle is."""
    DISABLED = "disabled"
    COUNTER = "counter"


class PasskeyRefusedError(ProblemError):
    status = 401
    code = "passkey_refused"
    title = "This passkey was not accepted; begin again, or sign in another way"

    def __init__(self, reason: Reason) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})
        self.reason = reason


class PasskeysOffError(ProblemError):
    status = 409
    code = "passkeys_off"
    title = (
        "Passkeys are off: browsers make them for https:// addresses with a name, and this server"
        " has none"
    )


class PasskeyNotFoundError(NotFoundError):
    code = "passkey_not_found"
    title = "You have no such passkey"


class TooManyPasskeysError(ProblemError):
    status = 409
    code = "too_many_passkeys"
    title = "You have as many passkeys as there may be; remove one first"
