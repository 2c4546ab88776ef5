"""When a server began and ended its work, so its recording too, and which version it was.

A beginning without an end is a process that was killed.
"""

import asyncio
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import DBAPIError

from sync_server.audit import service
from sync_server.audit.rules import Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services

RETRY_SECONDS: Final = 5.0
_PACKAGE: Final = "zeraket-gate"
_LOG: Final = structlog.get_logger(__name__)


async def record_lifetime(
    services: Services, *, revision: str, retry_seconds: float = RETRY_SECONDS
) -> None:
    """Record the start at once or as soon as the database answers, and the stop when cancelled.

    `revision` is the database's revision that this program was made for.
    """
    instance_id = services.new_id()
    build = {"version": build_version(), "revision": revision}
    while True:
        if await _is_recorded(services, "server.start", instance_id, build):
            break
        await asyncio.sleep(retry_seconds)
    try:
        await asyncio.Event().wait()
    finally:
        await _is_recorded(services, "server.stop", instance_id, build)


def build_version() -> str:
    """Name the installed version; a copy that was never installed has none."""
    try:
        return version(_PACKAGE)
    except PackageNotFoundError:
        return "unknown"


async def _is_recorded(
    services: Services, kind: str, instance_id: UUID, build: Mapping[str, Any]
) -> bool:
    action = Action(kind, Subject("server", str(instance_id)), after=build)
    try:
        async with services.database.transaction(WORKER) as session:
            await service.record_action(session, services, action)
    except (DBAPIError, OSError) as error:
        _LOG.error("audit.lifetime_unrecorded", kind=kind, reason=type(error).__name__)
        return False
    return True
