"""One provider: where it is, which keys are its own, and for whom a code stands. No transaction is
open while it is asked.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
import structlog
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from pydantic import BaseModel

from shared.clock import Clock
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.problems import ProblemError
from sync_server.openid.errors import (
    OpenidCodeRefusedError,
    OpenidProviderUnavailableError,
    OpenidTokenRefusedError,
)
from sync_server.openid.fetching import Answer, Fetcher, Kept
from sync_server.openid.rules import ProvenPerson
from sync_server.openid.tokens import (
    Expected,
    Header,
    PublicKey,
    PublishedKeys,
    read_header,
    read_id_token,
    read_key_set,
)

KEPT_MS: Final = 3_600_000
# Whoever sends forged key ids cannot make us ask for the keys more often.
KEYS_AGE_MS_MIN: Final = 60_000
SCOPES: Final = "openid email profile"
_DOCUMENT_PATH: Final = "/.well-known/openid-configuration"
_HEADERS: Final = {
    "Content-Type": "application/x-www-form-urlencoded",
    "Accept": "application/json",
}
_ISSUER_PARAMETER: Final = "response_iss"
_KEY_ID: Final = "kid"
_PLAIN_WORD: Final = re.compile(r"[a-z_]{1,40}")
_LOG: Final = structlog.get_logger(__name__)


class ProviderDocument(BaseModel):
    """What we use of OpenID Connect Discovery 1.0 §3 and RFC 9207 §3."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    authorization_response_iss_parameter_supported: bool = False

    @property
    def auth_method(self) -> str:
        """In the body, where there is a choice: no doubt there how a secret is spelled."""
        in_body, in_header = "client_secret_post", "client_secret_basic"
        offered = self.token_endpoint_auth_methods_supported
        return in_body if in_body in offered else in_header


class _Tokens(BaseModel):
    id_token: str
    access_token: str


class _Refusal(BaseModel):
    error: str


@dataclass(frozen=True, slots=True)
class FlowSecrets:
    """What one flow asks the provider to repeat, and what it holds back. `began_at` is Unix
    seconds.
    """

    nonce: str
    code_verifier: str = field(repr=False)
    began_at: int


class OpenidProvider:
    """Raises OpenidProviderUnavailableError where the provider gives no usable answer."""

    def __init__(
        self, client: OpenidClient, clock: Clock, fetcher: Fetcher, redirect_uri: str
    ) -> None:
        self.client = client
        self._clock = clock
        self._fetcher = fetcher
        self._redirect_uri = redirect_uri
        self._document = Kept(self._fetch_document, clock)
        self._keys = Kept(self._fetch_keys, clock)

    async def document(self) -> ProviderDocument:
        return await self._document.get(KEPT_MS)

    async def authorization_url(self, secrets: FlowSecrets, state: str, language: str) -> str:
        """Say where to send the browser (RFC 6749 §4.1.1, RFC 7636 §4.3)."""
        document = await self.document()
        return str(
            prepare_grant_uri(
                document.authorization_endpoint,
                self.client.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope=SCOPES,
                state=state,
                nonce=secrets.nonce,
                code_challenge=create_s256_code_challenge(secrets.code_verifier),
                code_challenge_method="S256",
                prompt="select_account",
                ui_locales=language,
            )
        )

    async def redeem(self, code: str, iss: str | None, secrets: FlowSecrets) -> ProvenPerson:
        """Trade a code for the person it stands for, else raise what is wrong with it."""
        document = await self.document()
        is_promised = document.authorization_response_iss_parameter_supported
        if iss != self.client.issuer and (is_promised or iss is not None):
            # RFC 9207 §2.4: the code may be another provider's, so it is shown to nobody.
            raise OpenidTokenRefusedError(_ISSUER_PARAMETER)
        # Before the code is used: afterwards nothing but the token's key may still be missing.
        await self._keys.get(KEPT_MS)
        tokens = await self._fetch_tokens(document, code, secrets.code_verifier)
        key = await self._find_key(read_header(tokens.id_token))
        expected = Expected(
            issuer=self.client.issuer,
            client_id=self.client.client_id,
            nonce=secrets.nonce,
            access_token=tokens.access_token,
            began_at=secrets.began_at,
        )
        return read_id_token(tokens.id_token, key, expected, self._clock.now_ms() // 1_000)

    async def _find_key(self, header: Header) -> PublicKey:
        """Ask for the keys again where this one is new: providers replace theirs."""
        found = (await self._keys.get(KEPT_MS)).find(header)
        found = found or (await self._keys.get(KEYS_AGE_MS_MIN)).find(header)
        if found is None:
            raise OpenidTokenRefusedError(_KEY_ID)
        return found

    async def _fetch_document(self) -> ProviderDocument:
        address = self.client.issuer.rstrip("/") + _DOCUMENT_PATH
        return await self._fetcher.get(address, self._read_document)

    def _read_document(self, value: Any) -> ProviderDocument:  # noqa: ANN401 - JSON from outside
        document = ProviderDocument.model_validate(value)
        scheme = self.client.issuer.partition("://")[0]
        endpoints = (document.authorization_endpoint, document.token_endpoint, document.jwks_uri)
        is_safe = all(endpoint.startswith(f"{scheme}://") for endpoint in endpoints)
        if document.issuer != self.client.issuer or not is_safe:
            message = "the document is of another issuer, or leaves its scheme"
            raise ValueError(message)
        return document

    async def _fetch_keys(self) -> PublishedKeys:
        return await self._fetcher.get((await self.document()).jwks_uri, read_key_set)

    async def _fetch_tokens(
        self, document: ProviderDocument, code: str, code_verifier: str
    ) -> _Tokens:
        body = prepare_token_request(
            "authorization_code",
            redirect_uri=self._redirect_uri,
            code=code,
            code_verifier=code_verifier,
        )
        auth = ClientAuth(self.client.client_id, self.client.client_secret, document.auth_method)
        url, headers, body = auth.prepare("POST", document.token_endpoint, {**_HEADERS}, body)
        answer = await self._fetcher.post(url, headers, body)
        with self._fetcher.refusing_the_unusable():
            if answer.status != httpx.codes.OK:
                raise self._refusal(answer)
            return _Tokens.model_validate(answer.value)

    def _refusal(self, answer: Answer) -> ProblemError:
        """A code that is no good is the caller's concern; any other refusal is the operator's (RFC
        6749 §5.2).
        """
        error = _Refusal.model_validate(answer.value).error
        if error == "invalid_grant":
            return OpenidCodeRefusedError()
        word = error if _PLAIN_WORD.fullmatch(error) else "unknown"
        _LOG.error("openid.client_refused", provider=self.client.provider, error=word)
        return OpenidProviderUnavailableError()
