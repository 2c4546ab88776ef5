"""One process serves five hundred listeners, and holds no connection to the database for them."""

import asyncio

from sqlalchemy.pool import QueuePool

from sync_server.kit.outbox import Message
from sync_server.organizers.rules import Capability
from tests.factories.listening import Ear, join
from tests.integration.realtime.conftest import Hall
from tests.integration.realtime.stage import Stage

PEOPLE, STREAMS_EACH = 10, 50
AT_ONCE = 25


async def test_five_hundred_listeners_all_hear_it(hall: Hall, stage: Stage) -> None:
    pool = hall.services.database.engine.pool
    assert isinstance(pool, QueuePool)
    people = [await stage.member(Capability.SCANS_VIEW) for _ in range(PEOPLE)]
    name = stage.channel("gates")
    ears: list[Ear] = []
    for person in people:
        for _ in range(0, STREAMS_EACH, AT_ONCE):
            joining = (join(hall.address, person.token, [name]) for _ in range(AT_ONCE))
            ears += await asyncio.gather(*joining)
    greetings = await asyncio.gather(*(ear.event() for ear in ears))
    await hall.until(lambda: not any(it.in_doubt for it in hall.realtime.switchboard.streams))
    await hall.until(lambda: pool.checkedout() == 0)
    await hall.tell(Message("test.news", stage.tenant.organizer_id, (name,), {"number": 1}))
    heard = await asyncio.gather(*(ear.event() for ear in ears))
    await asyncio.gather(*(ear.close() for ear in ears))
    assert {item.name for item in greetings} == {"listening"}
    assert [item.data["number"] for item in heard] == [1] * PEOPLE * STREAMS_EACH
    assert pool.checkedin() + pool.checkedout() <= pool.size() == 5


async def test_listeners_leave_nothing_behind(hall: Hall, stage: Stage) -> None:
    ears = [
        await join(hall.address, stage.tenant.founder.token, [stage.channel("gates"), "me"])
        for _ in range(5)
    ]
    await hall.until(lambda: len(hall.realtime.switchboard.streams) == 5)
    await asyncio.gather(*(ear.close() for ear in ears))
    await hall.empty()
    switchboard = hall.realtime.switchboard
    assert (switchboard._listening, switchboard._hanging, switchboard._callers) == ({}, {}, {})
