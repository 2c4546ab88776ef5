import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import bindparam, event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from sync_server.kit.claims import ANONYMOUS, WORKER
from sync_server.kit.database import Database, DatabaseLimits, sqlstate, violated_constraint
from sync_server.kit.instants import instant
from sync_server.kit.outbox import OutboxReader
from sync_server.kit.prepared import PreparedStatement, change_of, entity, insertion
from sync_server.organizers.models import Organizer
from tests.factories.tenants import Tenant
from tests.plugins.postgres import ClonedDatabase

_SUM = PreparedStatement(text("SELECT CAST(:left AS bigint) + :right AS total"))
_ORGANIZER = PreparedStatement(select(Organizer).where(Organizer.id == bindparam("id")))
_READER = PreparedStatement(select(OutboxReader).where(OutboxReader.name == bindparam("name")))
_BACKEND = PreparedStatement(text("SELECT pg_backend_pid() AS pid"))
_WHO = PreparedStatement(text("SELECT current_user AS role"))
_SLEEP = PreparedStatement(text("SELECT pg_sleep(:seconds)"))


async def _sum(session: AsyncSession, right: int, left: int) -> int | None:
    row = await _SUM.row(session, {"right": right, "left": left})
    return None if row is None else row["total"]


@pytest.fixture
async def single(cloned_database: ClonedDatabase) -> AsyncIterator[Database]:
    """One connection for everything, so that what is wrong with it shows at the next use."""
    opened = Database(cloned_database.login_url, DatabaseLimits(connections_max=1))
    yield opened
    await opened.close()


async def test_values_find_their_places_by_name(single: Database) -> None:
    async with single.reading(WORKER) as session:
        assert await _sum(session, 2, 40) == 42
        with pytest.raises(KeyError):
            await _SUM.row(session, {"left": 40})


async def test_a_statement_keeps_the_values_it_was_written_with(single: Database) -> None:
    numbers = select(func.generate_series(1, 9).label("number")).limit(bindparam("most"))
    async with single.reading(WORKER) as session:
        rows = await PreparedStatement(numbers).rows(session, {"most": 3})
    assert [row["number"] for row in rows] == [1, 2, 3]


def test_a_list_of_parameters_is_refused() -> None:
    several = select(Organizer).where(Organizer.id.in_(bindparam("ids", expanding=True)))
    with pytest.raises(ValueError, match="list of parameters"):
        _ = PreparedStatement(several).sql


async def test_a_row_becomes_an_object_that_no_session_knows(
    single: Database, tenant: Tenant
) -> None:
    async with single.transaction(WORKER) as session:
        row = await _ORGANIZER.row(session, {"id": tenant.organizer_id})
        assert row is not None
        organizer = entity(Organizer, row)
        organizer.name = "never written"
        assert organizer not in session
    async with single.reading(WORKER) as session:
        kept = await session.get(Organizer, tenant.organizer_id)
    assert kept is not None
    assert kept.name != organizer.name
    assert (kept.id, kept.created_at) == (organizer.id, organizer.created_at)


async def test_rows_are_added_and_changed(single: Database) -> None:
    rows = [_reader(f"reader {number}") for number in range(2)]
    names = [row["name"] for row in rows]
    async with single.transaction(WORKER) as session, session.begin_nested() as savepoint:
        await insertion(OutboxReader, tuple(rows[0])).send_all(session, rows)
        await change_of(OutboxReader, ("id",)).rows(session, {"row_name": names[0], "id": 9})
        found = [await _READER.row(session, {"name": name}) for name in names]
        await savepoint.rollback()
    assert [row and row["id"] for row in found] == [9, 0]


async def test_a_row_is_changed_only_while_it_is_what_was_seen(single: Database) -> None:
    change = change_of(OutboxReader, ("id",), seen=("xid", "id"))
    asked = {"row_name": "seen", "seen_xid": 0, "seen_id": 0}
    async with single.transaction(WORKER) as session, session.begin_nested() as savepoint:
        await insertion(OutboxReader, ("name", "xid", "id", "moved_at")).rows(
            session, _reader("seen")
        )
        given = [len(await change.rows(session, {**asked, "id": number})) for number in (7, 8)]
        kept = await _READER.row(session, {"name": "seen"})
        await savepoint.rollback()
    assert (given, kept and kept["id"]) == ([1, 0], 7)


async def test_what_is_refused_is_raised_in_sqlalchemys_words(single: Database) -> None:
    same = [_reader("twice")] * 2
    with pytest.raises(IntegrityError) as refused:
        await _add_one_by_one(single, same)
    assert violated_constraint(refused.value) == "pk_outbox_readers"
    with pytest.raises(IntegrityError) as refused:
        await _add(single, same)
    assert sqlstate(refused.value.orig) == "23505"
    assert "twice" not in str(refused.value)


def _reader(name: str) -> dict[str, Any]:
    return {"name": name, "xid": 0, "id": 0, "moved_at": instant(0)}


async def _add(database: Database, rows: list[dict[str, Any]]) -> None:
    async with database.transaction(WORKER) as session:
        await insertion(OutboxReader, tuple(rows[0])).send_all(session, rows)


async def _add_one_by_one(database: Database, rows: list[dict[str, Any]]) -> None:
    async with database.transaction(WORKER) as session:
        for row in rows:
            await insertion(OutboxReader, tuple(row)).send_all(session, [row])


async def test_those_who_follow_statements_hear_of_it(single: Database) -> None:
    heard: list[str] = []
    engine = single.worker_engine.sync_engine
    event.listen(engine, "before_cursor_execute", lambda _, __, sql, *___: heard.append(sql))
    event.listen(engine, "after_cursor_execute", lambda *_: heard.append("done"))
    event.listen(engine, "handle_error", lambda context: heard.append(str(context.statement)))
    async with single.reading(WORKER) as session:
        _begun = await session.connection()
        heard.clear()
        await _SUM.rows(session, {"left": 1, "right": 1})
        with pytest.raises(DBAPIError):
            await _SUM.rows(session, {"left": 2**63 - 1, "right": 1})
    assert heard == [_SUM.sql, "done", _SUM.sql, _SUM.sql]


async def test_a_lost_connection_is_not_handed_out_again(
    single: Database, administrator: AsyncConnection
) -> None:
    with pytest.raises(DBAPIError) as lost:
        await _lose_connection(single, administrator)
    assert lost.value.connection_invalidated
    async with single.reading(WORKER) as session:
        assert await _sum(session, 1, 1) == 2


async def _lose_connection(database: Database, administrator: AsyncConnection) -> None:
    async with database.reading(WORKER) as session:
        row = await _BACKEND.row(session, {})
        assert row is not None
        await administrator.execute(text("SELECT pg_terminate_backend(:pid)"), dict(row))
        await _SLEEP.rows(session, {"seconds": 20})


async def test_whoever_is_cancelled_leaves_a_pool_that_works(single: Database) -> None:
    async def wait() -> None:
        async with single.reading(WORKER) as session:
            await _SLEEP.rows(session, {"seconds": 20})

    waiting = asyncio.create_task(wait())
    await asyncio.sleep(0.2)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with single.reading(WORKER) as session:
        assert await _sum(session, 1, 1) == 2


async def test_each_transaction_has_its_own_claims_in_a_savepoint_too(single: Database) -> None:
    for claims in (WORKER, ANONYMOUS):
        async with single.transaction(claims) as session:
            roles = [await _role(session)]
            async with session.begin_nested():
                roles.append(await _role(session))
            roles.append(await _role(session))
        assert set(roles) == {claims.role.value}


async def _role(session: AsyncSession) -> str | None:
    row = await _WHO.row(session, {})
    return None if row is None else row["role"]
