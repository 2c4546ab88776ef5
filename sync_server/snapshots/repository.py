"""SQL on snapshots."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sync_server.snapshots.models import Snapshot


async def find_newest(session: AsyncSession, deployment_id: UUID) -> Snapshot | None:
    query = (
        select(Snapshot)
        .where(Snapshot.deployment_id == deployment_id)
        .order_by(Snapshot.version.desc())
        .limit(1)
    )
    return await session.scalar(query)


async def find_by_content(
    session: AsyncSession, deployment_id: UUID, sha256: str
) -> Snapshot | None:
    query = select(Snapshot).where(
        Snapshot.deployment_id == deployment_id, Snapshot.sha256 == sha256
    )
    return await session.scalar(query.limit(1))


async def find_outdated(
    session: AsyncSession, sha256s: Sequence[str], versions_kept: int
) -> Sequence[str]:
    """Name those of these files that are older than the versions their deployment keeps."""
    newest = aliased(Snapshot)
    last_kept = (
        select(func.max(newest.version) - versions_kept + 1)
        .where(newest.deployment_id == Snapshot.deployment_id)
        .scalar_subquery()
    )
    query = select(Snapshot.sha256).where(
        Snapshot.sha256.in_(sha256s), Snapshot.version < last_kept
    )
    return (await session.scalars(query)).all()


async def add(session: AsyncSession, snapshot: Snapshot) -> None:
    session.add(snapshot)
    await session.flush()
