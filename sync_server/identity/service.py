"""People and their sessions: made by the operator's commands, ended by their owner."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import repository
from sync_server.identity.models import User, UserSession
from sync_server.identity.rules import TOKEN_BYTES, SessionToken, UserId, session_token
from sync_server.kit.claims import token_hash
from sync_server.kit.instants import instant
from sync_server.kit.services import Services

SESSION_LIFETIME: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; the token is shown once and kept nowhere."""

    user_id: UserId
    token: SessionToken = field(repr=False)


async def add_user(session: AsyncSession, services: Services, display_name: str) -> UserId:
    """Make a person; needs the worker's transaction."""
    user_id = UserId(services.new_id())
    created_at = instant(services.clock.now_ms())
    user = User(id=user_id, display_name=display_name, created_at=created_at, disabled_at=None)
    await repository.add_user(session, user)
    return user_id


async def start_session(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    lifetime: timedelta = SESSION_LIFETIME,
) -> SignedIn:
    """Give a person a token; needs the worker's transaction."""
    token = session_token(services.randomness(TOKEN_BYTES))
    now = instant(services.clock.now_ms())
    user_session = UserSession(
        id=services.new_id(),
        user_id=user_id,
        token_hash=token_hash(token),
        created_at=now,
        expires_at=now + lifetime,
        revoked_at=None,
    )
    await repository.add_session(session, user_session)
    return SignedIn(user_id, token)


async def find_user_name(session: AsyncSession, user_id: UserId) -> str | None:
    return await repository.find_user_name(session, user_id)


async def resolve_caller(session: AsyncSession) -> UserId | None:
    """Say whose token the transaction carries; None where it is over, withdrawn or unknown."""
    user_id = await repository.resolve_caller(session)
    return None if user_id is None else UserId(user_id)


async def revoke_own_sessions(session: AsyncSession, services: Services, user_id: UserId) -> int:
    """End every session of a person; the next statement under any of their tokens sees nothing."""
    return await repository.revoke_sessions(session, user_id, instant(services.clock.now_ms()))
