"""The tasks behind the streams: they come back when the database does, rest when nobody listens,
and leave nobody waiting for them when they fail.
"""

import asyncio
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.outbox import Message
from sync_server.realtime.service import Joining
from sync_server.realtime.streams import StreamLimits
from tests.factories.listening import listening
from tests.factories.server_process import a_server_process
from tests.integration.realtime.conftest import Hall, OpenHall
from tests.integration.realtime.stage import Stage
from tests.plugins.postgres import ClonedDatabase

_CUT = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE usename = 'zeraket_login' AND datname = current_database()
"""


async def test_a_database_that_was_away_is_followed_on(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    name = stage.channel("sales")
    async with listening(hall.address, stage.tenant.founder.token, name) as ear:
        (stream,) = hall.realtime.switchboard.streams
        await hall.until(lambda: not stream.in_doubt)
        stream.in_doubt = True
        await administrator.execute(text(_CUT))
        await hall.until(lambda: not stream.in_doubt)
        insert = "INSERT INTO outbox (kind, channels, payload) VALUES ('test.news', :to, '{}')"
        await administrator.execute(text(insert), {"to": [name]})
        assert (await ear.event()).name == "test.news"


async def test_nothing_runs_while_nobody_listens(hall: Hall, stage: Stage) -> None:
    token, name = stage.tenant.founder.token, stage.channel("sales")
    async with listening(hall.address, token, name):
        assert [task.done() for task in hall.realtime._tasks.values()] == [False, False]
    await hall.empty()
    assert [task.done() for task in hall.realtime._tasks.values()] == [True, True]
    await hall.tell(Message("test.unheard", None, (name,)))
    async with listening(hall.address, token, name) as ear:
        await hall.tell(Message("test.heard", None, (name,)))
        assert (await ear.event()).name == "test.heard"


async def test_a_fault_of_ours_sends_listeners_to_a_new_start(hall: Hall, stage: Stage) -> None:
    """Something among the listeners that is none stands for any bug of the tailer."""
    token, name, broken = stage.tenant.founder.token, stage.channel("sales"), "test:broken"
    async with listening(hall.address, token, name) as ear:
        await hall.tell(Message("test.news", None, (name,)))
        assert (await ear.event()).name == "test.news"
        hall.realtime.switchboard._listening[broken] = {object()}  # type: ignore[arg-type]
        await hall.tell(Message("test.news", None, (broken,)))
        (last,) = await ear.rest()
    assert (last.name, last.data) == ("resync", {"reason": "interrupted"})
    del hall.realtime.switchboard._listening[broken]
    (failed,) = [task for task in hall.realtime._tasks.values() if _failed(task)]
    hall.realtime._tasks = {
        place: task for place, task in hall.realtime._tasks.items() if task is not failed
    }
    async with listening(hall.address, token, name, last_event_id=last.id) as again:
        await hall.tell(Message("test.later", None, (name,)))
        assert (await again.event()).name == "test.later"


def _failed(task: asyncio.Task[None]) -> bool:
    return task.done() and task.exception() is not None


async def test_a_server_that_stops_ends_its_streams_and_they_go_on_elsewhere(
    hall: Hall, open_hall: OpenHall, stage: Stage
) -> None:
    token, name = stage.tenant.founder.token, stage.channel("sales")
    async with listening(hall.address, token, name) as ear:
        await hall.tell(Message("test.first", None, (name,)))
        assert (await ear.event()).name == "test.first"
        hall.realtime.stop()
        assert await ear.rest() == []
    await hall.tell(Message("test.second", None, (name,)))
    other = await open_hall(StreamLimits())
    place = ear.last_event_id
    async with listening(other.address, token, name, last_event_id=place) as again:
        assert (await again.event()).name == "test.second"


async def test_listeners_of_one_channel_share_what_is_written_once(
    hall: Hall, stage: Stage
) -> None:
    name = stage.channel("sales")
    joining = Joining(stage.tenant.claims, [name])
    first, second = await hall.realtime.join(joining), await hall.realtime.join(joining)
    await hall.tell(Message("test.news", None, (name,)))
    await hall.until(lambda: bool(first._waiting and second._waiting))
    assert first._waiting[0][1] is second._waiting[0][1]
    for stream in (first, second):
        hall.realtime.leave(stream)
    await asyncio.wait_for(hall.realtime.rest(), 20)


async def test_a_stopped_process_lets_its_listeners_go_at_once(
    stage: Stage, cloned_database: ClonedDatabase, tmp_path: Path
) -> None:
    async with a_server_process(cloned_database, tmp_path) as server:
        token, name = stage.tenant.founder.token, stage.channel("sales")
        async with listening(server.address, token, name) as ear:
            said = await server.stop()
            assert await ear.rest() == []
    assert "Traceback" not in said
    assert "shutdown exceeded" not in said
