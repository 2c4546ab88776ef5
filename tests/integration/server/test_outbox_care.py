"""What is kept of the outbox, who holds it, and what raises an alarm."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from shared.journal.entry import Cursor
from sync_server.kit import outbox_care
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database, sqlstate
from sync_server.kit.instants import instant
from sync_server.kit.outbox import (
    BEGINNING,
    PRUNING,
    Message,
    advance_reader,
    publish,
    read_after,
    reader_cursor,
)
from sync_server.kit.outbox_care import check_outbox, prune_outbox
from sync_server.kit.services import Services
from tests.factories.horizon import settled
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected, services_on

_AGE = "UPDATE outbox SET published_at = now() - CAST(:age AS interval) WHERE kind = :kind"
_OLD, _YOUNG = timedelta(hours=25), timedelta(hours=23)


@pytest.fixture
async def alone(
    spare_database: ClonedDatabase, clock: SettableClock, tmp_path: Path
) -> AsyncIterator[Services]:
    """A server whose outbox holds nothing but what the test writes."""
    database = Database(spare_database.login_url)
    yield services_on(database, clock, tmp_path)
    await database.close()


@pytest.fixture
async def owner(spare_database: ClonedDatabase) -> AsyncIterator[AsyncConnection]:
    async with connected(spare_database.administrator_url) as connection:
        yield connection


async def _tell(services: Services, *kinds: str) -> None:
    """Write each in a transaction of its own."""
    for kind in kinds:
        async with services.database.transaction(WORKER) as session:
            await publish(session, Message(kind))


async def _age(owner: AsyncConnection, age: timedelta, *kinds: str) -> None:
    for kind in kinds:
        await owner.execute(text(_AGE), {"age": age, "kind": kind})


async def _kinds(owner: AsyncConnection) -> list[str]:
    found = await owner.scalars(text("SELECT kind FROM outbox ORDER BY xid, id"))
    return [str(kind) for kind in found]


async def _read_on(services: Services, name: str, count: int) -> list[str]:
    """Read as a relay does: a place, some rows, the new place, in one transaction."""
    now = instant(services.clock.now_ms())
    async with services.database.transaction(WORKER) as session:
        rows = await read_after(session, await reader_cursor(session, name, now), count)
        for row in rows:
            await advance_reader(session, name, row.cursor, now)
    return [row.message.kind for row in rows]


async def test_news_is_kept_for_a_day(alone: Services, owner: AsyncConnection) -> None:
    await _tell(alone, "old", "older", "young", "new")
    await _age(owner, _OLD, "old", "older")
    await _age(owner, _YOUNG, "young")
    await settled(owner)
    assert await prune_outbox(alone) == 2
    assert await _kinds(owner) == ["young", "new"]
    assert await prune_outbox(alone) == 0


async def test_nothing_is_removed_from_the_middle(alone: Services, owner: AsyncConnection) -> None:
    """A place stands for all that comes before it."""
    await _tell(alone, "old", "young", "late")
    await _age(owner, _OLD, "old", "late")
    await _age(owner, _YOUNG, "young")
    await settled(owner)
    await prune_outbox(alone)
    assert await _kinds(owner) == ["young", "late"]


async def test_much_is_removed_in_small_pieces(alone: Services, owner: AsyncConnection) -> None:
    rows = 2 * outbox_care.ROWS_REMOVED_AT_ONCE + 1
    many = "INSERT INTO outbox (kind, channels, payload, published_at)"
    many += " SELECT 'old', '{}', '{}', now() - interval '25 hours' FROM generate_series(1, :rows)"
    await owner.execute(text(many), {"rows": rows})
    await _tell(alone, "new")
    await settled(owner)
    assert await prune_outbox(alone) == rows
    assert await _kinds(owner) == ["new"]


async def test_pruning_never_passes_a_reader(alone: Services, owner: AsyncConnection) -> None:
    await _tell(alone, "first", "second", "third")
    await _age(owner, _OLD, "first", "second", "third")
    await settled(owner)
    assert await _read_on(alone, "quick", 3) == ["first", "second", "third"]
    assert await _read_on(alone, "slow", 1) == ["first"]
    assert await prune_outbox(alone) == 1
    assert await _kinds(owner) == ["second", "third"]
    assert await _read_on(alone, "slow", 9) == ["second", "third"]
    assert await prune_outbox(alone) == 2


async def test_a_reader_begins_with_all_that_is_kept_and_reads_nothing_twice(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "before")
    await settled(owner)
    assert await _read_on(alone, "jobs", 9) == ["before"]
    assert await _read_on(alone, "jobs", 9) == []
    await _tell(alone, "after")
    await settled(owner)
    assert await _read_on(alone, "jobs", 9) == ["after"]


async def test_a_reader_whose_transaction_fails_has_not_read(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "news")
    await settled(owner)
    now = instant(alone.clock.now_ms())
    async with alone.database.transaction(WORKER) as session:
        (row,) = await read_after(session, await reader_cursor(session, "jobs", now), 9)
        await advance_reader(session, "jobs", row.cursor, now)
        await session.rollback()
    assert await _read_on(alone, "jobs", 9) == ["news"]


async def test_a_reader_never_goes_back(alone: Services) -> None:
    now = instant(alone.clock.now_ms())
    async with alone.database.transaction(WORKER) as session:
        await reader_cursor(session, "jobs", now)
        for place in (Cursor(7, 7), Cursor(7, 6), Cursor(6, 9), BEGINNING):
            await advance_reader(session, "jobs", place, now)
        assert await reader_cursor(session, "jobs", now) == Cursor(7, 7)


async def test_two_processes_read_on_one_after_the_other(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, *map(str, range(6)))
    await settled(owner)
    read = await asyncio.gather(*(_read_on(alone, "jobs", 2) for _ in range(3)))
    assert sorted(kind for kinds in read for kind in kinds) == list("012345")


async def _restore_elsewhere(owner: AsyncConnection) -> None:
    """Let all places be of a cluster that had counted much further."""
    for table in ("outbox", "outbox_readers"):
        await owner.execute(text(f"UPDATE {table} SET xid = xid + 1000000000"))


async def test_what_was_restored_elsewhere_is_read_on(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "read", "unread")
    await settled(owner)
    await _read_on(alone, "jobs", 1)
    await _read_on(alone, "quick", 2)
    await _restore_elsewhere(owner)
    assert await outbox_care.renumber_outbox(alone) == 2
    await _tell(alone, "new")
    await settled(owner)
    assert await _read_on(alone, "jobs", 9) == ["unread", "new"]
    assert await _read_on(alone, "quick", 9) == ["new"]
    assert await outbox_care.renumber_outbox(alone) == 0


async def test_what_was_written_here_before_it_was_noticed_is_read_too(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "read", "unread")
    await settled(owner)
    await _read_on(alone, "jobs", 1)
    await _restore_elsewhere(owner)
    await _tell(alone, "here")
    await asyncio.gather(*(outbox_care.renumber_outbox(alone) for _ in range(3)))
    await settled(owner)
    assert await _read_on(alone, "jobs", 9) == ["here", "read", "unread"]


async def test_a_reader_from_elsewhere_reads_on_where_nothing_else_was_restored(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "read")
    await settled(owner)
    await _read_on(alone, "jobs", 1)
    await owner.execute(text("DELETE FROM outbox"))
    await _restore_elsewhere(owner)
    await _tell(alone, "here")
    await outbox_care.renumber_outbox(alone)
    await _tell(alone, "later")
    await settled(owner)
    assert await _read_on(alone, "jobs", 9) == ["here", "later"]


async def test_what_was_written_here_keeps_its_place(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "news")
    places = text("SELECT xid, id FROM outbox")
    before = (await owner.execute(places)).all()
    assert await outbox_care.renumber_outbox(alone) == 0
    with pytest.raises(DBAPIError) as refused:
        async with alone.database.transaction(WORKER) as session:
            await session.execute(text("UPDATE outbox SET id = id + 1"))
    async with alone.database.transaction(WORKER) as session:
        await session.execute(text("UPDATE outbox SET xid = xid + 1"))
    assert sqlstate(refused.value.orig) == "42501"
    assert (await owner.execute(places)).all() == before


async def _alarms(owner: AsyncConnection) -> list[tuple[str, str, bool]]:
    query = text("SELECT kind, subject, cleared_at IS NULL AS open FROM alarms ORDER BY id")
    return [(row.kind, row.subject, row.open) for row in await owner.execute(query)]


async def test_a_stream_that_stands_still_raises_an_alarm_until_it_moves(
    alone: Services, owner: AsyncConnection
) -> None:
    stalled = (outbox_care.STALLED, "outbox")
    async with alone.database.transaction(WORKER) as forgotten:
        await publish(forgotten, Message("held"))
        await _tell(alone, "behind it")
        await check_outbox(alone)
        assert await _alarms(owner) == []
        await _age(owner, timedelta(seconds=outbox_care.STALLED_AFTER_SECONDS), "behind it")
        await check_outbox(alone)
        await check_outbox(alone)
        assert await _alarms(owner) == [(*stalled, True)]
        detail = await owner.scalar(text("SELECT detail FROM alarms"))
        assert detail is not None
        assert detail["waiting"] >= 1
        assert detail["oldest_seconds"] >= outbox_care.STALLED_AFTER_SECONDS
    await settled(owner)
    await check_outbox(alone)
    assert await _alarms(owner) == [(*stalled, False)]


async def test_a_reader_that_lags_raises_an_alarm_until_it_has_read(
    alone: Services, owner: AsyncConnection
) -> None:
    lagging = (outbox_care.READER_LAGGING, "jobs")
    await _read_on(alone, "jobs", 1)
    await _tell(alone, "first", "second")
    await settled(owner)
    await check_outbox(alone)
    assert await _alarms(owner) == []
    await _age(owner, timedelta(seconds=outbox_care.LAGGING_AFTER_SECONDS), "first", "second")
    await check_outbox(alone)
    assert await _alarms(owner) == [(*lagging, True)]
    await _read_on(alone, "jobs", 1)
    await check_outbox(alone)
    assert await _alarms(owner) == [(*lagging, True)]
    await _read_on(alone, "jobs", 1)
    await check_outbox(alone)
    assert await _alarms(owner) == [(*lagging, False)]


async def test_the_alarm_of_a_reader_that_was_given_up_is_cleared(
    alone: Services, owner: AsyncConnection
) -> None:
    await _read_on(alone, "jobs", 1)
    await _tell(alone, "news")
    await _age(owner, timedelta(hours=1), "news")
    await settled(owner)
    await check_outbox(alone)
    await owner.execute(text("DELETE FROM outbox_readers WHERE name = 'jobs'"))
    await check_outbox(alone)
    assert await _alarms(owner) == [(outbox_care.READER_LAGGING, "jobs", False)]


async def test_pruning_is_no_reader_that_could_lag(alone: Services, owner: AsyncConnection) -> None:
    await _tell(alone, "old", "young")
    await _age(owner, _OLD, "old")
    await _age(owner, _YOUNG, "young")
    await settled(owner)
    await prune_outbox(alone)
    await check_outbox(alone)
    assert list(await owner.scalars(text("SELECT name FROM outbox_readers"))) == [PRUNING]
    assert await _alarms(owner) == []


@pytest.mark.parametrize("table", ["outbox_readers", "alarms"])
async def test_nobody_but_the_worker_sees_readers_and_alarms(alone: Services, table: str) -> None:
    tenant = await make_tenant(alone)
    with pytest.raises(DBAPIError) as refused:
        async with alone.database.reading(tenant.claims) as session:
            await session.execute(text(f"SELECT 1 FROM {table}"))
    assert sqlstate(refused.value.orig) == "42501"


async def test_the_watch_looks_again_after_a_database_that_was_away(
    alone: Services, owner: AsyncConnection
) -> None:
    await _tell(alone, "old")
    await _age(owner, _OLD, "old")
    await settled(owner)
    cut = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    cut += " WHERE usename = 'zeraket_login' AND datname = current_database()"
    await owner.execute(text(cut))
    watching = asyncio.create_task(outbox_care.watch_outbox(alone, interval_seconds=0.01))
    async with asyncio.timeout(20):
        while await _kinds(owner):  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    assert watching.cancelled()
