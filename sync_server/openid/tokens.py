"""ID tokens: whether a provider's key signed one, and whether it is for us, for this flow, and of
now. It fetches nothing and knows nobody.
"""

from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from authlib.oidc.core import CodeIDToken
from joserfc import jws, jwt
from joserfc.errors import BadSignatureError, ClaimError, JoseError
from joserfc.jwk import ECKey, RSAKey

from sync_server.identity.addresses import normalised_address
from sync_server.openid.errors import OpenidAddressUnverifiedError, OpenidTokenRefusedError
from sync_server.openid.rules import ProvenPerson

ALGORITHMS: Final = ("RS256", "ES256")
LEEWAY_SECONDS: Final = 60
RSA_BITS_MIN: Final = 2_048
_CURVE: Final = "P-256"
_SUBJECT_CHARACTERS_MAX: Final = 255
_MALFORMED: Final = "id_token"
_SIGNATURE: Final = "signature"
_ADDRESS: Final = "email"
# Providers may add header parameters; `crit` is obeyed all the same.
_REGISTRY: Final = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)

PublicKey = RSAKey | ECKey


@dataclass(frozen=True, slots=True)
class Expected:
    """What a token must say. Times are Unix seconds; `began_at` is when the flow did."""

    issuer: str
    client_id: str
    nonce: str
    access_token: str
    began_at: int


@dataclass(frozen=True, slots=True)
class Header:
    """The two parameters that choose a key; nothing vouches for them yet."""

    algorithm: str
    key_id: str | None


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """A provider's keys for the algorithms we take, by algorithm."""

    by_algorithm: Mapping[str, tuple[PublicKey, ...]]

    def find(self, header: Header) -> PublicKey | None:
        """A token without a key id is good where there is no choice (OpenID Connect Core §10.1)."""
        keys = self.by_algorithm.get(header.algorithm, ())
        if header.key_id is None:
            return keys[0] if len(keys) == 1 else None
        return next((key for key in keys if key.kid == header.key_id), None)


def read_key_set(document: Any) -> PublishedKeys:  # noqa: ANN401 - JSON from outside
    """Read a JWK set (RFC 7517), else raise ValueError; keys for anything else are left out."""
    try:
        entries = list(document["keys"])
        rsa = tuple(RSAKey.import_key(entry) for entry in entries if _is_rsa(entry))
        elliptic = tuple(ECKey.import_key(entry) for entry in entries if _is_elliptic(entry))
    except (JoseError, AttributeError, KeyError, TypeError, ValueError) as error:
        message = "this is no key set"
        raise ValueError(message) from error
    return PublishedKeys({"RS256": rsa, "ES256": elliptic})


def read_header(id_token: str) -> Header:
    """Say which key to look for, else raise OpenidTokenRefusedError."""
    try:
        headers = jws.extract_compact(id_token.encode(), registry=_REGISTRY).headers()
        algorithm, key_id = headers["alg"], headers.get("kid")
    except (JoseError, AttributeError, TypeError, ValueError) as error:
        raise OpenidTokenRefusedError(_MALFORMED) from error
    _require(algorithm in ALGORITHMS, "alg")
    _require(key_id is None or isinstance(key_id, str), "kid")
    return Header(str(algorithm), key_id)


def read_id_token(id_token: str, key: PublicKey, expected: Expected, now: int) -> ProvenPerson:
    """Check all that OpenID Connect Core §3.1.3.7 asks for, and that the provider has verified the
    address; else raise OpenidTokenRefusedError or OpenidAddressUnverifiedError.
    """
    try:
        token = jwt.decode(id_token, key, ALGORITHMS, _REGISTRY)
        _check_claims(token, expected, now)
    except ClaimError as error:
        raise OpenidTokenRefusedError(error.claim) from error
    except BadSignatureError as error:
        raise OpenidTokenRefusedError(_SIGNATURE) from error
    except (JoseError, TypeError, ValueError) as error:
        raise OpenidTokenRefusedError(_MALFORMED) from error
    return _person(token.claims)


def _check_claims(token: jwt.Token, expected: Expected, now: int) -> None:
    """Beside what authlib checks: no other audience, and no token older than its flow."""
    options = {
        "iss": {"essential": True, "value": expected.issuer},
        "aud": {"essential": True, "value": expected.client_id},
    }
    params = {
        "client_id": expected.client_id,
        "nonce": expected.nonce,
        "access_token": expected.access_token,
    }
    claims = CodeIDToken(token.claims, token.header, options, params)
    _require(claims.get("aud") in (expected.client_id, [expected.client_id]), "aud")
    _require(isinstance(claims.get("at_hash", ""), str), "at_hash")
    claims.validate(now, LEEWAY_SECONDS)
    _require(claims["iat"] >= expected.began_at - LEEWAY_SECONDS, "iat")
    _require(0 < len(claims["sub"]) <= _SUBJECT_CHARACTERS_MAX, "sub")


def _person(claims: Mapping[str, Any]) -> ProvenPerson:
    try:
        address = normalised_address(claims["email"])
    except (AttributeError, KeyError, ValueError) as error:
        raise OpenidTokenRefusedError(_ADDRESS) from error
    if claims.get("email_verified") is not True:
        raise OpenidAddressUnverifiedError
    name, hosted_domain = claims.get("name"), claims.get("hd")
    return ProvenPerson(
        issuer=claims["iss"],
        subject=claims["sub"],
        address=address,
        name=name if isinstance(name, str) else "",
        hosted_domain=hosted_domain if isinstance(hosted_domain, str) else None,
    )


def _is_rsa(entry: Mapping[str, Any]) -> bool:
    if not _is_for(entry, "RSA", "RS256"):
        return False
    modulus = int.from_bytes(urlsafe_b64decode(entry["n"] + "=="))
    return modulus.bit_length() >= RSA_BITS_MIN


def _is_elliptic(entry: Mapping[str, Any]) -> bool:
    return _is_for(entry, "EC", "ES256") and entry.get("crv") == _CURVE


def _is_for(entry: Mapping[str, Any], kind: str, algorithm: str) -> bool:
    """A key says its kind, and may say what it is for (RFC 7517 §4)."""
    use, named = entry.get("use", "sig"), entry.get("alg", algorithm)
    return (entry["kty"], use, named) == (kind, "sig", algorithm)


def _require(right: object, at_fault: str) -> None:
    if not right:
        raise OpenidTokenRefusedError(at_fault)
