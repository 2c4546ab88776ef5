"""The outbox: news written in the transaction that makes it true, read in order afterwards.

Whoever follows it asks for what comes after a cursor `(xid, id)` and never sees past the oldest
transaction still open, so a commit that comes late is never skipped. Messages carry ids and no
content: whoever hears one fetches what it may see. How long it is kept is `outbox_care`'s business.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, FetchedValue, Identity, Row, Text, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from shared.journal.entry import Cursor
from sync_server.kit.horizon import HORIZON
from sync_server.kit.models import Base
from sync_server.kit.prepared import PreparedStatement

BEGINNING: Final = Cursor(0, 0)
PRUNING: Final = "pruning"
"""The reader that removes what was read: its cursor says up to where nothing is kept."""
_PUBLISH: Final = PreparedStatement(
    text("""
    SELECT private.publish(told.kind, told.organizer_id, told.channels, told.payload)
    FROM jsonb_to_recordset(CAST(:messages AS jsonb))
        AS told (kind text, organizer_id uuid, channels text[], payload jsonb)
""")
)
# Rows between two places are walked by index up to a limit: a listener that was away for a day
# costs no more than one that was away for a minute.
_MISSED: Final = text(f"""
    WITH walked AS MATERIALIZED (
        SELECT xid, id, organizer_id, kind, channels, payload, published_at FROM outbox
        WHERE (xid, id) > (:after_xid, :after_id) AND (xid, id) <= (:until_xid, :until_id)
        ORDER BY xid, id LIMIT :walked_max + 1
    )
    SELECT {HORIZON} AS horizon, (SELECT count(*) FROM walked) AS walked,
        pruned.xid AS pruned_xid, pruned.id AS pruned_id, missed.*
    FROM (VALUES (1)) AS once
    LEFT JOIN outbox_readers AS pruned ON pruned.name = '{PRUNING}'
    LEFT JOIN walked AS missed ON missed.channels && CAST(:channels AS text[])
    ORDER BY missed.xid, missed.id LIMIT :told_max + 1
""")  # noqa: S608 - expressions and names of ours


class OutboxRow(Base):
    __tablename__ = "outbox"

    xid: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, server_default=FetchedValue()
    )
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    organizer_id: Mapped[UUID | None]
    kind: Mapped[str]
    channels: Mapped[list[str]] = mapped_column(ARRAY(Text))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    published_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())


class OutboxReader(Base):
    """Somebody who must hear everything, and up to where they have."""

    __tablename__ = "outbox_readers"

    name: Mapped[str] = mapped_column(primary_key=True)
    xid: Mapped[int]
    id: Mapped[int]
    moved_at: Mapped[datetime]


@dataclass(frozen=True, slots=True)
class Message:
    """News for whoever listens to one of `channels` (`kit.channels`), and for jobs that wait for
    its kind; without channels it is for jobs alone.
    """

    kind: str
    organizer_id: UUID | None = None
    channels: tuple[str, ...] = ()
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Published:
    """A message with its place in the stream."""

    cursor: Cursor
    message: Message
    published_at: datetime


async def publish(session: AsyncSession, *messages: Message) -> None:
    """Write messages in the caller's own transaction, with one statement: they are told if, and
    only if, that commits.

    The database refuses one in the name of an organizer that is not the caller's.
    """
    if not messages:
        return
    written = [
        {
            "kind": message.kind,
            "organizer_id": message.organizer_id,
            "channels": message.channels,
            "payload": dict(message.payload),
        }
        for message in messages
    ]
    await _PUBLISH.rows(session, {"messages": json.dumps(written, default=_id)})


def _id(value: object) -> str:
    """Write what JSON has no form for: of such things messages hold ids only."""
    if not isinstance(value, UUID):
        message = f"a message carries ids and numbers, and no {type(value).__name__}"
        raise TypeError(message)
    return str(value)


async def read_after(session: AsyncSession, cursor: Cursor, limit: int) -> Sequence[Published]:
    """Read what follows a cursor, in order and below the horizon; needs the worker's rights."""
    query = (
        select(OutboxRow)
        .where(
            tuple_(OutboxRow.xid, OutboxRow.id) > (cursor.xid, cursor.id),
            OutboxRow.xid < text(HORIZON),
        )
        .order_by(OutboxRow.xid, OutboxRow.id)
        .limit(limit)
    )
    return [published(row) for row in await session.scalars(query)]


class Untold(StrEnum):
    """Why what was missed cannot be told; whoever asked fetches everything anew."""

    PLACE_UNKNOWN = "place_unknown"
    """This database has not come to that place yet: the cursor is from before a restore."""
    TOO_FAR_BACK = "too_far_back"
    """Some of it is no longer kept, or it is more than is told one by one."""


@dataclass(frozen=True, slots=True)
class Span:
    """From behind one place up to another that was read before; and how much is told of it."""

    after: Cursor
    until: Cursor
    walked_max: int
    told_max: int


async def read_missed(
    session: AsyncSession, span: Span, channels: Sequence[str]
) -> Sequence[Published] | Untold:
    """Read what went to some channels in a span, in order; needs the worker's rights."""
    values = {
        "after_xid": span.after.xid,
        "after_id": span.after.id,
        "until_xid": span.until.xid,
        "until_id": span.until.id,
        "walked_max": span.walked_max,
        "told_max": span.told_max,
        "channels": list(channels),
    }
    rows = (await session.execute(_MISSED, values)).all()
    first, missed = rows[0], [row for row in rows if row.xid is not None]
    if span.after > Cursor(first.horizon, 0):
        return Untold.PLACE_UNKNOWN
    pruned = Cursor(first.pruned_xid or 0, first.pruned_id or 0)
    if span.after < pruned or first.walked > span.walked_max or len(missed) > span.told_max:
        return Untold.TOO_FAR_BACK
    return [published(row) for row in missed]


async def newest_cursor(session: AsyncSession) -> Cursor:
    """Give the place below which everything can be read now."""
    xid = await session.scalar(text(f"SELECT {HORIZON}"))
    return Cursor(int(xid or 0), 0)


async def reader_cursor(session: AsyncSession, name: str, moment: datetime) -> Cursor:
    """Give a reader's place and hold it until commit, so that only one process reads on from it.

    A reader is registered when it first asks, at the beginning of what is kept; from then on
    nothing is removed that it has not read.
    """
    registered = insert(OutboxReader).values(name=name, xid=0, id=0, moved_at=moment)
    await session.execute(registered.on_conflict_do_nothing())
    query = select(OutboxReader.xid, OutboxReader.id).where(OutboxReader.name == name)
    row = (await session.execute(query.with_for_update())).one()
    return Cursor(row.xid, row.id)


async def advance_reader(
    session: AsyncSession, name: str, cursor: Cursor, moment: datetime
) -> None:
    """Note up to where a reader has read, in the transaction that deals with it; never back."""
    place = tuple_(OutboxReader.xid, OutboxReader.id)
    await session.execute(
        update(OutboxReader)
        .where(OutboxReader.name == name, place < (cursor.xid, cursor.id))
        .values(xid=cursor.xid, id=cursor.id, moved_at=moment)
        .execution_options(synchronize_session=False),
    )


def published(row: OutboxRow | Row[Any]) -> Published:
    message = Message(row.kind, row.organizer_id, tuple(row.channels), row.payload)
    return Published(Cursor(row.xid, row.id), message, row.published_at)
