from pathlib import Path

from shared.clock import SettableClock
from sync_server.audit.proofs import proof_holds, prove
from sync_server.audit.rules import Log
from sync_server.audit.sealing import open_sealer
from sync_server.kit.database import Database
from sync_server.migrations.runner import migrate
from tests.factories.audit import World
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on


async def test_a_row_is_recorded_sealed_and_proved_on_each_version_of_postgresql(
    empty_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> None:
    await migrate(empty_database.administrator_url)
    database = Database(empty_database.login_url)
    services = services_on(database, clock, tmp_path)
    async with connected(empty_database.administrator_url) as administrator:
        sealer = open_sealer(services)
        world = World(services, sealer, administrator, await make_tenant(services))
        await world.begin_anew()
        await world.sealed_action()
        (row_id,) = await world.row_ids()
        proof = await prove(services, sealer.keys, Log.ACTIONS, row_id)
        findings = await world.findings()
    await database.close()
    key = sealer.keys.audit_key.public_key().public_bytes_raw()
    assert proof_holds(proof.model_dump(), key)
    assert findings == []
