from collections.abc import Awaitable, Callable
from secrets import token_hex
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

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


async def _look(session: AsyncSession) -> None:
    await _ONE.rows(session, {})


async def _do_nothing(_session: AsyncSession) -> None: ...


@pytest.mark.parametrize("first", [_look, _do_nothing])
async def test_what_goes_past_the_session_and_what_goes_through_it_is_committed_together(
    database: Database, first: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    past, through = _reader(), _reader()
    async with database.transaction(WORKER) as session:
        await first(session)
        await _write(session, past, through)
    assert await _kept(database, past, through) == [True, True]


@pytest.mark.parametrize("first", [_look, _do_nothing])
async def test_what_goes_past_the_session_and_what_goes_through_it_is_undone_together(
    database: Database, first: Callable[[AsyncSession], Awaitable[None]]
) -> None:
    past, through = _reader(), _reader()
    with pytest.raises(RuntimeError):
        await _write_and_fail(database, first, past, through)
    assert await _kept(database, past, through) == [False, False]


async def _write_and_fail(
    database: Database,
    first: Callable[[AsyncSession], Awaitable[None]],
    past: dict[str, Any],
    through: dict[str, Any],
) -> None:
    async with database.transaction(WORKER) as session:
        await first(session)
        await _write(session, past, through)
        message = "half-way"
        raise RuntimeError(message)


async def _write(session: AsyncSession, past: dict[str, Any], through: dict[str, Any]) -> None:
    session.add(OutboxReader(**through))
    await session.flush()
    await insertion(OutboxReader, tuple(past)).rows(session, past)


async def _kept(database: Database, *readers: dict[str, Any]) -> list[bool]:
    async with database.reading(WORKER) as session:
        found = [await session.get(OutboxReader, each["name"]) for each in readers]
    return [each is not None for each in found]


def _reader() -> dict[str, Any]:
    return {"name": token_hex(8), "xid": 0, "id": 0, "moved_at": instant(0)}
