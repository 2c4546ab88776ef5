"""Checks what a browser brings back against WebAuthn level 3 (§7.1, §7.2). No clock, no database.

py_webauthn has the last word. What is looked at before it gives the log its reason, or is what the
library leaves open: frames of other sites, the curve, backup eligibility, kinds of attestation.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel
from webauthn import verify_authentication_response, verify_registration_response
from webauthn.helpers import (
    decode_credential_public_key,
    decoded_public_key_to_cryptography,
    parse_attestation_object,
    parse_authenticator_data,
)
from webauthn.helpers.cose import COSECRV, COSEAlgorithmIdentifier
from webauthn.helpers.decode_credential_public_key import DecodedEC2PublicKey
from webauthn.helpers.structs import (
    AttestationFormat,
    AttestationObject,
    AttestedCredentialData,
    AuthenticationCredential,
    AuthenticatorAssertionResponse,
    AuthenticatorAttestationResponse,
    AuthenticatorData,
    AuthenticatorTransport,
    ClientDataType,
    RegistrationCredential,
)

from sync_server.passkeys.errors import PasskeyRefusedError, Reason
from sync_server.passkeys.rules import RelyingParty
from sync_server.passkeys.schemas import AssertionCredentialJson, RegistrationCredentialJson

ALGORITHMS: Final = (
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,
)
PUBLIC_KEY_BYTES_MAX: Final = 2048
_TRANSPORTS: Final = frozenset(transport.value for transport in AuthenticatorTransport)


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asked, and for the signature of what: the challenge is known by its hash."""

    party: RelyingParty
    challenge_hash: bytes


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What was kept of a passkey when it was registered."""

    public_key: bytes
    may_be_synced: bool


@dataclass(frozen=True, slots=True)
class Registered:
    """A new passkey that is what it says."""

    credential_id: bytes
    public_key: bytes
    sign_count: int
    transports: tuple[str, ...]
    may_be_synced: bool
    is_synced: bool


@dataclass(frozen=True, slots=True)
class Asserted:
    """A passkey that signed the challenge, and what it told of itself."""

    sign_count: int
    is_synced: bool


class _ClientData(BaseModel):
    """What the browser says it was asked, and by whom (§5.8.1)."""

    type: str
    challenge: str
    origin: str
    crossOrigin: bool = False  # noqa: N815 - the member's name
    topOrigin: str | None = None  # noqa: N815


def verify_registration(asked: Asked, credential: RegistrationCredentialJson) -> Registered:
    """Check a new passkey, else raise PasskeyRefusedError."""
    with _refusing(Reason.MALFORMED):
        given = _registration(credential)
        attestation = parse_attestation_object(given.response.attestation_object)
        attested = attestation.auth_data.attested_credential_data
    if attested is None or attested.credential_id != given.raw_id:
        raise PasskeyRefusedError(Reason.MALFORMED)
    challenge = _check_client_data(
        asked, given.response.client_data_json, ClientDataType.WEBAUTHN_CREATE
    )
    _check_authenticator(asked, attestation.auth_data)
    _check_attestation(attestation)
    _check_key(attested)
    with _refusing(Reason.SIGNATURE):
        verified = verify_registration_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=asked.party.id,
            expected_origin=asked.party.origin,
            require_user_verification=True,
            supported_pub_key_algs=list(ALGORITHMS),
        )
    return Registered(
        credential_id=verified.credential_id,
        public_key=verified.credential_public_key,
        sign_count=verified.sign_count,
        transports=tuple(sorted(_TRANSPORTS & set(credential.response.transports))),
        may_be_synced=attestation.auth_data.flags.be,
        is_synced=verified.credential_backed_up,
    )


def verify_assertion(
    asked: Asked, known: KnownKey, credential: AssertionCredentialJson
) -> Asserted:
    """Check that a known passkey signed the challenge, else raise PasskeyRefusedError. Its counter
    is for the caller to compare.
    """
    with _refusing(Reason.MALFORMED):
        given = _assertion(credential)
        data = parse_authenticator_data(given.response.authenticator_data)
    challenge = _check_client_data(
        asked, given.response.client_data_json, ClientDataType.WEBAUTHN_GET
    )
    _check_authenticator(asked, data)
    if data.flags.be != known.may_be_synced:
        raise PasskeyRefusedError(Reason.BACKUP)
    with _refusing(Reason.SIGNATURE):
        verified = verify_authentication_response(
            credential=given,
            expected_challenge=challenge,
            expected_rp_id=asked.party.id,
            expected_origin=asked.party.origin,
            credential_public_key=known.public_key,
            # The library compares before it knows that the right key speaks.
            credential_current_sign_count=0,
            require_user_verification=True,
        )
    return Asserted(verified.new_sign_count, verified.credential_backed_up)


def decoded(text: str) -> bytes:
    """Read base64url without padding, else raise PasskeyRefusedError."""
    with _refusing(Reason.MALFORMED):
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@contextmanager
def _refusing(reason: Reason) -> Iterator[None]:
    try:
        yield
    except PasskeyRefusedError:
        raise
    except Exception as error:
        raise PasskeyRefusedError(reason) from error


def _registration(credential: RegistrationCredentialJson) -> RegistrationCredential:
    response = AuthenticatorAttestationResponse(
        client_data_json=decoded(credential.response.client_data),
        attestation_object=decoded(credential.response.attestation_object),
    )
    return RegistrationCredential(credential.id, decoded(credential.raw_id), response)


def _assertion(credential: AssertionCredentialJson) -> AuthenticationCredential:
    response = AuthenticatorAssertionResponse(
        client_data_json=decoded(credential.response.client_data),
        authenticator_data=decoded(credential.response.authenticator_data),
        signature=decoded(credential.response.signature),
    )
    return AuthenticationCredential(credential.id, decoded(credential.raw_id), response)


def _check_client_data(asked: Asked, raw: bytes, ceremony: str) -> bytes:
    """Give the challenge that was signed, which is the one that was asked for."""
    with _refusing(Reason.MALFORMED):
        said = _ClientData.model_validate_json(raw)
        challenge = decoded(said.challenge)
    faults = (
        (said.type != ceremony, Reason.CEREMONY),
        (
            not hmac.compare_digest(hashlib.sha256(challenge).digest(), asked.challenge_hash),
            Reason.CHALLENGE,
        ),
        (said.origin != asked.party.origin, Reason.ORIGIN),
        (said.crossOrigin or said.topOrigin is not None, Reason.CROSS_ORIGIN),
    )
    _refuse_first(faults)
    return challenge


def _check_authenticator(asked: Asked, data: AuthenticatorData) -> None:
    ours = hashlib.sha256(asked.party.id.encode()).digest()
    faults = (
        (data.rp_id_hash != ours, Reason.RELYING_PARTY),
        (not data.flags.up, Reason.USER_ABSENT),
        (not data.flags.uv, Reason.USER_UNVERIFIED),
        (data.flags.bs and not data.flags.be, Reason.BACKUP),
    )
    _refuse_first(faults)


def _check_attestation(attestation: AttestationObject) -> None:
    """Browsers asked for no attestation leave none, or the key's own signature (§5.1.3)."""
    signs_itself = attestation.fmt == AttestationFormat.PACKED and not attestation.att_stmt.x5c
    if attestation.fmt != AttestationFormat.NONE and not signs_itself:
        raise PasskeyRefusedError(Reason.ATTESTATION)


def _check_key(attested: AttestedCredentialData) -> None:
    """A key of an algorithm that was asked for, on its curve, and no larger than we keep."""
    with _refusing(Reason.MALFORMED):
        key = decode_credential_public_key(attested.credential_public_key)
        is_off_curve = isinstance(key, DecodedEC2PublicKey) and key.crv != COSECRV.P256
        is_foreign = key.alg not in ALGORITHMS
    is_too_large = len(attested.credential_public_key) > PUBLIC_KEY_BYTES_MAX
    _refuse_first(
        ((is_foreign or is_off_curve, Reason.ALGORITHM), (is_too_large, Reason.MALFORMED))
    )
    with _refusing(Reason.MALFORMED):
        decoded_public_key_to_cryptography(key)


def _refuse_first(faults: tuple[tuple[bool, Reason], ...]) -> None:
    for is_broken, reason in faults:
        if is_broken:
            raise PasskeyRefusedError(reason)
