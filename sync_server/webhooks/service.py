"""Taking deliveries in at once and handling them afterwards, each id once."""

import hashlib
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.jobs import Job, JobHandler, Jobs, NewJob, Schedule
from sync_server.kit.services import Services
from sync_server.webhooks import repository
from sync_server.webhooks.errors import WebhookConflictingError
from sync_server.webhooks.sources import HandleWebhook, WebhookEvent, WebhookSources

PRUNING: Final = "webhooks.prune"
KEPT_FOR: Final = timedelta(days=90)
"""Longer than any source repeats itself."""
_EVERY_SECONDS: Final = 86_400
_BODY: Final = "webhook body"
_LOG: Final = structlog.get_logger(__name__)


def job_name(source: str) -> str:
    return f"webhooks.{source}"


async def receive(services: Services, source: str, scheme: str, event_id: str, body: bytes) -> None:
    """Keep a delivery and enqueue its job; a repeat changes nothing, and another content under the
    same id is kept beside it, handled never, and refused.
    """
    content = hashlib.sha256(body).digest()
    row_id = services.new_id()
    values = {
        "source": source,
        "event_id": event_id,
        "payload_sha256": content,
        "id": row_id,
        "received_at": instant(services.clock.now_ms()),
        "scheme": scheme,
        "body": services.key_sealer.seal(body, _BODY, row_id),
    }
    async with services.database.transaction(WORKER) as session:
        is_conflicting = await _keep(session, services, values)
    if is_conflicting:
        _LOG.warning("webhooks.conflicting", source=source, event_id=event_id)
        raise WebhookConflictingError


async def _keep(session: AsyncSession, services: Services, values: dict[str, Any]) -> bool:
    """Say whether it contradicts what came first."""
    source, row_id = values["source"], str(values["id"])
    if await repository.add(session, {**values, "conflicting": False}):
        job = NewJob(job_name(source), {"id": row_id}, f"webhook:{row_id}")
        await services.jobs.enqueue(session, job)
        return False
    first = await repository.find_content(session, source, values["event_id"])
    if first == values["payload_sha256"]:
        return False
    await repository.add(session, {**values, "conflicting": True})
    return True


async def handle_delivery(name: str, handle: HandleWebhook, services: Services, job: Job) -> None:
    """Give a delivery to its source's handler, outside every transaction, and note it after."""
    row_id = UUID(job.payload["id"])
    async with services.database.reading(WORKER) as session:
        row = await repository.find_unprocessed(session, row_id)
    if row is None:
        return
    body = services.key_sealer.open(row.body, _BODY, row_id)
    await handle(services, WebhookEvent(name, row.event_id, body, row.received_at))
    async with services.database.transaction(WORKER) as session:
        processed_at = instant(services.clock.now_ms())
        await repository.mark_processed(session, row_id, processed_at)


async def prune(services: Services, _: Job) -> None:
    """Forget deliveries that are long over."""
    before = instant(services.clock.now_ms()) - KEPT_FOR
    async with services.database.transaction(WORKER) as session:
        await repository.forget_before(session, before)


def register(jobs: Jobs, sources: WebhookSources) -> None:
    jobs.handler(JobHandler(PRUNING, prune))
    jobs.schedule(Schedule(PRUNING, _EVERY_SECONDS))
    for name, source in sources.items():
        register_source(jobs, name, source.handle)


def register_source(jobs: Jobs, name: str, handle: HandleWebhook) -> None:
    """Have deliveries handled that came from this source."""
    jobs.handler(JobHandler(job_name(name), partial(handle_delivery, name, handle)))
