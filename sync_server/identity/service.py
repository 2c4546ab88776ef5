"""People and their sessions: made by the operator's commands and by sign-in, ended by their
owner.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import repository
from sync_server.identity.errors import SessionNotFoundError
from sync_server.identity.models import User, UserSession
from sync_server.identity.rules import TOKEN_BYTES, Language, SessionToken, UserId, session_token
from sync_server.identity.schemas import SessionShown
from sync_server.identity.visitors import Visitor
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services

SESSION_LIFETIME: Final = timedelta(days=30)
SESSION_IDLE_MAX: Final = timedelta(days=14)
SIGNED_IN_MAX: Final = timedelta(days=90)
SEEN_EVERY: Final = timedelta(minutes=5)
_OPERATOR: Final = Visitor(network="", device_name="")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A new session; the token is shown once and kept nowhere."""

    user_id: UserId
    token: SessionToken = field(repr=False)
    session_id: UUID
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class CurrentSession:
    """The session whose token a request carries."""

    user_id: UserId
    session_id: UUID
    last_seen_at: datetime
    second_factor_at: datetime | None


async def add_user(
    session: AsyncSession,
    services: Services,
    display_name: str,
    language: Language = Language.ENGLISH,
) -> UserId:
    """Make a person; needs the worker's transaction."""
    user_id = UserId(services.new_id())
    user = User(
        id=user_id,
        display_name=display_name,
        created_at=instant(services.clock.now_ms()),
        disabled_at=None,
        language=language.value,
    )
    await repository.add(session, user)
    return user_id


async def start_session(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    lifetime: timedelta = SESSION_LIFETIME,
) -> SignedIn:
    """Give a person a token of a fixed lifetime; needs the worker's transaction."""
    return await _add_session(session, services, user_id, _OPERATOR, (lifetime, lifetime))


async def sign_in_visitor(
    session: AsyncSession, services: Services, user_id: UserId, visitor: Visitor
) -> SignedIn:
    """Begin a session that lasts while it is used; needs the worker's transaction."""
    terms = (SESSION_IDLE_MAX, SIGNED_IN_MAX)
    return await _add_session(session, services, user_id, visitor, terms)


async def _add_session(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    visitor: Visitor,
    terms: tuple[timedelta, timedelta],
) -> SignedIn:
    token = session_token(services.randomness(TOKEN_BYTES))
    now = instant(services.clock.now_ms())
    idle, longest = terms
    user_session = UserSession(
        id=services.new_id(),
        user_id=user_id,
        token_hash=token_hash(token),
        created_at=now,
        expires_at=now + idle,
        revoked_at=None,
        device_name=visitor.device_name,
        last_seen_from=visitor.network or None,
        last_seen_at=now,
        ends_at=now + longest,
        second_factor_at=None,
    )
    await repository.add(session, user_session)
    return SignedIn(user_id, token, user_session.id, user_session.expires_at)


async def find_user_name(session: AsyncSession, user_id: UserId) -> str | None:
    return await repository.find_user_name(session, user_id)


async def find_address(session: AsyncSession, user_id: UserId) -> str | None:
    """Give a person's confirmed address; None where an operator made them without one."""
    return await repository.find_address(session, user_id)


async def find_language_of_address(session: AsyncSession, address: str) -> Language | None:
    """Say in which language to write to whoever has an account here; needs the worker's
    transaction.
    """
    user = await repository.find_user_by_address(session, address)
    return None if user is None else Language(user.language)


async def resolve_caller(session: AsyncSession) -> UserId | None:
    """Say whose token the transaction carries; None where it is over, withdrawn or unknown."""
    user_id = await repository.resolve_caller(session)
    return None if user_id is None else UserId(user_id)


async def resolve_session(session: AsyncSession) -> CurrentSession | None:
    row = await repository.resolve_session(session)
    if row is None:
        return None
    seen, proved = row.last_seen_at, row.second_factor_at
    return CurrentSession(UserId(row.user_id), row.session_id, seen, proved)


async def resolve_service_account(session: AsyncSession) -> UserId | None:
    """Say which program's token the transaction carries."""
    account_id = await repository.resolve_service_account(session)
    return None if account_id is None else UserId(account_id)


def is_due_to_be_seen(services: Services, current: CurrentSession) -> bool:
    return instant(services.clock.now_ms()) - current.last_seen_at >= SEEN_EVERY


async def keep_session_alive(services: Services, session_id: UUID, visitor: Visitor) -> None:
    """Note that a session is in use, and move its end."""
    seen = (instant(services.clock.now_ms()), visitor.network)
    async with services.database.transaction(WORKER) as session:
        await repository.keep_session_alive(session, session_id, seen, SESSION_IDLE_MAX)


async def list_own_sessions(
    session: AsyncSession, services: Services, current: CurrentSession, page: PageRequest
) -> Page[SessionShown]:
    moment = instant(services.clock.now_ms())
    rows = await repository.list_sessions(session, current.user_id, moment, page)

    def shown(row: UserSession) -> SessionShown:
        return SessionShown(
            id=row.id,
            device_name=row.device_name,
            created_at=row.created_at,
            expires_at=row.expires_at,
            last_seen_at=row.last_seen_at,
            last_seen_from=row.last_seen_from,
            is_current=row.id == current.session_id,
        )

    return page_of(rows, page, shown, lambda row: row.id)


async def revoke_own_session(
    session: AsyncSession, services: Services, user_id: UserId, session_id: UUID
) -> None:
    """End one session; the next statement under its token sees nothing."""
    moment = instant(services.clock.now_ms())
    if not await repository.revoke_session(session, user_id, session_id, moment):
        raise SessionNotFoundError


async def revoke_own_sessions(
    session: AsyncSession, services: Services, user_id: UserId, kept: UUID | None = None
) -> int:
    """End every session of a person, or every other; the next statement under any of their tokens
    sees nothing.
    """
    moment = instant(services.clock.now_ms())
    return await repository.revoke_sessions(session, user_id, moment, kept)
