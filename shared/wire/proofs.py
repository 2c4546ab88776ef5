"""DPoP proofs (RFC 9449, ES256): the header that ties a call to a device's key, written and read.

Freshness comes from the server's nonce alone, since a kiosk has no clock to trust before the first
answer: every proof carries `nonce`; `iat` is written because the RFC wants it and is never judged.
A proof without a nonce, or with an old one, is answered 401 `use_dpop_nonce` with a new nonce in
`DPoP-Nonce`, and the caller repeats once. A nonce is the server's time under a MAC, so that any
process of the server can check one made by another. Whoever verifies must also remember
(thumbprint, jti) for NONCE_LIFETIME_MS and refuse a second use.
"""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.credentials.keys import HolderKey
from shared.credentials.layout import HolderAlgorithm
from shared.errors import ZeraketError

NONCE_LIFETIME_MS: Final = 300_000
NONCE_SKEW_MS: Final = 60_000
"""How far the clocks of two server processes may stand apart."""
PROOF_CHARACTERS_MAX: Final = 4_096
PROOF_ID_BYTES: Final = 16
_PROOF_ID_CHARACTERS_MAX: Final = 64
_NONCE_LABEL: Final = b"tkt1/nonce\0"
_NONCE_TIME_BYTES: Final = 8
_NONCE_MAC_BYTES: Final = 16
_TYPE: Final = "dpop+jwt"
_ALGORITHM: Final = "ES256"
_COORDINATE_BYTES: Final = 32
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}


class ProofFault(StrEnum):
    """What is wrong with a proof, as text for the answer's `detail`."""

    MALFORMED = "This is no DPoP proof."
    ALGORITHM = "A proof is a dpop+jwt signed with ES256."
    KEY = "A proof carries a public key on P-256."
    SIGNATURE = "The proof is not signed by the key it names."
    METHOD = "The proof is for another method."
    ADDRESS = "The proof is for another address."
    TOKEN = "The proof is for another token."  # noqa: S105 - a sentence, not a secret
    NONCE = "The proof needs the server's newest nonce."


class ProofError(ZeraketError):
    """A proof that does not prove what it should."""

    code = "proof_invalid"

    def __init__(self, fault: ProofFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


class ProofNonceError(ProofError):
    """A proof without a nonce, or with one that is old or not ours; the code is RFC 9449's own."""

    code = "use_dpop_nonce"

    def __init__(self) -> None:
        super().__init__(ProofFault.NONCE)


@dataclass(frozen=True, slots=True)
class ProvenCall:
    """What a proof is bound to: `address` is the URL; its query and fragment do not count."""

    method: str
    address: str
    access_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class ProofStamp:
    """What makes a proof unlike any other; `proof_id` becomes `jti`."""

    proof_id: bytes
    issued_at_ms: int
    nonce: str | None


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """Who made the call: a compressed point, its RFC 7638 thumbprint, and the proof's `jti`."""

    signing_key: bytes
    thumbprint: str
    jti: str


def build_proof(
    call: ProvenCall, stamp: ProofStamp, signing_key: bytes, sign: Callable[[bytes], bytes]
) -> str:
    """Write a proof; `signing_key` is a compressed point, `sign` answers raw r‖s."""
    header = {"typ": _TYPE, "alg": _ALGORITHM, "jwk": jwk_of(signing_key)}
    claims: dict[str, Any] = {
        "jti": _encode(stamp.proof_id),
        "htm": call.method,
        "htu": _target(call.address),
        "iat": stamp.issued_at_ms // 1_000,
    }
    if call.access_token is not None:
        claims["ath"] = _token_hash(call.access_token)
    if stamp.nonce is not None:
        claims["nonce"] = stamp.nonce
    signed = f"{_encode_json(header)}.{_encode_json(claims)}"
    return f"{signed}.{_encode(sign(signed.encode('ascii')))}"


def verify_proof(proof: str, call: ProvenCall, nonce_secret: bytes, now_ms: int) -> VerifiedProof:
    """Check a proof against the call that carried it; raise ProofError or ProofNonceError.

    The nonce is looked at last: only who holds the key learns that it was the nonce.
    """
    header, claims, signature, signed = _parts(proof)
    signing_key = _signing_key(header)
    if not HolderKey(HolderAlgorithm.P256, signing_key).verifies(signature, signed):
        raise ProofError(ProofFault.SIGNATURE)
    _check_binding(claims, call)
    check_proof_nonce(str(claims.get("nonce", "")), nonce_secret, now_ms)
    return VerifiedProof(signing_key, thumbprint(signing_key), _proof_id(claims))


def make_proof_nonce(nonce_secret: bytes, now_ms: int) -> str:
    """Make the nonce for the `DPoP-Nonce` header; it is good for NONCE_LIFETIME_MS."""
    time = now_ms.to_bytes(_NONCE_TIME_BYTES, "big")
    return _encode(time + _nonce_mac(nonce_secret, time))


def check_proof_nonce(nonce: str, nonce_secret: bytes, now_ms: int) -> None:
    """Raise ProofNonceError unless this server made the nonce, and lately."""
    try:
        data = _decode(nonce)
    except ProofError as error:
        raise ProofNonceError from error
    time, mac = data[:_NONCE_TIME_BYTES], data[_NONCE_TIME_BYTES:]
    age_ms = now_ms - int.from_bytes(time, "big")
    if not hmac.compare_digest(mac, _nonce_mac(nonce_secret, time)):
        raise ProofNonceError
    if not -NONCE_SKEW_MS <= age_ms <= NONCE_LIFETIME_MS:
        raise ProofNonceError


def jwk_of(signing_key: bytes) -> dict[str, str]:
    """Turn a compressed P-256 point into a public JWK."""
    numbers = ec.EllipticCurvePublicKey.from_encoded_point(
        ec.SECP256R1(), signing_key
    ).public_numbers()
    return {
        "crv": "P-256",
        "kty": "EC",
        "x": _encode(numbers.x.to_bytes(_COORDINATE_BYTES, "big")),
        "y": _encode(numbers.y.to_bytes(_COORDINATE_BYTES, "big")),
    }


def thumbprint(signing_key: bytes) -> str:
    """The key's RFC 7638 thumbprint, SHA-256 in base64url: what a token carries as `cnf.jkt`."""
    canonical = json.dumps(jwk_of(signing_key), separators=(",", ":"), sort_keys=True)
    return _encode(sha256(canonical.encode("ascii")).digest())


def _parts(proof: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    pieces = proof.split(".")
    if len(proof) > PROOF_CHARACTERS_MAX or len(pieces) != 3:  # noqa: PLR2004 - a compact JWS
        raise ProofError(ProofFault.MALFORMED)
    header, claims, signature = pieces
    return (
        _decode_json(header),
        _decode_json(claims),
        _decode(signature),
        f"{header}.{claims}".encode("ascii"),
    )


def _signing_key(header: Mapping[str, Any]) -> bytes:
    jwk = header.get("jwk")
    if header.get("typ") != _TYPE or header.get("alg") != _ALGORITHM or "crit" in header:
        raise ProofError(ProofFault.ALGORITHM)
    if not isinstance(jwk, dict) or "d" in jwk:
        raise ProofError(ProofFault.KEY)
    if (jwk.get("kty"), jwk.get("crv")) != ("EC", "P-256"):
        raise ProofError(ProofFault.KEY)
    try:
        numbers = ec.EllipticCurvePublicNumbers(
            _coordinate(jwk.get("x")), _coordinate(jwk.get("y")), ec.SECP256R1()
        )
        return numbers.public_key().public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    except ValueError as error:
        raise ProofError(ProofFault.KEY) from error


def _coordinate(value: object) -> int:
    data = _decode(value) if isinstance(value, str) else b""
    if len(data) != _COORDINATE_BYTES:
        raise ProofError(ProofFault.KEY)
    return int.from_bytes(data, "big")


def _check_binding(claims: Mapping[str, Any], call: ProvenCall) -> None:
    if claims.get("htm") != call.method:
        raise ProofError(ProofFault.METHOD)
    target = claims.get("htu")
    if not isinstance(target, str) or _target(target) != _target(call.address):
        raise ProofError(ProofFault.ADDRESS)
    if type(claims.get("iat")) is not int:
        raise ProofError(ProofFault.MALFORMED)
    expected = "" if call.access_token is None else _token_hash(call.access_token)
    stated = ascii(claims.get("ath", ""))
    if not hmac.compare_digest(stated, ascii(expected)):
        raise ProofError(ProofFault.TOKEN)


def _proof_id(claims: Mapping[str, Any]) -> str:
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _PROOF_ID_CHARACTERS_MAX:
        raise ProofError(ProofFault.MALFORMED)
    return jti


def _target(address: str) -> str:
    """Normalize a URL (RFC 3986 §6.2): no query, no fragment, no default port, lower-case host."""
    try:
        url = urlsplit(address)
        port = url.port
    except ValueError as error:
        raise ProofError(ProofFault.ADDRESS) from error
    suffix = "" if port in {None, _DEFAULT_PORTS.get(url.scheme)} else f":{port}"
    return f"{url.scheme}://{url.hostname}{suffix}{url.path or '/'}"


def _nonce_mac(nonce_secret: bytes, time: bytes) -> bytes:
    return hmac.digest(nonce_secret, _NONCE_LABEL + time, "sha256")[:_NONCE_MAC_BYTES]


def _token_hash(access_token: str) -> str:
    return _encode(sha256(access_token.encode()).digest())


def _encode(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _encode_json(value: Mapping[str, Any]) -> str:
    return _encode(json.dumps(value, separators=(",", ":")).encode())


def _decode(text: str) -> bytes:
    try:
        data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (Base64Error, ValueError) as error:
        raise ProofError(ProofFault.MALFORMED) from error
    # The decoder skips what it does not know, so only the one true spelling is taken.
    if _encode(data) != text:
        raise ProofError(ProofFault.MALFORMED)
    return data


def _decode_json(text: str) -> dict[str, Any]:
    try:
        value = json.loads(_decode(text))
    except (ValueError, RecursionError) as error:
        raise ProofError(ProofFault.MALFORMED) from error
    if not isinstance(value, dict):
        raise ProofError(ProofFault.MALFORMED)
    return value
