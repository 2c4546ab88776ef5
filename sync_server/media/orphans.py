"""The watch that removes content nobody needs: of deleted rows, of uploads that broke off, and what
lies in the store without any row.

A mark in the database keeps others from storing the same content while it is removed; so neither
waits for the other's network.
"""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.services import Services
from sync_server.kit.storage import ListedObject, ObjectKey, StorageUnavailableError
from sync_server.media import repository
from sync_server.media.repository import StoredContent
from sync_server.media.rules import Bucket
from sync_server.media.service import object_key

ORPHAN_AGE: Final = timedelta(days=1)
WATCH_INTERVAL_SECONDS: Final = 3600.0
_ASKED_AT_ONCE: Final = 500
_LOG: Final = structlog.get_logger(__name__)


async def remove_orphans(services: Services) -> int:
    """Remove what nobody needs, and say how many contents that were.

    What has no row is left alone for a day: a backup of the database may be on its way back.
    """
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        abandoned = await repository.find_abandoned_removals(session)
        await repository.give_up(session, now - ORPHAN_AGE, now)
    for content in abandoned:
        await _end_removal(services, content)
    removed = len(abandoned)
    async for page in services.storage.list_all():
        for start in range(0, len(page), _ASKED_AT_ONCE):
            removed += await _remove_needless(services, page[start : start + _ASKED_AT_ONCE])
    if removed:
        _LOG.info("media.removed", contents=removed)
    return removed


async def watch_orphans(services: Services) -> None:
    """Look again and again until cancelled; a database or store that is away is tried again."""
    while True:
        try:
            await remove_orphans(services)
        except (DBAPIError, OSError, StorageUnavailableError) as error:
            _LOG.warning("media.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(WATCH_INTERVAL_SECONDS)


async def _remove_needless(services: Services, listed: Sequence[ListedObject]) -> int:
    old_before = unix_ms(instant(services.clock.now_ms()) - ORPHAN_AGE)
    ages = {
        content: entry.modified_ms
        for entry in listed
        if (content := _content_of(entry.key)) is not None
    }
    async with services.database.reading(WORKER) as session:
        living = await repository.find_contents(session, ages.keys())
    removed = 0
    for content, modified_ms in ages.items():
        needless = not living[content] if content in living else modified_ms < old_before
        if needless and await _remove(services, content):
            removed += 1
    return removed


async def _remove(services: Services, content: StoredContent) -> bool:
    async with services.database.transaction(WORKER) as session:
        if not await repository.begin_removal(session, content):
            return False
    await _end_removal(services, content)
    return True


async def _end_removal(services: Services, content: StoredContent) -> None:
    await services.storage.delete(object_key(content.organizer_id, content.bucket, content.sha256))
    async with services.database.transaction(WORKER) as session:
        await repository.end_removal(session, content)


def _content_of(key: ObjectKey) -> StoredContent | None:
    """Read a key of ours; what others put into the store is none of our business."""
    bucket, _, organizer = key.folder.partition("/")
    try:
        content = StoredContent(UUID(organizer), Bucket(bucket).value, key.sha256)
    except ValueError:
        return None
    return content if str(content.organizer_id) == organizer else None
