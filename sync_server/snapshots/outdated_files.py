"""The watch that removes snapshot files nobody is told of any more; rows stay, as a record.

A download under way goes on: the file's name goes at once, its bytes when the last reader closes
it. Whoever asks for a removed file fetches the manifest again.
"""

import asyncio
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services
from sync_server.snapshots import repository
from sync_server.snapshots.file import FILE_SUFFIX, SNAPSHOT_FOLDER, snapshot_path

VERSIONS_KEPT: Final = 2
"""The newest, and the one that a kiosk may just be downloading."""
WATCH_INTERVAL_SECONDS: Final = 10.0
_LOG: Final = structlog.get_logger(__name__)


async def remove_outdated_files(services: Services) -> int:
    """Remove what is older than the versions kept, and say how many files that were.

    A file of which the database does not know yet is being built, and is left alone.
    """
    folder = services.data_directory / SNAPSHOT_FOLDER
    there = await asyncio.to_thread(_names, folder)
    async with services.database.reading(WORKER) as session:
        outdated = await repository.find_outdated(session, there, VERSIONS_KEPT)
    for sha256 in outdated:
        await asyncio.to_thread(snapshot_path(folder, sha256).unlink, missing_ok=True)
    if outdated:
        _LOG.info("snapshots.removed", files=len(outdated))
    return len(outdated)


async def watch_outdated_files(services: Services) -> None:
    """Look again and again until cancelled; a database or disk that is away is tried again."""
    while True:
        try:
            await remove_outdated_files(services)
        except (DBAPIError, OSError) as error:
            _LOG.warning("snapshots.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(WATCH_INTERVAL_SECONDS)


def _names(folder: Path) -> list[str]:
    return [path.stem for path in folder.glob(f"*{FILE_SUFFIX}")]
