"""SQL on snapshots."""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased, undefer

from shared.ids import DeploymentId, EventId, OrganizerId
from sync_server.snapshots.models import Snapshot

Place = tuple[OrganizerId, EventId, DeploymentId]


async def find_newest(
    session: AsyncSession, place: Place, *, with_key: bool = False
) -> Snapshot | None:
    """The sealed key of a file is for the worker alone."""
    query = (
        select(Snapshot).where(*_of_deployment(place)).order_by(Snapshot.version.desc()).limit(1)
    )
    return await session.scalar(query.options(undefer("*")) if with_key else query)


async def find_by_content(session: AsyncSession, place: Place, sha256: str) -> Snapshot | None:
    query = select(Snapshot).where(*_of_deployment(place), Snapshot.sha256 == sha256)
    return await session.scalar(query.limit(1))


async def find_outdated(
    session: AsyncSession, sha256s: Sequence[str], versions_kept: int
) -> Sequence[str]:
    """Name those of these files that are older than the versions their deployment keeps."""
    newest = aliased(Snapshot)
    last_kept = (
        select(func.max(newest.version) - versions_kept + 1)
        .where(
            newest.organizer_id == Snapshot.organizer_id,
            newest.event_id == Snapshot.event_id,
            newest.deployment_id == Snapshot.deployment_id,
        )
        .scalar_subquery()
    )
    query = select(Snapshot.sha256).where(
        Snapshot.sha256.in_(sha256s), Snapshot.version < last_kept
    )
    return (await session.scalars(query)).all()


async def add(session: AsyncSession, snapshot: Snapshot) -> None:
    session.add(snapshot)
    await session.flush()


def _of_deployment(place: Place) -> tuple[ColumnElement[bool], ...]:
    return (
        Snapshot.organizer_id == place[0],
        Snapshot.event_id == place[1],
        Snapshot.deployment_id == place[2],
    )
