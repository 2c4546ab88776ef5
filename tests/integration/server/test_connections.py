"""A connection goes back to its pool as it came, however its transaction ended."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import ANONYMOUS, WORKER
from sync_server.kit.database import Database, DatabaseLimits
from tests.plugins.postgres import ClonedDatabase, connected


@pytest.mark.parametrize(
    ("setting", "left_behind"),
    [
        ("zeraket.token", "left behind"),
        ("zeraket.request_id", "left behind"),
        ("search_path", "pg_catalog"),
        ("row_security", "off"),
        ("statement_timeout", "0"),
        ("default_transaction_read_only", "on"),
        ("default_transaction_isolation", "serializable"),
        ("TimeZone", "Africa/Kampala"),
    ],
)
async def test_what_a_statement_set_for_the_session_ends_with_its_transaction(
    cloned_database: ClonedDatabase, setting: str, left_behind: str
) -> None:
    single = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    shown = text("SELECT coalesce(current_setting(:name, true), '')")
    change = text("SELECT set_config(:name, :value, false)")
    async with single.transaction(ANONYMOUS) as session:
        await session.execute(change, {"name": setting, "value": left_behind})
    async with single.engine.connect() as connection:
        assert await connection.scalar(shown, {"name": setting}) != left_behind
    await single.close()


async def test_what_a_statement_set_for_the_session_ends_with_a_commit_that_fails(
    spare_database: ClonedDatabase,
) -> None:
    async with connected(spare_database.administrator_url) as administrator:
        for statement in (
            "CREATE TABLE told_late (id int UNIQUE DEFERRABLE INITIALLY DEFERRED)",
            "GRANT INSERT ON told_late TO zeraket_worker",
        ):
            await administrator.execute(text(statement))
    single = Database(spare_database.login_url, DatabaseLimits(connections_max=1))
    with pytest.raises(IntegrityError):
        await _set_and_break_a_promise(single)
    async with single.reading(WORKER) as session:
        assert await session.scalar(text("SHOW TimeZone")) == "UTC"
    await single.close()


async def _set_and_break_a_promise(database: Database) -> None:
    async with database.transaction(WORKER) as session:
        await session.execute(text("SET TimeZone = 'Africa/Kampala'"))
        await session.execute(text("INSERT INTO told_late VALUES (1), (1)"))


async def test_a_lock_for_the_session_ends_with_its_transaction(
    cloned_database: ClonedDatabase, administrator: AsyncConnection
) -> None:
    single = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    held = text(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 424242"
        " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
    )
    async with single.transaction(ANONYMOUS) as session:
        await session.execute(text("SELECT pg_advisory_lock(424242)"))
        assert await administrator.scalar(held) == 1
    assert await administrator.scalar(held) == 0
    await single.close()
