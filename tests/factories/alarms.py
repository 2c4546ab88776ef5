"""What is wrong with a server now, as its admins are told."""

from typing import Any

from sqlalchemy import text

from sync_server.kit.claims import WORKER
from sync_server.kit.services import Services

_OPEN = text("SELECT subject, detail FROM alarms WHERE kind = :kind AND cleared_at IS NULL")


async def open_alarms(services: Services, kind: str) -> dict[str, dict[str, Any]]:
    """The detail of each open alarm of a kind, by its subject."""
    async with services.database.reading(WORKER) as session:
        found = await session.execute(_OPEN, {"kind": kind})
        return {row.subject: row.detail for row in found}
