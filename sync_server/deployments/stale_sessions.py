"""The watch that ends sessions gone silent; any number of processes may run it, one works at a
time.
"""

import asyncio
from typing import Final

import structlog
from sqlalchemy.exc import DBAPIError

from sync_server.deployments import repository
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
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
        await repository.forget_proofs(session)
    if ended:
        _LOG.warning("scanner_sessions.stale", ended=ended)
    return ended


async def watch_stale_sessions(services: Services) -> None:
    """Look again and again until cancelled; a database that is away is tried again."""
    while True:
        try:
            await end_stale_sessions(services)
        except (DBAPIError, OSError) as error:
            _LOG.warning("scanner_sessions.watch_failed", reason=type(error).__name__)
        await asyncio.sleep(WATCH_INTERVAL_SECONDS)
