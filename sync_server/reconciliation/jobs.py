"""The daily run. A drift fails it: a dead job and alarms say so, and nobody can overlook one."""

from typing import Final

from sync_server.kit.jobs import Job, JobHandler, Jobs, Schedule
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.reconciliation import service
from sync_server.reconciliation.errors import DriftFoundError
from sync_server.reconciliation.service import RunSource

RECONCILING: Final = "reconciliation.run"
_EVERY_SECONDS: Final = 86_400
_OFFSET_SECONDS: Final = 2 * 3_600
_SECONDS_MAX: Final = 3_600.0


async def reconcile(services: Services, _: Job) -> None:
    report = await service.run(services, RunSource.SCHEDULE)
    # Only what was found right is summed up for tomorrow.
    if not report.is_clean:
        message = f"run {report.run_id} found drifts"
        raise DriftFoundError(message)
    await ledger.make_checkpoints(services)


def register(jobs: Jobs) -> None:
    """Once a day, and once: the same drift would be found again."""
    jobs.handler(JobHandler(RECONCILING, reconcile, attempts_max=1, seconds_max=_SECONDS_MAX))
    jobs.schedule(Schedule(RECONCILING, _EVERY_SECONDS, _OFFSET_SECONDS))
