"""SQL on heartbeats: one row a device, replaced each time."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.heartbeat.models import DeviceHeartbeat
from sync_server.kit.pagination import PageRequest


async def keep(session: AsyncSession, row: dict[str, Any]) -> None:
    statement = postgresql.insert(DeviceHeartbeat).values(row)
    await session.execute(
        statement.on_conflict_do_update(
            constraint="pk_device_heartbeats",
            set_={"heard_at": row["heard_at"], "state": row["state"]},
        ),
    )


async def list_heartbeats(
    session: AsyncSession, place: tuple[UUID, UUID, UUID], page: PageRequest
) -> Sequence[DeviceHeartbeat]:
    query = (
        select(DeviceHeartbeat)
        .where(
            DeviceHeartbeat.organizer_id == place[0],
            DeviceHeartbeat.event_id == place[1],
            DeviceHeartbeat.deployment_id == place[2],
        )
        .order_by(DeviceHeartbeat.device_id)
        .limit(page.limit + 1)
    )
    if page.after is not None:
        query = query.where(DeviceHeartbeat.device_id > page.after)
    return (await session.scalars(query)).all()
