"""ID tokens as Google writes them, and forged in every way a client must notice.

It shares no code with the server's own check, so that both cannot be wrong in one way.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

TOKEN_SECONDS: Final = 3_600
_LONG_AGO_SECONDS: Final = 7_200
_STRANGER: Final = "somebody-else"

SigningKey = RSAKey | ECKey
Claims = dict[str, Any]


class Forgery(StrEnum):
    """How the provider lies, or whose token it is that was put in place of the right one."""

    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    SECOND_AUDIENCE = "second_audience"
    WRONG_AUTHORIZED_PARTY = "wrong_authorized_party"
    NO_SUBJECT = "no_subject"
    EXPIRED = "expired"
    ISSUED_LATER = "issued_later"
    ISSUED_BEFORE = "issued_before"
    WRONG_NONCE = "wrong_nonce"
    NO_NONCE = "no_nonce"
    WRONG_ACCESS_TOKEN_HASH = "wrong_access_token_hash"  # noqa: S105 - the name of a forgery
    UNVERIFIED_ADDRESS = "unverified_address"
    VERIFIED_IN_WORDS = "verified_in_words"
    NO_ADDRESS = "no_address"
    CHANGED_SUBJECT = "changed_subject"
    NO_ALGORITHM = "no_algorithm"
    PUBLIC_KEY_AS_SECRET = "public_key_as_secret"  # noqa: S105
    UNKNOWN_KEY = "unknown_key"
    FOREIGN_KEY = "foreign_key"
    SWAPPED_SIGNATURE = "swapped_signature"
    NOT_A_TOKEN = "not_a_token"  # noqa: S105
    REPLAYED_CODE = "replayed_code"
    NO_CHALLENGE = "no_challenge"
    WRONG_RESPONSE_ISSUER = "wrong_response_issuer"
    NO_RESPONSE_ISSUER = "no_response_issuer"


@dataclass(frozen=True, slots=True)
class Signer:
    """A published key, and one that is published nowhere."""

    key: SigningKey
    unpublished: SigningKey

    @property
    def header(self) -> dict[str, str]:
        algorithm = "RS256" if isinstance(self.key, RSAKey) else "ES256"
        return {"alg": algorithm, "kid": str(self.key.kid), "typ": "JWT"}


def write_id_token(
    claims: Mapping[str, Any], access_token: str, signer: Signer, forgery: Forgery | None
) -> str:
    """Sign claims that hold what the flow said; `at_hash` is added (OpenID Connect Core
    §3.1.3.6).
    """
    digest = hashlib.sha256(access_token.encode()).digest()
    whole = {**claims, "at_hash": _base64url(digest[: len(digest) // 2])}
    if forgery in _FORGED_CLAIMS:
        whole = _without_none({**whole, **_FORGED_CLAIMS[forgery](whole)})
    return _SIGNATURES.get(forgery, _sign)(whole, signer)


def _sign(claims: Claims, signer: Signer) -> str:
    header = signer.header
    return jwt.encode(header, claims, signer.key, [header["alg"]])


def _sign_with_nothing(claims: Claims, signer: Signer) -> str:
    return _compact({**signer.header, "alg": "none"}, claims, lambda _: b"")


def _sign_with_the_public_key(claims: Claims, signer: Signer) -> str:
    """What a client falls for that lets the token choose the algorithm (RFC 8725 §2.1)."""
    secret = signer.key.as_pem(private=False)
    header = {**signer.header, "alg": "HS256"}
    return _compact(header, claims, lambda text: hmac.digest(secret, text, hashlib.sha256))


def _sign_with_an_unknown_key(claims: Claims, signer: Signer) -> str:
    return _sign(claims, Signer(signer.unpublished, signer.key))


def _sign_with_a_foreign_key(claims: Claims, signer: Signer) -> str:
    header = signer.header
    return jwt.encode(header, claims, signer.unpublished, [header["alg"]])


def _swap_the_signature(claims: Claims, signer: Signer) -> str:
    own = _sign(claims, signer)
    other = _sign({**claims, "sub": _STRANGER}, signer)
    return own.rpartition(".")[0] + "." + other.rpartition(".")[2]


_SIGNATURES: Final[Mapping[Forgery | None, Callable[[Claims, Signer], str]]] = {
    Forgery.NO_ALGORITHM: _sign_with_nothing,
    Forgery.PUBLIC_KEY_AS_SECRET: _sign_with_the_public_key,
    Forgery.UNKNOWN_KEY: _sign_with_an_unknown_key,
    Forgery.FOREIGN_KEY: _sign_with_a_foreign_key,
    Forgery.SWAPPED_SIGNATURE: _swap_the_signature,
    Forgery.NOT_A_TOKEN: lambda _claims, _signer: "not.a-token",
}
# None takes a claim away.
_FORGED_CLAIMS: Final[Mapping[Forgery | None, Callable[[Claims], Claims]]] = {
    Forgery.WRONG_ISSUER: lambda claims: {"iss": claims["iss"] + ".example.com"},
    Forgery.WRONG_AUDIENCE: lambda _: {"aud": _STRANGER, "azp": _STRANGER},
    Forgery.SECOND_AUDIENCE: lambda claims: {"aud": [claims["aud"], _STRANGER]},
    Forgery.WRONG_AUTHORIZED_PARTY: lambda _: {"azp": _STRANGER},
    Forgery.NO_SUBJECT: lambda _: {"sub": None},
    Forgery.EXPIRED: lambda claims: {"exp": claims["iat"] - _LONG_AGO_SECONDS},
    Forgery.ISSUED_LATER: lambda claims: {"iat": claims["iat"] + TOKEN_SECONDS},
    Forgery.ISSUED_BEFORE: lambda claims: {"iat": claims["iat"] - _LONG_AGO_SECONDS},
    Forgery.WRONG_NONCE: lambda _: {"nonce": _STRANGER},
    Forgery.NO_NONCE: lambda _: {"nonce": None},
    Forgery.WRONG_ACCESS_TOKEN_HASH: lambda _: {"at_hash": _base64url(bytes(16))},
    Forgery.UNVERIFIED_ADDRESS: lambda _: {"email_verified": False},
    Forgery.VERIFIED_IN_WORDS: lambda _: {"email_verified": "true"},
    Forgery.NO_ADDRESS: lambda _: {"email": None},
    Forgery.CHANGED_SUBJECT: lambda claims: {"sub": claims["sub"][::-1]},
}


def _compact(header: Claims, claims: Claims, sign: Callable[[bytes], bytes]) -> str:
    parts = (_base64url(json.dumps(part).encode()) for part in (header, claims))
    text = ".".join(parts)
    return text + "." + _base64url(sign(text.encode()))


def _without_none(claims: Claims) -> Claims:
    return {name: value for name, value in claims.items() if value is not None}


def _base64url(value: bytes) -> str:
    return urlsafe_b64encode(value).decode().rstrip("=")
