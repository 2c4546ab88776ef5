"""A log with rows, sealed when a test wants it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.audit import service
from sync_server.audit.blocks import SealedBlock
from sync_server.audit.inspection import inspect
from sync_server.audit.rules import Access, AccessKind, Action, Log, Subject
from sync_server.audit.sealing import Sealer, open_sealer, seal
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from tests.factories.tenants import Tenant, make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on

_WAITING_SECONDS_MAX = 20.0
_BETWEEN_LOOKS_SECONDS = 0.02
_BELOW_HORIZON = """
    SELECT NOT EXISTS (
        SELECT FROM {}
        WHERE xid >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
"""
ALL_BELOW_HORIZON = _BELOW_HORIZON.format(Log.ACTIONS)


def action(tenant: Tenant, **particulars: Any) -> Action:  # noqa: ANN401 - fields of an Action
    values = {"kind": "device.state", "after": {"state": "revoked"}, **particulars}
    return Action(subject=Subject("device", "kiosk", tenant.organizer_id), **values)


async def rows_about(
    administrator: AsyncConnection, log: Log, object_id: object
) -> list[dict[str, Any]]:
    """Read all that a log says of one thing, oldest first, as nobody but the operator can."""
    query = text(f"SELECT * FROM {log} WHERE object_id = :id ORDER BY xid, id")
    found = await administrator.execute(query, {"id": str(object_id)})
    return [dict(row) for row in found.mappings()]


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

    async def sealed_row(self, log: Log) -> None:
        """Record one row of a log and seal it."""
        done = action(self.tenant)
        seen = Access(AccessKind.READ, done.subject)
        async with self.services.database.transaction(self.tenant.claims) as session:
            await {
                Log.ACTIONS: partial(service.record_action, session, self.services, done),
                Log.ACCESSES: partial(service.record_access, session, self.services, seen),
            }[log]()
        await self.until(_BELOW_HORIZON.format(log))
        assert await seal(self.sealer, log) is not None

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

    async def another_tenant(self) -> Tenant:
        """Make one that leaves no rows either."""
        tenant = await make_tenant(self.services, "Lake Sounds")
        await self.begin_anew()
        return tenant

    async def begin_anew(self) -> None:
        """Empty the logs, so that a test finds its own rows alone."""
        for log in Log:
            await self.tamper(log, f"DELETE FROM {log}")

    async def findings(self, log: Log = Log.ACTIONS) -> list[str]:
        inspected = await inspect(self.sealer, log)
        return [str(finding).removeprefix(f"{log}: ") for finding in inspected.findings]


@asynccontextmanager
async def opened_world(
    clone: ClonedDatabase, clock: SettableClock, folder: Path
) -> AsyncIterator[World]:
    """A tenant alone in a database, since a log is one for all tenants."""
    database = Database(clone.login_url)
    services = services_on(database, clock, folder)
    async with connected(clone.administrator_url) as administrator:
        tenant = await make_tenant(services)
        world = World(services, open_sealer(services), administrator, tenant)
        await world.begin_anew()
        yield world
    await database.close()
