"""Jobs as admins see them: how many wait, which are dead and why, and what becomes of those."""

import json
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject, fit_to_keep
from sync_server.kit.claims import WORKER
from sync_server.kit.pagination import CursorInvalidError, Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.operations import dead_jobs_repository as repository
from sync_server.operations.dead_jobs_errors import DeadJobNotFoundError, JobWaitsAlreadyError
from sync_server.operations.dead_jobs_schemas import (
    DeadJobShown,
    JobsCounted,
    JobsShown,
    JobState,
    ScheduleShown,
)

JOB_ID_MAX: Final = 2**63 - 1
_STATES: Final = {
    "queued": JobState.WAITING,
    "picked": JobState.RUNNING,
    "failed": JobState.DEAD,
}


async def show_jobs(services: Services) -> JobsShown:
    async with services.database.reading(WORKER) as session:
        counted = await repository.count_jobs(session)
        ticked = {row.name: row for row in await repository.last_ticks(session)}
    return JobsShown(
        jobs=[_counted(row) for row in counted], schedules=_schedules(services, ticked)
    )


def _counted(row: Row[Any]) -> JobsCounted:
    return JobsCounted(
        name=row.name,
        state=_STATES[row.status],
        count=row.jobs,
        oldest_age_seconds=row.oldest_age_seconds,
    )


def _schedules(services: Services, ticked: dict[str, Row[Any]]) -> list[ScheduleShown]:
    return [
        ScheduleShown(
            name=schedule.name,
            every_seconds=schedule.every_seconds,
            last_due_at=None if (tick := ticked.get(schedule.name)) is None else tick.due_at,
            last_source=None if tick is None else tick.source,
        )
        for schedule in services.jobs.schedules.values()
    ]


async def list_dead_jobs(services: Services, page: PageRequest) -> Page[DeadJobShown]:
    """List dead jobs, oldest first."""
    after = 0 if page.after is None else page.after.int
    if after > JOB_ID_MAX:
        raise CursorInvalidError
    async with services.database.reading(WORKER) as session:
        rows = await repository.list_dead(session, after, page.limit + 1)
    return page_of(rows, page, _dead, lambda row: UUID(int=row.id))


def _dead(row: Row[Any]) -> DeadJobShown:
    return DeadJobShown(
        id=row.id,
        name=row.name,
        payload=shown_payload(row.payload),
        attempts=row.attempts,
        reason=row.reason,
        enqueued_at=row.enqueued_at,
        died_at=row.died_at,
    )


def shown_payload(payload: bytes | None) -> Any:  # noqa: ANN401 - whatever JSON can say
    """Show a payload without its secrets; one that is no JSON is withheld."""
    try:
        return fit_to_keep(json.loads(payload or b"{}"))
    except ValueError:
        return None


async def retry_dead_job(services: Services, admin_id: UUID, job_id: int) -> None:
    """Let a dead job be tried again, with all its attempts before it."""
    try:
        async with services.database.transaction(WORKER) as session:
            found = await _require_dead(session, job_id)
            await repository.revive(session, job_id)
            await audit.record_action(session, services, _action("job.retry", found, admin_id))
    except IntegrityError as error:
        raise JobWaitsAlreadyError from error


async def discard_dead_job(services: Services, admin_id: UUID, job_id: int, reason: str) -> None:
    """Give up a dead job; what it was stays in the audit."""
    async with services.database.transaction(WORKER) as session:
        found = await _require_dead(session, job_id)
        await repository.discard(session, job_id)
        action = _action("job.discard", found, admin_id, reason)
        await audit.record_action(session, services, action)


async def _require_dead(session: AsyncSession, job_id: int) -> Row[Any]:
    found = await repository.find_dead(session, job_id)
    if found is None:
        raise DeadJobNotFoundError
    return found


def _action(kind: str, job: Row[Any], admin_id: UUID, reason: str | None = None) -> Action:
    before = {
        "name": job.name,
        "payload": shown_payload(job.payload),
        "attempts": job.attempts,
        "died_of": job.reason,
    }
    return Action(kind, Subject("job", str(job.id)), before, reason=reason, actor_id=admin_id)
