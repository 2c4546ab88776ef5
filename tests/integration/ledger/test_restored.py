"""Books that were dumped in a cluster which had counted further, and restored in this one."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.ids import EventId
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database, sqlstate
from sync_server.kit.instants import unix_ms
from sync_server.kit.services import Services
from sync_server.ledger import postings
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import Sale
from sync_server.migrations import roles
from sync_server.payouts.releases import release_due
from tests.factories.horizon import settled
from tests.factories.ledger import a_sale, balances, post
from tests.factories.tenants import BASE_TIME, Tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on

_FURTHER = 20_000
"""More numbers than restoring takes."""
_APPEND_ONLY = ("finance_txns", "finance_entries")


@pytest.fixture
async def restored(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    cloned_database: ClonedDatabase,
    administrator: AsyncConnection,
    clock: SettableClock,
    tmp_path: Path,
) -> AsyncIterator[Services]:
    """A server on what was restored: one sale, which stands in a checkpoint."""
    await _sell(services, tenant, event_id, "before")
    await settled(administrator)
    await ledger.make_checkpoints(services)
    await _count_further(administrator)
    place = ClonedDatabase(cloned_database.cluster, f"{cloned_database.name}_restored")
    await administrator.execute(text(f"CREATE DATABASE {place.name}"))
    binaries = Path(await administrator.scalar(text(_BINARIES)))
    await asyncio.to_thread(_restore, binaries, cloned_database, place)
    async with connected(place.administrator_url) as connection:
        await connection.run_sync(roles.ensure_roles)
    database = Database(place.login_url)
    yield services_on(database, clock, tmp_path)
    await database.close()
    await administrator.execute(text(f"DROP DATABASE {place.name} WITH (FORCE)"))


_BINARIES = "SELECT setting FROM pg_config WHERE name = 'BINDIR'"


async def _count_further(administrator: AsyncConnection) -> None:
    """Have the books be of a cluster whose numbers this one has yet to count."""
    for table in _APPEND_ONLY:
        for statement in (
            f"ALTER TABLE {table} DISABLE TRIGGER refuse_change",
            f"UPDATE {table} SET xid = xid + {_FURTHER}",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER refuse_change",
        ):
            await administrator.execute(text(statement))
    further = f"UPDATE finance_checkpoints SET below_xid = below_xid + {_FURTHER}"
    await administrator.execute(text(further))


def _restore(binaries: Path, source: ClonedDatabase, place: ClonedDatabase) -> None:
    def url(database: ClonedDatabase) -> str:
        plain = make_url(database.administrator_url).set(drivername="postgresql")
        return plain.render_as_string(hide_password=False)

    dump = [str(binaries / "pg_dump"), url(source)]
    psql = [str(binaries / "psql"), "-q", "-v", "ON_ERROR_STOP=1", url(place)]
    dumped = subprocess.run(dump, check=True, capture_output=True).stdout
    subprocess.run(psql, check=True, capture_output=True, input=dumped)


async def _sell(services: Services, tenant: Tenant, event_id: EventId, reference: str) -> None:
    sale = Sale("mtn", reference, event_id, a_sale(reference).shares)
    await post(services, tenant, postings.capture(sale))


async def _checkpoints(services: Services) -> int:
    async with services.database.reading(WORKER) as session:
        query = text("SELECT count(*) FROM finance_checkpoints")
        return int(await session.scalar(query) or 0)


async def _agree(services: Services, tenant: Tenant) -> bool:
    """Whether balances are what their entries add up to."""
    async with services.database.reading(WORKER) as session:
        entries = await ledger.trial_balance(session, tenant.organizer_id)
        assert await ledger.find_drift(session) == []
    return await balances(services, tenant) == entries["UGX"]


async def test_a_release_of_restored_books_releases_once(
    restored: Services, tenant: Tenant, event_id: EventId, clock: SettableClock
) -> None:
    await _sell(restored, tenant, event_id, "after")
    clock.advance(unix_ms(BASE_TIME + timedelta(days=30)) - clock.now_ms())
    assert [await release_due(restored) for _ in range(3)] == [1, 0, 0]
    found = await balances(restored, tenant)
    assert found["organizer_available"] == -2 * 94_100
    assert found[f"organizer_pending:{event_id}"] == 0


async def test_what_was_restored_is_counted_once_while_the_cluster_catches_up(
    restored: Services, tenant: Tenant, event_id: EventId, administrator: AsyncConnection
) -> None:
    seen = []
    for number in range(8):
        await _sell(restored, tenant, event_id, f"before {number}")
        agreed = [await _agree(restored, tenant)]
        await _burn(administrator, _FURTHER // 4)
        await settled(administrator)
        await ledger.make_checkpoints(restored)
        await _sell(restored, tenant, event_id, f"after {number}")
        seen.append([*agreed, await _agree(restored, tenant)])
    assert seen == [[True, True]] * 8
    found = await balances(restored, tenant)
    assert found[f"organizer_pending:{event_id}"] == -17 * 94_100
    assert await _caught_up(restored)


async def _burn(administrator: AsyncConnection, count: int) -> None:
    await administrator.execute(
        text(
            f"DO $$ BEGIN FOR number IN 1..{count} LOOP"
            " PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$"
        )
    )


async def _caught_up(services: Services) -> bool:
    async with services.database.reading(WORKER) as session:
        query = "SELECT max(below_xid) > (SELECT max(xid) FROM finance_entries WHERE txn_id ="
        query += " (SELECT id FROM finance_txns WHERE idem_key = 'capture:mtn:before'))"
        return bool(await session.scalar(text(f"{query} FROM finance_checkpoints")))


async def test_checkpoints_of_elsewhere_are_seen_by_nobody(
    restored: Services, services: Services, administrator: AsyncConnection
) -> None:
    """Where they were made they count, once its cluster has got there."""
    assert (await _checkpoints(services), await _checkpoints(restored)) == (0, 0)
    await _burn(administrator, _FURTHER)
    assert (await _checkpoints(services) > 0, await _checkpoints(restored)) == (True, 0)


@pytest.mark.parametrize("changes", ["numbering = '1:1'", "below_xid = below_xid + 1000000"])
async def test_the_worker_makes_no_checkpoint_of_elsewhere_or_of_the_future(
    services: Services,
    tenant: Tenant,
    event_id: EventId,
    administrator: AsyncConnection,
    changes: str,
) -> None:
    await _sell(services, tenant, event_id, "before")
    await settled(administrator)
    await ledger.make_checkpoints(services)
    column, _, value = changes.partition(" = ")
    shown = {name: name for name in _COLUMNS} | {"currency": "'KES'", column: value}
    query = f"INSERT INTO finance_checkpoints ({', '.join(shown)})"
    query += f" SELECT {', '.join(shown.values())} FROM finance_checkpoints"
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(WORKER) as session:
            await session.execute(text(query))
    assert sqlstate(refused.value.orig) == "42501"


_COLUMNS = (
    "organizer_id",
    "account",
    "currency",
    "numbering",
    "below_xid",
    "balance",
    "entries",
    "made_at",
)
