"""A log with rows, sealed when a test wants it."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.audit import service
from sync_server.audit.blocks import SealedBlock
from sync_server.audit.inspection import inspect
from sync_server.audit.rules import Action, Log, Subject
from sync_server.audit.sealing import Sealer, seal
from sync_server.kit.services import Services
from tests.factories.tenants import Tenant

_WAITING_SECONDS_MAX = 20.0
_BETWEEN_LOOKS_SECONDS = 0.02
ALL_BELOW_HORIZON = """
    SELECT NOT EXISTS (
        SELECT FROM admin_action_log
        WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
"""


def action(tenant: Tenant, **particulars: Any) -> Action:  # noqa: ANN401 - fields of an Action
    values = {"kind": "device.state", "after": {"state": "revoked"}, **particulars}
    return Action(subject=Subject("device", "kiosk", tenant.organizer_id), **values)


async def act(services: Services, tenant: Tenant, **particulars: Any) -> None:  # noqa: ANN401
    """Record one action of the tenant's founder."""
    async with services.database.transaction(tenant.claims) as session:
        await service.record_action(session, services, action(tenant, **particulars))


@dataclass(frozen=True, slots=True)
class World:
    services: Services
    sealer: Sealer
    administrator: AsyncConnection
    tenant: Tenant

    async def act(self, **particulars: Any) -> None:  # noqa: ANN401
        await act(self.services, self.tenant, **particulars)

    async def sealed_action(self, **particulars: Any) -> SealedBlock:  # noqa: ANN401
        """Record one action and seal all there is, when no transaction of any database is older."""
        await self.act(**particulars)
        await self.until(ALL_BELOW_HORIZON)
        block = await seal(self.sealer, Log.ACTIONS)
        assert block is not None
        return block

    def anchored(self) -> list[SealedBlock]:
        """What stands in the second place, but for lines that are no blocks."""
        read = self.sealer.anchors.read(Log.ACTIONS)
        return [block for block in read if isinstance(block, SealedBlock)]

    async def until(self, question: str) -> None:
        """Wait until the database answers with true."""
        async with asyncio.timeout(_WAITING_SECONDS_MAX):
            while True:
                if await self.administrator.scalar(text(question)):
                    return
                await asyncio.sleep(_BETWEEN_LOOKS_SECONDS)

    async def row_ids(self, log: Log = Log.ACTIONS) -> list[UUID]:
        found = await self.administrator.scalars(text(f"SELECT id FROM {log} ORDER BY xid, id"))
        return list(found)

    async def rows(self, log: Log) -> list[Any]:
        query = text(f"SELECT * FROM {log} ORDER BY xid, id")
        return list((await self.administrator.execute(query)).mappings())

    async def tamper(self, table: str, statement: str, **values: Any) -> None:  # noqa: ANN401
        """Do as somebody would who may do everything to the database."""
        run = self.administrator.execute
        await run(text(f"ALTER TABLE {table} DISABLE TRIGGER refuse_change"))
        await run(text(statement), values)
        await run(text(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER refuse_change"))

    async def findings(self, log: Log = Log.ACTIONS) -> list[str]:
        inspected = await inspect(self.sealer, log)
        return [str(finding).removeprefix(f"{log}: ") for finding in inspected.findings]
