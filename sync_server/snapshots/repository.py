"""SQL on snapshots."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

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


async def add(session: AsyncSession, snapshot: Snapshot) -> None:
    session.add(snapshot)
    await session.flush()
