"""SQL on passkeys and challenges."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest
from sync_server.passkeys.models import PasskeyChallenge, UserPasskey

_STALE_CHALLENGES_MAX: Final = 20
_SHOWN: Final = (
    UserPasskey.id,
    UserPasskey.name,
    UserPasskey.is_synced,
    UserPasskey.created_at,
    UserPasskey.last_used_at,
)


async def add(session: AsyncSession, row: Base) -> None:
    session.add(row)
    await session.flush()


async def use_challenge(
    session: AsyncSession, challenge_id: UUID, wanted: tuple[str, UUID | None], moment: datetime
) -> bytes | None:
    """Use a challenge of a purpose and a person up, and give its hash: of two who bring it
    together, one is too late.
    """
    purpose, user_id = wanted
    used = await session.execute(
        update(PasskeyChallenge)
        .where(
            PasskeyChallenge.id == challenge_id,
            PasskeyChallenge.purpose == purpose,
            PasskeyChallenge.user_id.is_not_distinct_from(user_id),
            PasskeyChallenge.used_at.is_(None),
            PasskeyChallenge.expires_at > moment,
        )
        .values(used_at=moment)
        .returning(PasskeyChallenge.challenge_hash),
    )
    return used.scalar_one_or_none()


async def forget_challenges(session: AsyncSession, moment: datetime) -> None:
    """Sweep a few old challenges away, and never wait for one that is in use."""
    stale = (
        select(PasskeyChallenge.id)
        .where(PasskeyChallenge.expires_at < moment)
        .limit(_STALE_CHALLENGES_MAX)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(PasskeyChallenge).where(PasskeyChallenge.id.in_(stale)))


async def find_by_credential(session: AsyncSession, credential_id: bytes) -> UserPasskey | None:
    query = select(UserPasskey).where(UserPasskey.credential_id == credential_id)
    return await session.scalar(query)


async def list_of_person(session: AsyncSession, user_id: UUID) -> Sequence[UserPasskey]:
    """Everything about a person's passkeys, oldest first."""
    query = select(UserPasskey).where(UserPasskey.user_id == user_id).order_by(UserPasskey.id)
    return (await session.scalars(query)).all()


async def count_of_person(session: AsyncSession, user_id: UUID) -> int:
    query = select(func.count()).select_from(UserPasskey).where(UserPasskey.user_id == user_id)
    return await session.scalar(query) or 0


async def list_shown(
    session: AsyncSession, user_id: UUID, page: PageRequest
) -> Sequence[UserPasskey]:
    """What their owner may see of them."""
    query = (
        select(UserPasskey)
        .options(load_only(*_SHOWN, raiseload=True))
        .where(UserPasskey.user_id == user_id)
        .order_by(UserPasskey.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(UserPasskey.id > page.after)
    return (await session.scalars(query)).all()


async def rename(
    session: AsyncSession, user_id: UUID, passkey_id: UUID, name: str
) -> UserPasskey | None:
    renamed = await session.execute(
        update(UserPasskey)
        .where(UserPasskey.user_id == user_id, UserPasskey.id == passkey_id)
        .values(name=name)
        .returning(UserPasskey.id),
    )
    if renamed.one_or_none() is None:
        return None
    shown = load_only(*_SHOWN, raiseload=True)
    return await session.scalar(
        select(UserPasskey).options(shown).where(UserPasskey.id == passkey_id)
    )


async def lock_sign_count(session: AsyncSession, passkey_id: UUID) -> int | None:
    """Hold a passkey until commit, so that two who use it compare their counters in turn."""
    query = select(UserPasskey.sign_count).where(UserPasskey.id == passkey_id)
    return await session.scalar(query.with_for_update())


async def note_use(
    session: AsyncSession, passkey_id: UUID, told: tuple[int, bool], moment: datetime
) -> None:
    """Note when it was used, the highest counter it told, and whether it is synced now."""
    sign_count, is_synced = told
    await session.execute(
        update(UserPasskey)
        .where(UserPasskey.id == passkey_id)
        .values(
            sign_count=func.greatest(UserPasskey.sign_count, sign_count),
            is_synced=is_synced,
            last_used_at=moment,
        ),
    )


async def remove(session: AsyncSession, user_id: UUID, passkey_id: UUID) -> str | None:
    """Remove a person's passkey, and give its name."""
    removed = await session.execute(
        delete(UserPasskey)
        .where(UserPasskey.user_id == user_id, UserPasskey.id == passkey_id)
        .returning(UserPasskey.name),
    )
    return removed.scalar_one_or_none()
