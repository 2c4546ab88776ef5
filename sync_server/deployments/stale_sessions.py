"""The watch that ends sessions gone silent; any number of processes may run it, one works at a
time.
"""

import asyncio
from typing import Any, Final

import structlog
from sqlalchemy.engine import Row
from sqlalchemy.exc import DBAPIError

from shared.ids import DeploymentId, EventId, OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Action, Subject
from sync_server.deployments import repository
from sync_server.deployments.news import device_news, session_news
from sync_server.deployments.rules import EndReason
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services

WATCH_INTERVAL_SECONDS: Final = 10.0
_LOCK_NUMBER: Final = 0x5A45_5241_4B45_5402
_LOG: Final = structlog.get_logger(__name__)


async def end_stale_sessions(services: Services) -> int:
    """End what was silent too long and forget old proofs; 0 where another process is at it."""
    async with services.database.transaction(WORKER) as session:
        if not await repository.try_lock(session, _LOCK_NUMBER):
            return 0
        ended = await repository.end_stale_sessions(session, instant(services.clock.now_ms()))
        for row in ended:
            subject = Subject("scanner_session", str(row.id), row.organizer_id)
            stopped = {"device_id": str(row.device_id), "end_reason": EndReason.STALE.value}
            change = Action("scanner_session.stale", subject, after=stopped)
            await audit.record_action(session, services, change)
        await publish(session, *(told for row in ended for told in _news(row)))
        await repository.forget_proofs(session)
    if ended:
        _LOG.warning("scanner_sessions.stale", ended=len(ended))
    return len(ended)


def _news(row: Row[Any]) -> tuple[Message, ...]:
    place = OrganizerId(row.organizer_id), EventId(row.event_id), DeploymentId(row.deployment_id)
    return (
        session_news("scanner_session.stale", place, row.device_id, row.id),
        device_news("device.stopped", place, row.device_id),
    )


async def watch_stale_sessions(services: Services) -> None:
    """Look again and again until cancelled; a database that is away is tried again."""
    while True:
        try:
            await end_stale_sessions(services)
        except (DBAPIError, OSError) as error:
            _LOG.warning("scanner_sessions.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(WATCH_INTERVAL_SECONDS)
