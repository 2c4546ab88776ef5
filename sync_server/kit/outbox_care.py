"""Care for the outbox: what was read and is a day old is removed; a stream that stands still, or a
reader that falls behind, raises an alarm; what was restored from elsewhere is numbered anew.

Any number of processes may care; nothing they do is done twice.
"""

import asyncio
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.journal.entry import Cursor
from sync_server.kit.alarms import Alarm, settle_alarms
from sync_server.kit.claims import WORKER
from sync_server.kit.horizon import FUTURE, HORIZON
from sync_server.kit.instants import instant
from sync_server.kit.outbox import PRUNING, advance_reader, reader_cursor
from sync_server.kit.services import Services

KEPT: Final = timedelta(hours=24)
STALLED_AFTER_SECONDS: Final = 10
"""How old news may be that nobody can read yet; a transaction that is older holds it back."""
LAGGING_AFTER_SECONDS: Final = 300
WATCH_INTERVAL_SECONDS: Final = 10.0
ROWS_REMOVED_AT_ONCE: Final = 5_000
STALLED: Final = "outbox.stalled"
READER_LAGGING: Final = "outbox.reader_lagging"
_STREAM: Final = "outbox"
_LOG: Final = structlog.get_logger(__name__)

_UNREADABLE: Final = text(f"""
    SELECT count(*) AS waiting,
        coalesce(extract(epoch FROM now() - min(published_at)), 0)::bigint AS oldest_seconds
    FROM outbox WHERE xid >= {HORIZON}
""")  # noqa: S608 - an expression of ours
_READERS: Final = text(f"""
    SELECT reader.name,
        coalesce(extract(epoch FROM now() - next.published_at), 0)::bigint AS behind_seconds
    FROM outbox_readers AS reader LEFT JOIN LATERAL (
        SELECT published_at FROM outbox
        WHERE (xid, id) > (reader.xid, reader.id) AND xid < {HORIZON}
        ORDER BY xid, id LIMIT 1
    ) AS next ON true
    WHERE reader.name <> '{PRUNING}'
""")  # noqa: S608 - an expression and a name of ours
# The first row that is younger or unread ends what is removed: never a hole in the middle.
_KEPT_FROM: Final = text(f"""
    SELECT xid, id FROM (
        (SELECT xid, id FROM outbox WHERE published_at >= :since ORDER BY xid, id LIMIT 1)
        UNION ALL SELECT xid, id + 1 FROM outbox_readers WHERE name <> '{PRUNING}'
        UNION ALL SELECT {HORIZON}, 0
    ) AS bound ORDER BY xid, id LIMIT 1
""")  # noqa: S608 - an expression and a name of ours
_REMOVE: Final = text("""
    WITH removed AS (
        DELETE FROM outbox WHERE (xid, id) IN (
            SELECT xid, id FROM outbox WHERE (xid, id) < (:xid, :id)
            ORDER BY xid, id LIMIT :limit
        ) RETURNING xid, id
    )
    SELECT count(*) OVER () AS removed, xid, id FROM removed ORDER BY xid DESC, id DESC LIMIT 1
""")
_IN_TURN: Final = text("SELECT pg_advisory_xact_lock(20260014)")
_FROM_ELSEWHERE: Final = text(f"""
    SELECT EXISTS (SELECT FROM outbox WHERE xid >= {FUTURE})
        OR EXISTS (SELECT FROM outbox_readers WHERE xid >= {FUTURE})
""")  # noqa: S608 - an expression of ours
# Before the rows: which of them a reader has not read is known by their old places. What was
# written here meanwhile has higher ids than all that was restored, and is not read yet either.
_RENUMBER_READERS: Final = text(f"""
    WITH moved AS (
        SELECT name, (
            SELECT min(xid) FROM outbox WHERE xid < {FUTURE} AND id > coalesce(
                (SELECT max(id) FROM outbox WHERE xid >= {FUTURE}), reader.id)
        ) AS here, coalesce(
            (SELECT min(id) - 1 FROM outbox WHERE (xid, id) > (reader.xid, reader.id)),
            (SELECT max(id) FROM outbox), 0
        ) AS read
        FROM outbox_readers AS reader WHERE xid >= {FUTURE}
    )
    UPDATE outbox_readers AS reader
    SET xid = coalesce(moved.here, pg_current_xact_id()::text::bigint),
        id = CASE WHEN moved.here IS NULL THEN moved.read ELSE 0 END, moved_at = :now
    FROM moved WHERE moved.name = reader.name
""")  # noqa: S608 - an expression of ours
_RENUMBER_ROWS: Final = text(f"""
    UPDATE outbox SET xid = pg_current_xact_id()::text::bigint WHERE xid >= {FUTURE} RETURNING id
""")  # noqa: S608 - an expression of ours


async def renumber_outbox(services: Services) -> int:
    """Give news from a restored dump a place in this cluster, and say how much that was.

    Transaction numbers begin again in a new cluster: rows with higher ones would be read by nobody
    for a long time, and readers with higher places would read nothing. What was not read is read;
    some of what was may be read again.
    """
    async with services.database.transaction(WORKER) as session:
        if not await session.scalar(_FROM_ELSEWHERE):
            return 0
        await session.execute(_IN_TURN)
        if not await session.scalar(_FROM_ELSEWHERE):
            return 0
        moment = {"now": instant(services.clock.now_ms())}
        await session.execute(_RENUMBER_READERS, moment)
        rows = len((await session.execute(_RENUMBER_ROWS)).all())
    _LOG.warning("outbox.renumbered", rows=rows)
    return rows


async def check_outbox(services: Services) -> None:
    """Raise an alarm where news cannot be read or a reader does not read it, and clear those that
    are true no more.
    """
    async with services.database.transaction(WORKER) as session:
        stalled = await _stalled(session)
        await settle_alarms(session, services, STALLED, stalled)
        lagging = await _lagging(session)
        await settle_alarms(session, services, READER_LAGGING, lagging)


async def _stalled(session: AsyncSession) -> list[Alarm]:
    row = (await session.execute(_UNREADABLE)).one()
    detail = {"waiting": row.waiting, "oldest_seconds": row.oldest_seconds}
    late = row.oldest_seconds >= STALLED_AFTER_SECONDS
    return [Alarm(STALLED, _STREAM, detail)] if late else []


async def _lagging(session: AsyncSession) -> list[Alarm]:
    rows = (await session.execute(_READERS)).all()
    return [
        Alarm(READER_LAGGING, row.name, {"behind_seconds": row.behind_seconds})
        for row in rows
        if row.behind_seconds >= LAGGING_AFTER_SECONDS
    ]


async def prune_outbox(services: Services) -> int:
    """Remove what every reader has read and is older than `KEPT`, and say how many rows that were.

    A transaction a batch: none is long, and what was removed is noted with it, so that a listener
    who comes back later is told that something is missing.
    """
    removed = 0
    while (batch := await _prune_once(services)) > 0:
        removed += batch
    if removed:
        _LOG.info("outbox.pruned", rows=removed)
    return removed


async def _prune_once(services: Services) -> int:
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        await reader_cursor(session, PRUNING, now)
        bound = (await session.execute(_KEPT_FROM, {"since": now - KEPT})).one()
        values = {"xid": bound.xid, "id": bound.id, "limit": ROWS_REMOVED_AT_ONCE}
        last = (await session.execute(_REMOVE, values)).one_or_none()
        if last is None:
            return 0
        await advance_reader(session, PRUNING, Cursor(last.xid, last.id), now)
        return int(last.removed)


async def watch_outbox(
    services: Services, interval_seconds: float = WATCH_INTERVAL_SECONDS
) -> None:
    """Look again and again until cancelled; a database that is away is tried again."""
    while True:
        try:
            await renumber_outbox(services)
            await check_outbox(services)
            await prune_outbox(services)
        except (SQLAlchemyError, OSError) as error:
            _LOG.warning("outbox.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(interval_seconds)
