"""Alarms for the admins: one open alarm for each thing that is wrong, cleared when it is right.

Raised and cleared by watches in the server's own name; read and acknowledged in `operations`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.channels import ADMINS_ALARMS
from sync_server.kit.instants import instant
from sync_server.kit.models import Base
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services

_RAISE: Final = text("""
    INSERT INTO alarms (id, kind, subject, detail, raised_at, last_seen_at)
    VALUES (:id, :kind, :subject, CAST(:detail AS jsonb), :moment, :moment)
    ON CONFLICT (kind, subject) WHERE cleared_at IS NULL
    DO UPDATE SET detail = excluded.detail,
        last_seen_at = greatest(alarms.last_seen_at, excluded.last_seen_at)
    RETURNING id
""")
_LOG: Final = structlog.get_logger(__name__)


class AlarmRow(Base):
    __tablename__ = "alarms"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]] = mapped_column(JSONB)
    raised_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    cleared_at: Mapped[datetime | None]
    acknowledged_at: Mapped[datetime | None]
    acknowledged_by: Mapped[UUID | None]


@dataclass(frozen=True, slots=True)
class Alarm:
    """What is wrong (`kind`, a stable code) with what (`subject`); `detail` is ids and numbers."""

    kind: str
    subject: str
    detail: Mapping[str, Any] = field(default_factory=dict)


async def raise_alarm(session: AsyncSession, services: Services, alarm: Alarm) -> None:
    """Open an alarm, or note that an open one is still true; needs the worker's transaction.

    It is logged and told when it opens, and not again.
    """
    alarm_id = services.new_id()
    values = {
        "id": alarm_id,
        "kind": alarm.kind,
        "subject": alarm.subject,
        "detail": json.dumps(dict(alarm.detail), default=str),
        "moment": instant(services.clock.now_ms()),
    }
    if await session.scalar(_RAISE, values) != alarm_id:
        return
    _LOG.warning("alarm.raised", kind=alarm.kind, subject=alarm.subject, **alarm.detail)
    await publish(session, _told("alarm.raised", alarm_id))


async def clear_alarm(session: AsyncSession, services: Services, kind: str, subject: str) -> None:
    """Close the alarm that is open, if one is; needs the worker's transaction."""
    cleared_id = await session.scalar(
        update(AlarmRow)
        .where(AlarmRow.kind == kind, AlarmRow.subject == subject, AlarmRow.cleared_at.is_(None))
        .values(cleared_at=instant(services.clock.now_ms()))
        .returning(AlarmRow.id)
        .execution_options(synchronize_session=False),
    )
    if cleared_id is None:
        return
    _LOG.info("alarm.cleared", kind=kind, subject=subject)
    await publish(session, _told("alarm.cleared", cleared_id))


async def settle_alarms(
    session: AsyncSession, services: Services, kind: str, wrong: Sequence[Alarm]
) -> None:
    """Raise what is wrong now, and clear every other alarm of this kind that is open."""
    query = select(AlarmRow.subject).where(AlarmRow.kind == kind, AlarmRow.cleared_at.is_(None))
    still = {alarm.subject for alarm in wrong}
    for subject in (await session.scalars(query)).all():
        if subject not in still:
            await clear_alarm(session, services, kind, subject)
    for alarm in wrong:
        await raise_alarm(session, services, alarm)


def _told(kind: str, alarm_id: UUID) -> Message:
    return Message(kind, None, (ADMINS_ALARMS,), {"alarm_id": alarm_id})
