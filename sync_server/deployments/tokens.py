"""Access tokens: short EdDSA JWTs tied to a device's key, one deployment and the session behind
them.
"""

from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey

from shared.ids import DeploymentId, ScannerSessionId
from sync_server.deployments.errors import TokenExpiredError, TokenInvalidError
from sync_server.deployments.rules import TOKEN_LIFETIME_MS, Scanner, scope_of, session_token
from sync_server.kit.server_keys import ServerKeys

ALGORITHM: Final = "Ed25519"
_TYPE: Final = "at+jwt"


@dataclass(frozen=True, slots=True)
class AccessToken:
    """What a token said, after its signature, age and key were found to be right."""

    session_id: ScannerSessionId
    deployment_id: DeploymentId
    opaque: str
    expires_at_ms: int


def issue_token(
    keys: ServerKeys, scanner: Scanner, thumbprint: str, now_ms: int
) -> tuple[str, int]:
    """Write a token and say when it is over, Unix milliseconds."""
    expires_at_ms = now_ms + TOKEN_LIFETIME_MS
    claims = {
        "sub": str(scanner.device_id),
        "sid": str(scanner.session_id),
        "dep": str(scanner.deployment_id),
        "scope": scope_of(scanner.deployment_id),
        "cnf": {"jkt": thumbprint},
        "opq": session_token(keys.session_secret, scanner.session_id),
        "iat": now_ms // 1_000,
        "exp": expires_at_ms // 1_000,
    }
    header = {"alg": ALGORITHM, "typ": _TYPE}
    text = jwt.encode(header, claims, OKPKey.import_key(keys.token_key), [ALGORITHM])
    return text, expires_at_ms


def read_token(keys: ServerKeys, text: str, thumbprint: str, now_ms: int) -> AccessToken:
    """Check a token against the key that made the call; raise TokenInvalid/TokenExpiredError."""
    try:
        token = jwt.decode(text, OKPKey.import_key(keys.token_key), [ALGORITHM])
    except (JoseError, ValueError) as error:
        raise TokenInvalidError from error
    claims: dict[str, Any] = token.claims
    if token.header.get("typ") != _TYPE or claims.get("cnf") != {"jkt": thumbprint}:
        raise TokenInvalidError
    expires_at_ms = int(claims["exp"]) * 1_000
    if now_ms >= expires_at_ms:
        raise TokenExpiredError
    return AccessToken(
        session_id=ScannerSessionId(UUID(claims["sid"])),
        deployment_id=DeploymentId(UUID(claims["dep"])),
        opaque=str(claims["opq"]),
        expires_at_ms=expires_at_ms,
    )
