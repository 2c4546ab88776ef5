"""SQL on alarms, for those who look after the server; needs the worker's rights."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.alarms import AlarmRow

_IS_CLEARED = AlarmRow.cleared_at.is_not(None)


async def list_alarms(
    session: AsyncSession, after: tuple[bool, UUID] | None, limit: int
) -> Sequence[AlarmRow]:
    """Give open alarms, then cleared ones, the newest of each first; `after` says whether the last
    one shown was cleared, and which it was.
    """
    query = select(AlarmRow).order_by(_IS_CLEARED, AlarmRow.id.desc()).limit(limit)
    if after is not None:
        was_cleared, last_id = after
        same = and_(_IS_CLEARED if was_cleared else ~_IS_CLEARED, AlarmRow.id < last_id)
        query = query.where(same if was_cleared else or_(same, _IS_CLEARED))
    return (await session.scalars(query)).all()


async def find_alarm(session: AsyncSession, alarm_id: UUID) -> AlarmRow | None:
    return await session.get(AlarmRow, alarm_id)


async def acknowledge(
    session: AsyncSession, alarm_id: UUID, person_id: UUID, moment: datetime
) -> AlarmRow | None:
    """Note who took an alarm on; None where somebody did before, or there is none."""
    return await session.scalar(
        update(AlarmRow)
        .where(AlarmRow.id == alarm_id, AlarmRow.acknowledged_at.is_(None))
        .values(acknowledged_at=moment, acknowledged_by=person_id)
        .returning(AlarmRow)
        .execution_options(synchronize_session=False),
    )
