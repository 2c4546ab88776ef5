"""A server that is stopped as planned while kiosks listen."""

import contextlib
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from shared.clock import SettableClock
from shared.ids import EventId
from shared.wire import paths
from sync_server.kit.database import Database
from sync_server.kit.keys import KeySealer, MasterKey
from sync_server.kit.services import Services
from tests.factories.scanners import make_door
from tests.factories.server_process import MASTER_KEY, a_server_process
from tests.factories.tenants import Tenant
from tests.plugins.postgres import ClonedDatabase, services_on


@pytest.fixture
def services(database: Database, clock: SettableClock, tmp_path: Path) -> Services:
    """Under the master key of the process."""
    sealer = KeySealer((MasterKey(MASTER_KEY),))
    return replace(services_on(database, clock, tmp_path), key_sealer=sealer)


async def test_kiosks_are_let_go_and_nothing_is_complained_of(
    cloned_database: ClonedDatabase, tenant: Tenant, event_id: EventId, tmp_path: Path
) -> None:
    async with (
        a_server_process(cloned_database, tmp_path) as server,
        httpx.AsyncClient(base_url=server.address) as client,
        contextlib.AsyncExitStack() as listening,
    ):
        door = await make_door(client, tenant, event_id)
        streams = []
        for _ in range(2):
            kiosk = await door.kiosk()
            await kiosk.get(paths.MANIFEST)
            streams.append(await listening.enter_async_context(kiosk.listening()))
        for lines in streams:
            await anext(lines)
        said = await server.stop()
        assert "Traceback" not in said
        assert "shutdown exceeded" not in said
        rests = [[line async for line in lines] for lines in streams]
    assert {line for rest in rests for line in rest} <= {"", ": alive"}
