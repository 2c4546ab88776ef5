"""Challenges: random bytes for a passkey to sign, good once and for minutes."""

import hashlib
from dataclasses import dataclass, field
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity.rules import UserId
from sync_server.kit.instants import instant
from sync_server.kit.services import Services
from sync_server.passkeys import repository
from sync_server.passkeys.errors import PasskeysOffError
from sync_server.passkeys.models import PasskeyChallenge
from sync_server.passkeys.rules import (
    CHALLENGE_BYTES,
    CHALLENGE_LIFETIME,
    Purpose,
    RelyingParty,
    relying_party,
)
from sync_server.passkeys.verification import Asked


@dataclass(frozen=True, slots=True)
class Challenge:
    id: UUID
    secret: bytes = field(repr=False)


def require_relying_party(services: Services) -> RelyingParty:
    """Name whom passkeys are made for, else raise PasskeysOffError."""
    party = relying_party(services.public_url)
    if party is None:
        raise PasskeysOffError
    return party


async def make(
    session: AsyncSession, services: Services, purpose: Purpose, user_id: UserId | None = None
) -> Challenge:
    """Make a challenge, for a person where it is to register with; needs the worker's transaction.
    Old ones are swept away meanwhile.
    """
    now = instant(services.clock.now_ms())
    challenge = Challenge(services.new_id(), services.randomness(CHALLENGE_BYTES))
    row = PasskeyChallenge(
        id=challenge.id,
        purpose=purpose.value,
        user_id=user_id,
        challenge_hash=hashlib.sha256(challenge.secret).digest(),
        created_at=now,
        expires_at=now + CHALLENGE_LIFETIME,
        used_at=None,
    )
    await repository.forget_challenges(session, now)
    await repository.add(session, row)
    return challenge


async def use(
    session: AsyncSession,
    services: Services,
    challenge_id: UUID,
    purpose: Purpose,
    user_id: UserId | None = None,
) -> Asked | None:
    """Use a challenge up, whatever becomes of what is shown for it; None where it is good no more.
    Needs the worker's transaction.
    """
    party = require_relying_party(services)
    now = instant(services.clock.now_ms())
    wanted = (purpose.value, user_id)
    challenge_hash = await repository.use_challenge(session, challenge_id, wanted, now)
    return None if challenge_hash is None else Asked(party, challenge_hash)
