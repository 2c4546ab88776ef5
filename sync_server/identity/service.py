"""People and their sessions: made by the operator's commands and by sign-in, ended by their
owner.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity import records, repository
from sync_server.identity.errors import SessionNotFoundError
from sync_server.identity.models import User, UserSession
from sync_server.identity.rules import (
    TOKEN_BYTES,
    Language,
    SecondFactorKind,
    SessionToken,
    UserId,
    session_token,
)
from sync_server.identity.schemas import SessionShown
from sync_server.identity.visitors import Visitor
from sync_server.kit import channels
from sync_server.kit.claims import WORKER, token_hash
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services

SESSION_LIFETIME: Final = timedelta(days=30)
SESSION_IDLE_MAX: Final = timedelta(days=14)
SIGNED_IN_MAX: Final = timedelta(days=90)
SEEN_EVERY: Final = timedelta(minutes=5)
PROOF_FRESH_FOR: Final = timedelta(minutes=10)
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
    created_at: datetime
    last_seen_at: datetime
    second_factor_at: datetime | None
    second_factor_kind: SecondFactorKind | None

    @property
    def proved_at(self) -> datetime:
        """When its owner last signed in or showed a second factor."""
        return self.second_factor_at or self.created_at


@dataclass(frozen=True, slots=True)
class Account:
    """Somebody who may sign in, and how to write to them."""

    user_id: UserId
    display_name: str
    language: Language


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


async def add_address(
    session: AsyncSession, services: Services, user_id: UserId, address: str
) -> bool:
    """Give somebody the address they proved to read, unless it is another's; needs the worker's
    transaction.
    """
    moment = instant(services.clock.now_ms())
    return await repository.add_address(session, user_id, address, moment)


async def start_session(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    lifetime: timedelta = SESSION_LIFETIME,
) -> SignedIn:
    """Give a person a token of a fixed lifetime; needs the worker's transaction."""
    return await _add_session(session, services, user_id, _OPERATOR, (lifetime, lifetime))


async def add_operators_user(
    session: AsyncSession, services: Services, display_name: str
) -> SignedIn:
    """Make a person and give them a token, as the operator's commands do; both are recorded."""
    user_id = await add_user(session, services, display_name)
    signed_in = await start_session(session, services, user_id)
    given = {"session_id": str(signed_in.session_id)}
    await records.record_of_person(session, services, "person.create", user_id, after=given)
    return signed_in


async def sign_in_visitor(
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    visitor: Visitor,
    *,
    method: str = records.BY_PASSWORD,
) -> SignedIn:
    """Begin a session that lasts while it is used; needs the worker's transaction. `method` is how
    the person proved who they are, as the access log says it.
    """
    await records.record_sign_in(session, services, user_id, method)
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
        second_factor_kind=None,
    )
    await repository.add(session, user_session)
    told = {"session_id": user_session.id}
    await publish(session, Message("session.started", None, (channels.person(user_id),), told))
    return SignedIn(user_id, token, user_session.id, user_session.expires_at)


async def find_user_name(session: AsyncSession, user_id: UserId) -> str | None:
    return await repository.find_user_name(session, user_id)


async def find_address(session: AsyncSession, user_id: UserId) -> str | None:
    """Give a person's confirmed address; None where an operator made them without one."""
    return await repository.find_address(session, user_id)


async def find_account(session: AsyncSession, user_id: UserId) -> Account | None:
    """Find somebody who may sign in; needs the worker's transaction."""
    user = await repository.find_user(session, user_id)
    return None if user is None or user.disabled_at is not None else _account(user)


async def find_account_of_address(session: AsyncSession, address: str) -> Account | None:
    """Find who may sign in with an address; needs the worker's transaction."""
    user = await repository.find_user_by_address(session, address)
    return None if user is None else _account(user)


def _account(user: User) -> Account:
    return Account(UserId(user.id), user.display_name, Language(user.language))


async def is_known_device(services: Services, device_token: str) -> bool:
    """Say whether anybody signed in on a device before."""
    moment = instant(services.clock.now_ms())
    async with services.database.reading(WORKER) as session:
        return await repository.is_known_device(session, token_hash(device_token), None, moment)


async def has_password(session: AsyncSession, user_id: UserId) -> bool:
    """Needs the worker's transaction."""
    return await repository.has_password(session, user_id)


async def find_language_of_address(session: AsyncSession, address: str) -> Language | None:
    """Say in which language to write to whoever has an account here; needs the worker's
    transaction.
    """
    account = await find_account_of_address(session, address)
    return None if account is None else account.language


async def resolve_caller(session: AsyncSession) -> UserId | None:
    """Say whose token the transaction carries; None where it is over, withdrawn or unknown."""
    user_id = await repository.resolve_caller(session)
    return None if user_id is None else UserId(user_id)


async def resolve_session(session: AsyncSession) -> CurrentSession | None:
    row = await repository.resolve_session(session)
    if row is None:
        return None
    kind = row.second_factor_kind
    return CurrentSession(
        user_id=UserId(row.user_id),
        session_id=row.session_id,
        created_at=row.created_at,
        last_seen_at=row.last_seen_at,
        second_factor_at=row.second_factor_at,
        second_factor_kind=None if kind is None else SecondFactorKind(kind),
    )


async def find_last_day(session: AsyncSession) -> datetime | None:
    """Say until when the session whose token the transaction carries can last at most."""
    return await repository.find_last_day(session)


async def resolve_service_account(session: AsyncSession) -> UserId | None:
    """Say which program's token the transaction carries."""
    account_id = await repository.resolve_service_account(session)
    return None if account_id is None else UserId(account_id)


def is_due_to_be_seen(services: Services, current: CurrentSession) -> bool:
    return instant(services.clock.now_ms()) - current.last_seen_at >= SEEN_EVERY


def is_freshly_proved(services: Services, current: CurrentSession) -> bool:
    return instant(services.clock.now_ms()) - current.proved_at <= PROOF_FRESH_FOR


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
    session: AsyncSession,
    services: Services,
    user_id: UserId,
    session_id: UUID,
    *,
    kind: str = "session.end",
) -> None:
    """End one session; the next statement under its token sees nothing."""
    # Recorded first: whoever ends the session they are in is nobody afterwards.
    ended = {"session_id": str(session_id)}
    await records.record_of_person(session, services, kind, user_id, after=ended)
    moment = instant(services.clock.now_ms())
    if not await repository.revoke_session(session, user_id, session_id, moment):
        raise SessionNotFoundError


async def revoke_own_sessions(
    session: AsyncSession, services: Services, user_id: UserId, kept: UUID | None = None
) -> int:
    """End every session of a person, or every other; the next statement under any of their tokens
    sees nothing.
    """
    left = {"kept_session_id": None if kept is None else str(kept)}
    await records.record_of_person(session, services, "session.end_all", user_id, after=left)
    moment = instant(services.clock.now_ms())
    return await repository.revoke_sessions(session, user_id, moment, kept)
