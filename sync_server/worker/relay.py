"""The relay: follows the outbox and enqueues the jobs that wait for a message of its kind.

Business transactions write the outbox and nothing else; here cursor and jobs are one transaction
under a lock, so any number of processes may run it and each message is enqueued once.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.jobs import JobHandler, NewJob
from sync_server.kit.outbox import Published, advance_reader, read_after, reader_cursor
from sync_server.kit.services import Services
from sync_server.worker import repository

RELAY: Final = "jobs"
"""Under this name the outbox keeps what the relay has not read."""
BATCH_MESSAGES_MAX: Final = 500
IDLE_SECONDS: Final = 0.25


async def relay(services: Services) -> int:
    """Take the next messages on, and say how many; 0 where another process is at it."""
    async with services.database.transaction(WORKER) as session:
        if not await repository.try_lock(session):
            return 0
        now = instant(services.clock.now_ms())
        place = await reader_cursor(session, RELAY, now)
        found = await read_after(session, place, BATCH_MESSAGES_MAX)
        if found:
            await services.jobs.enqueue_many(session, jobs_for(found, services.jobs.handlers))
            await advance_reader(session, RELAY, found[-1].cursor, now)
    return len(found)


async def keep_relaying(services: Services) -> None:
    """Relay until cancelled; a full batch says that more is waiting."""
    while True:
        if await relay(services) < BATCH_MESSAGES_MAX:
            await asyncio.sleep(IDLE_SECONDS)


def jobs_for(messages: Sequence[Published], handlers: Mapping[str, JobHandler]) -> list[NewJob]:
    """One job for each message and each handler that hears its kind, in the messages' order."""
    return [
        _job_for(published, handler.name)
        for published in messages
        for handler in handlers.values()
        if published.message.kind in handler.hears
    ]


def _job_for(published: Published, name: str) -> NewJob:
    message, cursor = published.message, published.cursor
    payload = {
        "kind": message.kind,
        "organizer_id": None if message.organizer_id is None else str(message.organizer_id),
        "payload": dict(message.payload),
    }
    return NewJob(name, payload, f"outbox:{cursor.xid}.{cursor.id}:{name}")
