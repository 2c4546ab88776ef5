"""Ticks: a scheduled job is enqueued once a period, whoever says that it is time.

A worker's own timer and an outside one may both call, in any number: the row of the tick decides.
"""

from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import FetchedValue, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.instants import instant
from sync_server.kit.jobs import NewJob, Schedule
from sync_server.kit.models import Base
from sync_server.kit.services import Services

_TICK: Final = text(
    "INSERT INTO cron_ticks (name, due_at, source) VALUES (:name, :due_at, :source)"
    " ON CONFLICT DO NOTHING"
)


class TickSource(StrEnum):
    INSIDE = "inside"
    OUTSIDE = "outside"


class CronTick(Base):
    __tablename__ = "cron_ticks"

    name: Mapped[str] = mapped_column(primary_key=True)
    due_at: Mapped[datetime] = mapped_column(primary_key=True)
    source: Mapped[str]
    ticked_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


async def tick(
    session: AsyncSession, services: Services, schedule: Schedule, source: TickSource
) -> bool:
    """Enqueue the period's job unless that was done; the tick and the job are one transaction.

    A job of the period before that still waits or runs stands for this one as well.
    """
    due_at = instant(schedule.due_ms(services.clock.now_ms()))
    values = {"name": schedule.name, "due_at": due_at, "source": source.value}
    ticked = await session.execute(_TICK, values)
    if not ticked.rowcount:  # type: ignore[attr-defined] # an INSERT's result counts rows
        return False
    payload = {"due_at": due_at.isoformat()}
    unique_key = f"schedule:{schedule.name}"
    await services.jobs.enqueue(session, NewJob(schedule.name, payload, unique_key))
    return True
