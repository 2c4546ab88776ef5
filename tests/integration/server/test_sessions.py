import contextlib
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import text

from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.instants import instant
from sync_server.kit.outbox import OutboxReader
from sync_server.kit.prepared import PreparedStatement, insertion
from tests.plugins.postgres import ClonedDatabase

_ONE = PreparedStatement(text("SELECT 1 AS one"))


async def test_a_commit_half_way_gives_the_connection_back(cloned_database: ClonedDatabase) -> None:
    single = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    added = _reader()
    async with single.transaction(WORKER) as session:
        session.add(OutboxReader(**added))
        await session.commit()
        async with single.reading(WORKER) as other:
            assert await other.get(OutboxReader, added["name"]) is not None
    await single.close()


async def test_what_was_only_added_is_written_at_the_end(database: Database) -> None:
    added = _reader()
    async with database.transaction(WORKER) as session:
        session.add(OutboxReader(**added))
    async with database.reading(WORKER) as session:
        assert await session.get(OutboxReader, added["name"]) is not None


@pytest.mark.parametrize("ends_well", [True, False])
@pytest.mark.parametrize("statement_first", [True, False])
async def test_what_goes_past_the_session_and_what_goes_through_it_ends_together(
    database: Database, *, statement_first: bool, ends_well: bool
) -> None:
    past, through = _reader(), _reader()
    with contextlib.nullcontext() if ends_well else pytest.raises(RuntimeError):
        async with database.transaction(WORKER) as session:
            if statement_first:
                await _ONE.rows(session, {})
            session.add(OutboxReader(**through))
            await session.flush()
            await insertion(OutboxReader, tuple(past)).rows(session, past)
            if not ends_well:
                message = "half-way"
                raise RuntimeError(message)
    async with database.reading(WORKER) as session:
        found = [await session.get(OutboxReader, each["name"]) for each in (past, through)]
    assert [reader is not None for reader in found] == [ends_well] * 2


def _reader() -> dict[str, Any]:
    return {"name": token_hex(8), "xid": 0, "id": 0, "moved_at": instant(0)}
