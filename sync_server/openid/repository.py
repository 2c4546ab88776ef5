"""SQL on sign-ins under way at a provider, and on who is whom there."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import load_only

from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest
from sync_server.openid.models import OpenidFlow, UserOpenidIdentity
from sync_server.openid.rules import FlowKey, ProvenPerson

_STALE_FLOWS_MAX = 20
_SHOWN = (
    UserOpenidIdentity.id,
    UserOpenidIdentity.provider,
    UserOpenidIdentity.address,
    UserOpenidIdentity.created_at,
    UserOpenidIdentity.last_used_at,
)


async def add(session: AsyncSession, row: Base) -> None:
    session.add(row)
    await session.flush()


async def take_flow(
    session: AsyncSession, asked: FlowKey, code_hash: bytes, moment: datetime
) -> OpenidFlow | None:
    """Reserve a flow for a code: one that no code was brought for, or the code's own again once
    its person is known.
    """
    is_free = OpenidFlow.code_hash.is_(None)
    is_redeemed = OpenidFlow.sealed_person.is_not(None) & (OpenidFlow.code_hash == code_hash)
    taken = await session.execute(
        update(OpenidFlow)
        .where(
            OpenidFlow.provider == asked.provider,
            OpenidFlow.token_hash == asked.token_hash,
            OpenidFlow.state_hash == asked.state_hash,
            OpenidFlow.used_at.is_(None),
            OpenidFlow.expires_at > moment,
            is_free | is_redeemed,
        )
        .values(code_hash=code_hash)
        .returning(OpenidFlow),
    )
    return taken.scalar_one_or_none()


async def release_flow(session: AsyncSession, flow_id: UUID) -> None:
    """Undo a reservation that came to nothing."""
    reserved = update(OpenidFlow).where(
        OpenidFlow.id == flow_id, OpenidFlow.sealed_person.is_(None)
    )
    await session.execute(reserved.values(code_hash=None))


async def keep_person(session: AsyncSession, flow_id: UUID, sealed_person: bytes) -> None:
    redeemed = update(OpenidFlow).where(OpenidFlow.id == flow_id, OpenidFlow.used_at.is_(None))
    await session.execute(redeemed.values(sealed_person=sealed_person))


async def use_flow(session: AsyncSession, flow_id: UUID, moment: datetime) -> bool:
    """Use a flow up; of two who bring it together, one is too late."""
    used = await session.execute(
        update(OpenidFlow)
        .where(OpenidFlow.id == flow_id, OpenidFlow.used_at.is_(None))
        .values(used_at=moment, sealed_person=None)
        .returning(OpenidFlow.id),
    )
    return used.one_or_none() is not None


async def forget_flows(session: AsyncSession, before: datetime) -> None:
    """Sweep a few old flows away, and never wait for one that is in use."""
    stale = (
        select(OpenidFlow.id)
        .where(OpenidFlow.expires_at < before)
        .order_by(OpenidFlow.expires_at)
        .limit(_STALE_FLOWS_MAX)
        .with_for_update(skip_locked=True)
    )
    await session.execute(delete(OpenidFlow).where(OpenidFlow.id.in_(stale)))


async def find_identity(
    session: AsyncSession, issuer: str, subject: str
) -> UserOpenidIdentity | None:
    query = select(UserOpenidIdentity).where(
        UserOpenidIdentity.issuer == issuer, UserOpenidIdentity.subject == subject
    )
    return await session.scalar(query)


async def get_identity(session: AsyncSession, issuer: str, subject: str) -> UserOpenidIdentity:
    """Find one that was just found to be there."""
    query = select(UserOpenidIdentity).where(
        UserOpenidIdentity.issuer == issuer, UserOpenidIdentity.subject == subject
    )
    return (await session.scalars(query)).one()


async def has_identity(session: AsyncSession, user_id: UUID, issuer: str) -> bool:
    query = select(UserOpenidIdentity.id).where(
        UserOpenidIdentity.user_id == user_id, UserOpenidIdentity.issuer == issuer
    )
    return await session.scalar(query.limit(1)) is not None


async def add_identity(session: AsyncSession, row: UserOpenidIdentity) -> bool:
    """Say who somebody is at a provider, unless that subject is somebody's already."""
    values = {column.key: getattr(row, column.key) for column in UserOpenidIdentity.__table__.c}
    made = insert(UserOpenidIdentity).values(values).on_conflict_do_nothing()
    added = await session.execute(made.returning(UserOpenidIdentity.id))
    return added.one_or_none() is not None


async def note_use(session: AsyncSession, person: ProvenPerson, moment: datetime) -> None:
    used = update(UserOpenidIdentity).where(
        UserOpenidIdentity.issuer == person.issuer, UserOpenidIdentity.subject == person.subject
    )
    await session.execute(used.values(address=person.address, last_used_at=moment))


async def list_identities(
    session: AsyncSession, user_id: UUID, page: PageRequest
) -> Sequence[UserOpenidIdentity]:
    query = (
        select(UserOpenidIdentity)
        .options(load_only(*_SHOWN, raiseload=True))
        .where(UserOpenidIdentity.user_id == user_id)
        .order_by(UserOpenidIdentity.id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(UserOpenidIdentity.id > page.after)
    return (await session.scalars(query)).all()


async def remove_identity(session: AsyncSession, user_id: UUID, identity_id: UUID) -> str | None:
    """Give the provider of the identity that was removed."""
    removed = await session.execute(
        delete(UserOpenidIdentity)
        .where(UserOpenidIdentity.user_id == user_id, UserOpenidIdentity.id == identity_id)
        .returning(UserOpenidIdentity.provider),
    )
    return removed.scalar_one_or_none()
