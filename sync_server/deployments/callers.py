"""Who calls a scanner's endpoint, as a type in its signature: a device by its key, or its running
session.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import Depends, Request
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.wire.paths import AUTHORIZATION_HEADER, NONCE_HEADER, PROOF_HEADER, TOKEN_SCHEME
from shared.wire.proofs import (
    ProofError,
    ProofFault,
    ProofNonceError,
    ProvenCall,
    VerifiedProof,
    make_proof_nonce,
    verify_proof,
)
from sync_server.deployments import sessions
from sync_server.deployments.enrolment import ProvenDevice
from sync_server.deployments.errors import (
    ProofInvalidError,
    ProofNonceRequiredError,
    TokenInvalidError,
)
from sync_server.deployments.rules import Scanner
from sync_server.deployments.tokens import AccessToken, read_token
from sync_server.kit.claims import Claims, device_claims
from sync_server.kit.server_keys import ServerKeys, ServerKeysDependency, get_server_keys
from sync_server.kit.services import Services, ServicesDependency, get_services

SCANNER_PATHS: Final = "/v1/scanner/"
_READING_METHODS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class AdmittedScanner:
    """A running session, with what a transaction that speaks for it begins with."""

    scanner: Scanner
    services: Services
    server_keys: ServerKeys
    claims: Claims
    token_until_ms: int


@dataclass(frozen=True, slots=True)
class ScannerCaller(AdmittedScanner):
    """A running session, with the transaction that speaks for it."""

    session: AsyncSession


async def proven_device(
    request: Request, services: ServicesDependency, keys: ServerKeysDependency
) -> ProvenDevice:
    proof = _verified(request, services, keys, None)
    await sessions.admit_proof(services, proof)
    return ProvenDevice(services, keys, proof.signing_key)


async def admitted_scanner(
    request: Request, services: ServicesDependency, keys: ServerKeysDependency
) -> AdmittedScanner:
    """Check proof, token and session; the transaction this takes is over when the call begins."""
    token, proof = _token_and_proof(request, services, keys)
    scanner = await sessions.admit_call(services, keys, proof, token)
    claims = device_claims(token.opaque)
    return AdmittedScanner(scanner, services, keys, claims, token.expires_at_ms)


async def scanner_caller(
    request: Request, admitted: Annotated[AdmittedScanner, Depends(admitted_scanner)]
) -> AsyncIterator[ScannerCaller]:
    database = admitted.services.database
    reads = request.method in _READING_METHODS
    claims = admitted.claims
    async with database.reading(claims) if reads else database.transaction(claims) as session:
        yield ScannerCaller(
            admitted.scanner,
            admitted.services,
            admitted.server_keys,
            claims,
            admitted.token_until_ms,
            session,
        )


DeviceByKey = Annotated[ProvenDevice, Depends(proven_device)]
ScannerAdmission = Annotated[AdmittedScanner, Depends(admitted_scanner)]
"""For long answers: no transaction is held open while they last."""
ScannerSessionCaller = Annotated[ScannerCaller, Depends(scanner_caller, scope="function")]


def _token_and_proof(
    request: Request, services: Services, keys: ServerKeys
) -> tuple[AccessToken, VerifiedProof]:
    scheme, _, text = request.headers.get(AUTHORIZATION_HEADER, "").partition(" ")
    if scheme.lower() != TOKEN_SCHEME.lower() or not text:
        raise TokenInvalidError
    proof = _verified(request, services, keys, text)
    return read_token(keys, text, proof.thumbprint, services.clock.now_ms()), proof


def _verified(
    request: Request, services: Services, keys: ServerKeys, token: str | None
) -> VerifiedProof:
    proof = request.headers.getlist(PROOF_HEADER)
    if len(proof) != 1:
        raise ProofInvalidError(ProofFault.MALFORMED)
    fault: ProofError | None = None
    for address in _addresses(request, services):
        call = ProvenCall(request.method, address, token)
        try:
            return verify_proof(proof[0], call, keys.nonce_secret, services.clock.now_ms())
        except ProofNonceError as error:
            raise ProofNonceRequiredError from error
        except ProofError as error:
            fault = error
    raise ProofInvalidError(str(fault)) from fault


def _addresses(request: Request, services: Services) -> list[str]:
    """A proof is for the public address; without TLS, at a desk, the one called will do."""
    public = services.public_url.rstrip("/") + request.url.path
    return [public] if public.startswith("https://") else [public, str(request.url)]


class ProofNonces:
    """Middleware that puts a fresh proof nonce on every answer to a scanner, refusals included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(SCANNER_PATHS):
            await self._app(scope, receive, send)
            return

        async def send_with_nonce(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[NONCE_HEADER] = _fresh_nonce(scope)
            await send(message)

        await self._app(scope, receive, send_with_nonce)


def _fresh_nonce(scope: Scope) -> str:
    request = Request(scope)
    services = get_services(request)
    keys = get_server_keys(request, services)
    return make_proof_nonce(keys.nonce_secret, services.clock.now_ms())
