"""SQL on people, their passwords, sessions, letters, devices and roles."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Row
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from sync_server.identity.models import (
    AttemptCounter,
    EmailToken,
    User,
    UserDevice,
    UserEmail,
    UserPassword,
    UserRole,
    UserSession,
    UserTotp,
)
from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest

_STALE_COUNTERS_MAX = 20


async def add(session: AsyncSession, row: Base) -> None:
    session.add(row)
    await session.flush()


async def find_user(session: AsyncSession, user_id: UUID) -> User | None:
    return await session.get(User, user_id)


async def find_user_name(session: AsyncSession, user_id: UUID) -> str | None:
    return await session.scalar(select(User.display_name).where(User.id == user_id))


async def find_address(session: AsyncSession, user_id: UUID) -> str | None:
    return await session.scalar(select(UserEmail.address).where(UserEmail.user_id == user_id))


async def add_address(session: AsyncSession, user_id: UUID, address: str, moment: datetime) -> bool:
    """Give somebody an address, unless it is another's."""
    values = {"user_id": user_id, "address": address, "verified_at": moment}
    made = insert(UserEmail).values(values).on_conflict_do_nothing()
    added = await session.execute(made.returning(UserEmail.user_id))
    return added.one_or_none() is not None


async def find_user_by_address(session: AsyncSession, address: str) -> User | None:
    """Find who may sign in with an address."""
    query = (
        select(User)
        .join(UserEmail, UserEmail.user_id == User.id)
        .where(UserEmail.address == address, User.disabled_at.is_(None))
    )
    return await session.scalar(query)


async def find_credentials(session: AsyncSession, address: str) -> Row[UUID, str] | None:
    """Find who may sign in with an address, and what their password must match."""
    query = (
        select(UserPassword.user_id, UserPassword.password_hash)
        .join(UserEmail, UserEmail.user_id == UserPassword.user_id)
        .join(User, User.id == UserPassword.user_id)
        .where(UserEmail.address == address, User.disabled_at.is_(None))
    )
    return (await session.execute(query)).one_or_none()


async def lock_password_hash(session: AsyncSession, user_id: UUID) -> str | None:
    """Hold a password until commit, so that none is changed under a sign-in."""
    query = select(UserPassword.password_hash).where(UserPassword.user_id == user_id)
    return await session.scalar(query.with_for_update())


async def set_password_hash(
    session: AsyncSession, user_id: UUID, password_hash: str, moment: datetime
) -> None:
    values = {"password_hash": password_hash, "changed_at": moment}
    made = insert(UserPassword).values(user_id=user_id, **values)
    await session.execute(
        made.on_conflict_do_update(index_elements=[UserPassword.user_id], set_=values),
    )


async def find_second_factor(session: AsyncSession, user_id: UUID) -> UserTotp | None:
    return await session.scalar(select(UserTotp).where(UserTotp.user_id == user_id))


async def use_totp_step(session: AsyncSession, user_id: UUID, step: int) -> bool:
    """Use a step up; of two who bring one code together, one is too late."""
    used = await session.execute(
        update(UserTotp)
        .where(UserTotp.user_id == user_id, UserTotp.last_step < step)
        .values(last_step=step)
        .returning(UserTotp.user_id),
    )
    return used.one_or_none() is not None


async def confirm_second_factor(session: AsyncSession, user_id: UUID, moment: datetime) -> None:
    confirmed = update(UserTotp).where(UserTotp.user_id == user_id)
    await session.execute(confirmed.values(confirmed_at=moment))


async def mark_second_factor(
    session: AsyncSession, session_id: UUID, moment: datetime, kind: str
) -> None:
    """Note that whoever has this session showed a second factor, and which."""
    marked = update(UserSession).where(UserSession.id == session_id)
    await session.execute(marked.values(second_factor_at=moment, second_factor_kind=kind))


async def has_second_factor(session: AsyncSession, user_id: UUID) -> bool:
    """Ask the database, which knows of every kind."""
    query = text("SELECT private.has_second_factor(:person)")
    return bool(await session.scalar(query, {"person": user_id}))


async def remove_second_factor(session: AsyncSession, user_id: UUID, *, confirmed: bool) -> None:
    """Remove one that was begun and never used, or any."""
    removed = delete(UserTotp).where(UserTotp.user_id == user_id)
    if not confirmed:
        removed = removed.where(UserTotp.confirmed_at.is_(None))
    await session.execute(removed)


async def resolve_caller(session: AsyncSession) -> UUID | None:
    """Ask the database whose token this transaction carries."""
    found = await session.scalar(text("SELECT private.my_user_id()"))
    return found if isinstance(found, UUID) else None


async def resolve_session(session: AsyncSession) -> Row[Any] | None:
    """Ask whose token this transaction carries, in which session, and when it was last seen."""
    query = text(
        "SELECT user_id, id AS session_id, created_at, last_seen_at, second_factor_at,"
        " second_factor_kind FROM user_sessions"
        " WHERE id = (SELECT private.my_session_id())",
    )
    return (await session.execute(query)).one_or_none()


async def find_last_day(session: AsyncSession) -> datetime | None:
    query = text(
        "SELECT ends_at FROM user_sessions WHERE id = (SELECT private.my_session_id())",
    )
    found = await session.scalar(query)
    return found if isinstance(found, datetime) else None


async def resolve_service_account(session: AsyncSession) -> UUID | None:
    found = await session.scalar(text("SELECT private.my_service_account_id()"))
    return found if isinstance(found, UUID) else None


async def has_password(session: AsyncSession, user_id: UUID) -> bool:
    query = select(UserPassword.user_id).where(UserPassword.user_id == user_id)
    return await session.scalar(query) is not None


async def is_admin(session: AsyncSession) -> bool:
    """Say whether the caller was made an admin; without a second factor in this session the
    database (`private.has_role`) treats them as none.
    """
    query = text(
        "SELECT EXISTS (SELECT FROM user_roles"
        " WHERE user_id = (SELECT private.my_user_id()) AND role = 'admin')",
    )
    return bool(await session.scalar(query))


async def is_person_admin(session: AsyncSession, user_id: UUID) -> bool:
    query = text("SELECT private.is_admin(:person)")
    return bool(await session.scalar(query, {"person": user_id}))


_SHOWN_OF_SESSIONS = (
    UserSession.id,
    UserSession.created_at,
    UserSession.expires_at,
    UserSession.device_name,
    UserSession.last_seen_from,
    UserSession.last_seen_at,
)


async def list_sessions(
    session: AsyncSession, user_id: UUID, moment: datetime, page: PageRequest
) -> Sequence[UserSession]:
    """The sessions that are good at this moment."""
    query = (
        select(UserSession)
        .options(load_only(*_SHOWN_OF_SESSIONS, raiseload=True))
        .where(
            UserSession.user_id == user_id,
            UserSession.revoked_at.is_(None),
            UserSession.expires_at > moment,
        )
        .order_by(UserSession.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(UserSession.id > page.after)
    return (await session.scalars(query)).all()


async def revoke_session(
    session: AsyncSession, user_id: UUID, session_id: UUID, moment: datetime
) -> bool:
    ended = await session.execute(
        update(UserSession)
        .where(
            UserSession.user_id == user_id,
            UserSession.id == session_id,
            UserSession.revoked_at.is_(None),
        )
        .values(revoked_at=moment)
        .returning(UserSession.id),
    )
    return ended.one_or_none() is not None


async def revoke_sessions(
    session: AsyncSession, user_id: UUID, moment: datetime, kept: UUID | None = None
) -> int:
    """End every session but the one to keep."""
    query = update(UserSession).where(
        UserSession.user_id == user_id, UserSession.revoked_at.is_(None)
    )
    if kept is not None:
        query = query.where(UserSession.id != kept)
    ended = await session.execute(query.values(revoked_at=moment).returning(UserSession.id))
    return len(ended.all())


async def keep_session_alive(
    session: AsyncSession, session_id: UUID, seen: tuple[datetime, str], idle: timedelta
) -> None:
    """Move the end of a session, never past its last day, and never nearer."""
    moment, network = seen
    slid = func.greatest(UserSession.expires_at, func.least(UserSession.ends_at, moment + idle))
    await session.execute(
        update(UserSession)
        .where(UserSession.id == session_id, UserSession.revoked_at.is_(None))
        .values(last_seen_at=moment, last_seen_from=network, expires_at=slid),
    )


async def use_email_token(
    session: AsyncSession, token_hash: bytes, purpose: str, moment: datetime
) -> EmailToken | None:
    """Take a letter's token once: of two who bring it together, one finds it used."""
    taken = await session.execute(
        update(EmailToken)
        .where(
            EmailToken.token_hash == token_hash,
            EmailToken.purpose == purpose,
            EmailToken.used_at.is_(None),
            EmailToken.expires_at > moment,
        )
        .values(used_at=moment)
        .returning(EmailToken),
    )
    return taken.scalar_one_or_none()


async def use_up_email_tokens(
    session: AsyncSession, address: str, purpose: str, moment: datetime
) -> None:
    await session.execute(
        update(EmailToken)
        .where(
            EmailToken.address == address,
            EmailToken.purpose == purpose,
            EmailToken.used_at.is_(None),
        )
        .values(used_at=moment),
    )


async def is_known_device(
    session: AsyncSession, token_hash: bytes, address: str | None, moment: datetime
) -> bool:
    """Whether somebody signed in on a device before: the owner of an address, or anybody."""
    query = select(UserDevice.id).where(
        UserDevice.token_hash == token_hash,
        UserDevice.revoked_at.is_(None),
        UserDevice.expires_at > moment,
    )
    if address is not None:
        owned = query.join(UserEmail, UserEmail.user_id == UserDevice.user_id)
        query = owned.where(UserEmail.address == address)
    return await session.scalar(query) is not None


async def revoke_devices(session: AsyncSession, user_id: UUID, moment: datetime) -> None:
    await session.execute(
        update(UserDevice)
        .where(UserDevice.user_id == user_id, UserDevice.revoked_at.is_(None))
        .values(revoked_at=moment),
    )


async def count_attempt(
    session: AsyncSession, key_hash: bytes, moment: datetime, window: timedelta
) -> tuple[int, datetime]:
    """Count one more, or begin a new window; give the count and the window's begin."""
    found = await session.execute(
        text(
            """
            INSERT INTO attempt_counters AS counter (key_hash, window_started_at, attempts)
            VALUES (:key_hash, :moment, 1)
            ON CONFLICT (key_hash) DO UPDATE SET
                attempts = CASE WHEN counter.window_started_at > :begun
                    THEN counter.attempts + 1 ELSE 1 END,
                window_started_at = CASE WHEN counter.window_started_at > :begun
                    THEN counter.window_started_at ELSE :moment END
            RETURNING attempts, window_started_at
            """,
        ),
        {"key_hash": key_hash, "moment": moment, "begun": moment - window},
    )
    row = found.one()
    return int(row.attempts), row.window_started_at


async def forgive_attempt(session: AsyncSession, key_hash: bytes) -> None:
    await session.execute(
        update(AttemptCounter)
        .where(AttemptCounter.key_hash == key_hash, AttemptCounter.attempts > 1)
        .values(attempts=AttemptCounter.attempts - 1),
    )


async def forget_attempts(session: AsyncSession, before: datetime) -> None:
    """Sweep a few old counters away, and never wait for one that is in use."""
    stale = (
        select(AttemptCounter.key_hash)
        .where(AttemptCounter.window_started_at < before)
        .limit(_STALE_COUNTERS_MAX)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(AttemptCounter).where(AttemptCounter.key_hash.in_(stale)))


async def list_admins(session: AsyncSession) -> Sequence[Row[UUID, str, datetime]]:
    query = (
        select(User.id.label("user_id"), User.display_name, UserRole.granted_at)
        .join(UserRole, UserRole.user_id == User.id)
        .where(UserRole.role == "admin")
        .order_by(User.id)
    )
    return (await session.execute(query)).all()


async def grant_role(session: AsyncSession, role: UserRole) -> bool:
    """Grant what is not granted yet; False where it was."""
    values = {
        "user_id": role.user_id,
        "role": role.role,
        "granted_by": role.granted_by,
        "granted_at": role.granted_at,
    }
    granted = insert(UserRole).values(values).on_conflict_do_nothing().returning(UserRole.user_id)
    return await session.scalar(granted) is not None


async def revoke_role(session: AsyncSession, user_id: UUID, role: str) -> bool:
    gone = await session.execute(
        delete(UserRole)
        .where(UserRole.user_id == user_id, UserRole.role == role)
        .returning(UserRole.user_id),
    )
    return gone.one_or_none() is not None
