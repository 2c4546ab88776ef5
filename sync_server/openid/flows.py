"""One sign-in under way at a provider: begun for a browser, redeemed once, used once.

A code is good once at the provider. So what it stands for is kept, sealed, until the flow is used:
whoever must still give the digits of a second factor repeats the call.
"""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity.rules import TOKEN_BYTES, Language, opaque_token
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.services import Services
from sync_server.openid import repository
from sync_server.openid.errors import (
    OpenidFlowInvalidError,
    OpenidProviderUnavailableError,
    OpenidTokenRefusedError,
)
from sync_server.openid.models import OpenidFlow
from sync_server.openid.provider import FlowSecrets, OpenidProvider
from sync_server.openid.rules import (
    FLOW_LIFETIME,
    FLOW_TOKEN_PREFIX,
    NONCE_PREFIX,
    STATE_PREFIX,
    VERIFIER_PREFIX,
    FlowKey,
    ProvenPerson,
)
from sync_server.openid.schemas import OpenidAnswer

_VERIFIER: Final = "openid code verifier"
_PERSON: Final = "openid person"
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Begun:
    """Where to send the browser, and what it keeps."""

    authorization_url: str
    flow_token: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Redeemed:
    """A flow whose code was good; it is still to be used."""

    flow_id: UUID
    language: Language
    person: ProvenPerson


async def begin(services: Services, provider: OpenidProvider, language: Language) -> Begun:
    """Make a flow; only the browser that gets its token can finish it."""
    token, state, nonce, code_verifier = (
        opaque_token(prefix, services.randomness(TOKEN_BYTES))
        for prefix in (FLOW_TOKEN_PREFIX, STATE_PREFIX, NONCE_PREFIX, VERIFIER_PREFIX)
    )
    flow_id, now = services.new_id(), instant(services.clock.now_ms())
    secrets = FlowSecrets(nonce, code_verifier, unix_ms(now) // 1_000)
    url = await provider.authorization_url(secrets, state, language.value)
    flow = OpenidFlow(
        id=flow_id,
        provider=provider.client.provider,
        token_hash=token_hash(token),
        state_hash=token_hash(state),
        nonce=nonce,
        sealed_code_verifier=services.key_sealer.seal(code_verifier.encode(), _VERIFIER, flow_id),
        language=language.value,
        created_at=now,
        expires_at=now + FLOW_LIFETIME,
        code_hash=None,
        sealed_person=None,
        used_at=None,
    )
    async with services.database.transaction(WORKER) as session:
        await repository.forget_flows(session, now)
        await repository.add(session, flow)
    return Begun(url, token, flow.expires_at)


async def redeem(services: Services, provider: OpenidProvider, answer: OpenidAnswer) -> Redeemed:
    """Find out for whom the provider's answer stands. A provider that cannot be reached leaves the
    flow as it was; any other refusal ends it.
    """
    flow = await _take(services, provider, answer)
    language = Language(flow.language)
    if flow.sealed_person is not None:
        return Redeemed(flow.id, language, _open_person(services, flow.id, flow.sealed_person))
    verifier = services.key_sealer.open(flow.sealed_code_verifier, _VERIFIER, flow.id).decode()
    secrets = FlowSecrets(flow.nonce, verifier, unix_ms(flow.created_at) // 1_000)
    try:
        person = await provider.redeem(answer.code.get_secret_value(), answer.iss, secrets)
    except OpenidProviderUnavailableError:
        async with services.database.transaction(WORKER) as session:
            await repository.release_flow(session, flow.id)
        raise
    except OpenidTokenRefusedError as error:
        _LOG.warning("openid.token_refused", provider=flow.provider, at_fault=error.at_fault)
        raise
    sealed = services.key_sealer.seal(json.dumps(asdict(person)).encode(), _PERSON, flow.id)
    async with services.database.transaction(WORKER) as session:
        await repository.keep_person(session, flow.id, sealed)
    return Redeemed(flow.id, language, person)


async def use(session: AsyncSession, services: Services, flow_id: UUID) -> None:
    """Use a flow up in the transaction that lets somebody in, else raise OpenidFlowInvalidError."""
    if not await repository.use_flow(session, flow_id, instant(services.clock.now_ms())):
        raise OpenidFlowInvalidError


async def _take(services: Services, provider: OpenidProvider, answer: OpenidAnswer) -> OpenidFlow:
    """Reserve a flow for this code: of two who bring it together, one is too late."""
    asked = FlowKey(
        provider=provider.client.provider,
        token_hash=token_hash(answer.flow_token.get_secret_value()),
        state_hash=token_hash(answer.state.get_secret_value()),
    )
    code_hash = token_hash(answer.code.get_secret_value())
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        flow = await repository.take_flow(session, asked, code_hash, now)
    if flow is None:
        raise OpenidFlowInvalidError
    return flow


def _open_person(services: Services, flow_id: UUID, sealed: bytes) -> ProvenPerson:
    return ProvenPerson(**json.loads(services.key_sealer.open(sealed, _PERSON, flow_id)))
