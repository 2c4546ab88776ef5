"""SQL on people and sessions."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.identity.models import User, UserSession


async def add_user(session: AsyncSession, user: User) -> None:
    session.add(user)
    await session.flush()


async def add_session(session: AsyncSession, user_session: UserSession) -> None:
    session.add(user_session)
    await session.flush()


async def find_user_name(session: AsyncSession, user_id: UUID) -> str | None:
    return await session.scalar(select(User.display_name).where(User.id == user_id))


async def resolve_caller(session: AsyncSession) -> UUID | None:
    """Ask the database whose token this transaction carries."""
    found = await session.scalar(text("SELECT private.my_user_id()"))
    return found if isinstance(found, UUID) else None


async def revoke_sessions(session: AsyncSession, user_id: UUID, moment: datetime) -> int:
    ended = await session.execute(
        update(UserSession)
        .where(UserSession.user_id == user_id, UserSession.revoked_at.is_(None))
        .values(revoked_at=moment)
        .returning(UserSession.id),
    )
    return len(ended.all())
