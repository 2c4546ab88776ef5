"""Statements on the queue's tables that its library has none for: counting, showing the dead,
reviving and discarding one, forgetting what is long over.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

_COUNTS: Final = text("""
    SELECT entrypoint AS name, status::text AS status, count(*) AS jobs,
        greatest(floor(extract(epoch FROM now() - min(created))), 0)::bigint AS oldest_age_seconds
    FROM jobs.pgqueuer GROUP BY entrypoint, status ORDER BY entrypoint, status
""")
_LAST_TICKS: Final = text(
    "SELECT DISTINCT ON (name) name, due_at, source FROM cron_ticks ORDER BY name, due_at DESC"
)
_DEAD: Final = """
    SELECT job.id, job.entrypoint AS name, job.payload, job.dedupe_key AS unique_key,
        job.created AS enqueued_at, job.updated AS died_at,
        (SELECT note.traceback->>'exception_message' FROM jobs.pgqueuer_log AS note
         WHERE note.job_id = job.id AND note.status = 'failed'
         ORDER BY note.id DESC LIMIT 1) AS reason,
        (SELECT count(*) FROM jobs.pgqueuer_log AS taken
         WHERE taken.job_id = job.id AND taken.status = 'picked' AND NOT EXISTS (
             SELECT FROM jobs.pgqueuer_log AS clean
             WHERE clean.job_id = job.id AND clean.id > taken.id
               AND clean.status = 'queued' AND clean.traceback IS NULL)) AS attempts
    FROM jobs.pgqueuer AS job WHERE job.status = 'failed'
"""
_DEAD_PAGE: Final = text(_DEAD + " AND job.id > :after ORDER BY job.id LIMIT :limit")
_DEAD_ONE: Final = text(_DEAD + " AND job.id = :id FOR UPDATE OF job")
_REVIVE: Final = text("""
    WITH revived AS (
        UPDATE jobs.pgqueuer
        SET status = 'queued', attempts = 0, updated = now(), execute_after = now()
        WHERE id = :id AND status = 'failed' RETURNING id, entrypoint, priority
    )
    INSERT INTO jobs.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'queued', entrypoint, priority FROM revived
""")
_DISCARD: Final = text("""
    WITH discarded AS (
        DELETE FROM jobs.pgqueuer
        WHERE id = :id AND status = 'failed' RETURNING id, entrypoint, priority
    )
    INSERT INTO jobs.pgqueuer_log (job_id, status, entrypoint, priority)
    SELECT id, 'deleted', entrypoint, priority FROM discarded
""")
_FORGET_NOTES: Final = text("""
    DELETE FROM jobs.pgqueuer_log AS note WHERE note.created < :before
      AND NOT EXISTS (SELECT FROM jobs.pgqueuer AS job WHERE job.id = note.job_id)
""")
_FORGET_TICKS: Final = text("DELETE FROM cron_ticks WHERE ticked_at < :before")
_FORGET_EARLIER_DEAD: Final = text("""
    DELETE FROM jobs.pgqueuer AS job
    WHERE job.status = 'failed' AND job.entrypoint = ANY(:names) AND EXISTS (
        SELECT FROM jobs.pgqueuer AS later WHERE later.status = 'failed'
          AND later.entrypoint = job.entrypoint AND later.id > job.id)
""")


async def count_jobs(session: AsyncSession) -> Sequence[Row[Any]]:
    return (await session.execute(_COUNTS)).all()


async def last_ticks(session: AsyncSession) -> Sequence[Row[Any]]:
    """Give each schedule's newest tick."""
    return (await session.execute(_LAST_TICKS)).all()


async def list_dead(session: AsyncSession, after: int, limit: int) -> Sequence[Row[Any]]:
    return (await session.execute(_DEAD_PAGE, {"after": after, "limit": limit})).all()


async def find_dead(session: AsyncSession, job_id: int) -> Row[Any] | None:
    """Find a dead job and keep it from others until the transaction ends."""
    return (await session.execute(_DEAD_ONE, {"id": job_id})).one_or_none()


async def revive(session: AsyncSession, job_id: int) -> None:
    """Let it wait again, as if it had just been enqueued."""
    await session.execute(_REVIVE, {"id": job_id})


async def discard(session: AsyncSession, job_id: int) -> None:
    await session.execute(_DISCARD, {"id": job_id})


async def forget_before(session: AsyncSession, before: datetime) -> None:
    """Forget ticks, and the notes of jobs that are over."""
    await session.execute(_FORGET_NOTES, {"before": before})
    await session.execute(_FORGET_TICKS, {"before": before})


async def forget_earlier_dead(session: AsyncSession, names: Sequence[str]) -> None:
    """Of each name keep the dead job that came last."""
    await session.execute(_FORGET_EARLIER_DEAD, {"names": list(names)})
