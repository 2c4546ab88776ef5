"""When a server began and ended its work stands in the log it writes."""

import asyncio

from sqlalchemy import text
from structlog.testing import capture_logs

from sync_server.audit.lifetime import record_lifetime
from sync_server.audit.rules import Log
from tests.factories.audit import World

STARTED = "SELECT count(*) = 1 FROM admin_action_log WHERE kind = 'server.start'"
RECORD = "EXECUTE ON FUNCTION private.record_action(jsonb)"


async def _end(work: asyncio.Task[None]) -> None:
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)


async def test_a_server_that_starts_and_stops(world: World) -> None:
    work = asyncio.create_task(record_lifetime(world.services, revision="0017"))
    await world.until(STARTED)
    await _end(work)
    started, stopped = await world.rows(Log.ACTIONS)
    assert (started["kind"], stopped["kind"]) == ("server.start", "server.stop")
    assert {row["actor_kind"] for row in (started, stopped)} == {"worker"}
    assert started["object_id"] == stopped["object_id"]
    assert started["after"] == stopped["after"]
    assert started["after"]["revision"] == "0017"
    assert started["after"]["version"][0].isdigit()


async def test_each_process_is_told_apart(world: World) -> None:
    works = [asyncio.create_task(record_lifetime(world.services, revision="1")) for _ in range(2)]
    await world.until(STARTED.replace("= 1", "= 2"))
    for work in works:
        await _end(work)
    rows = await world.rows(Log.ACTIONS)
    assert (len(rows), len({row["object_id"] for row in rows})) == (4, 2)


async def test_a_start_is_recorded_as_soon_as_the_database_takes_it(world: World) -> None:
    await world.administrator.execute(text(f"REVOKE {RECORD} FROM zeraket_worker"))
    with capture_logs() as said:
        work = asyncio.create_task(
            record_lifetime(world.services, revision="1", retry_seconds=0.01)
        )
        async with asyncio.timeout(20):
            # Nobody else is told that it was tried.
            while not said:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await world.administrator.execute(text(f"GRANT {RECORD} TO zeraket_worker"))
        await world.until(STARTED)
    await _end(work)
    assert {(line["event"], line["kind"]) for line in said} == {
        ("audit.lifetime_unrecorded", "server.start")
    }
