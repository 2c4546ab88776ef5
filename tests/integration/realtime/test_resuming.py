"""Whoever comes back hears exactly what they missed; whoever cannot is told so."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.journal.entry import Cursor
from sync_server.kit.claims import WORKER
from sync_server.kit.outbox import BEGINNING, Message, publish, read_after
from sync_server.kit.outbox_care import prune_outbox
from sync_server.realtime.encoding import news
from sync_server.realtime.rules import write_place
from sync_server.realtime.service import Joining, Realtime
from sync_server.realtime.streams import StreamLimits
from tests.factories.horizon import settled
from tests.factories.listening import Ear, Heard, join, listening
from tests.integration.realtime.conftest import Hall, OpenHall
from tests.integration.realtime.stage import Stage

_MANY = 1_000_000


def _news(stage: Stage, *numbers: int, kind: str = "sales") -> list[Message]:
    name = stage.channel(kind)
    return [
        Message("test.news", stage.tenant.organizer_id, (name,), {"number": number})
        for number in numbers
    ]


async def _numbers(ear: Ear, count: int) -> list[int]:
    """What of our own is heard: what made the stage may become visible late, beside other tests."""
    heard: list[int] = []
    while len(heard) < count:
        (item,) = await ear.events(1)
        heard += [item.data["number"]] if item.name == "test.news" else []
    return heard


async def _places(hall: Hall, names: Sequence[str], kind: str = "test.news") -> list[Cursor]:
    """What the table holds of some channels, in its order."""
    async with hall.services.database.reading(WORKER) as session:
        rows = await read_after(session, BEGINNING, _MANY)
    wanted = [row for row in rows if set(row.message.channels) & set(names)]
    return [row.cursor for row in wanted if row.message.kind == kind]


async def test_a_commit_that_comes_late_is_heard_in_its_place(hall: Hall, stage: Stage) -> None:
    late, early = _news(stage, 1, 2)
    token, name = stage.tenant.founder.token, stage.channel("sales")
    async with listening(hall.address, token, name) as ear:
        async with hall.services.database.transaction(WORKER) as slow:
            await publish(slow, late)
            await hall.tell(early)
            # Nothing can be heard yet, but that the stream lives.
            block = asyncio.create_task(ear.block())
            done, _ = await asyncio.wait([block], timeout=1)
        assert done == set()
        first = await block
        assert first is not None
        assert [first.data["number"], *await _numbers(ear, 1)] == [1, 2]


async def test_what_was_missed_is_told_once_and_then_what_comes(hall: Hall, stage: Stage) -> None:
    token, name = stage.tenant.founder.token, stage.channel("sales")
    async with listening(hall.address, token, name) as ear:
        await hall.tell(*_news(stage, 1, 2))
        assert await _numbers(ear, 1) == [1]
    await hall.tell(*_news(stage, 3), *_news(stage, 0, kind="gates"), *_news(stage, 4))
    async with listening(hall.address, token, name, last_event_id=ear.last_event_id) as again:
        await hall.tell(*_news(stage, 5))
        assert await _numbers(again, 4) == [2, 3, 4, 5]


async def test_a_greeting_and_a_sign_of_life_are_places_to_come_back_to(
    open_hall: OpenHall, stage: Stage
) -> None:
    hall = await open_hall(StreamLimits(sign_of_life_seconds=0.05))
    token, name = stage.tenant.founder.token, stage.channel("sales")
    async with listening(hall.address, token, name) as ear:
        greeted = ear.last_event_id
        await hall.tell(*_news(stage, 0, kind="gates"))
        sign = await ear.block()
        assert sign is not None
        assert (sign.comment, sign.data, sign.place >= ear_place(greeted)) == ("alive", None, True)
    await hall.tell(*_news(stage, 1))
    for place in (greeted, sign.id):
        async with listening(hall.address, token, name, last_event_id=place) as again:
            assert await _numbers(again, 1) == [1]


def ear_place(text_: str | None) -> Cursor:
    return Heard(id=text_).place


async def test_a_process_that_is_behind_tells_nothing_twice(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    """The listener comes from a process that had told more."""
    behind = Realtime(stage.services)
    await behind._tailer.place()
    await hall.tell(*_news(stage, 1, 2))
    await settled(administrator)
    known, unknown = await _places(hall, [stage.channel("sales")])
    joining = Joining(stage.tenant.claims, [stage.channel("sales")], write_place(known))
    stream = await behind.join(joining)
    heard = await stream.take(20)
    behind.leave(stream)
    await behind.rest()
    (told,) = await _told(hall, unknown)
    assert (len(stream.opening), heard) == (1, told)


async def _told(hall: Hall, *places: Cursor) -> list[bytes]:
    async with hall.services.database.reading(WORKER) as session:
        rows = await read_after(session, BEGINNING, _MANY)
    return [news(row, row.message.channels) for row in rows if row.cursor in places]


async def _expect_resync(hall: Hall, stage: Stage, place: str, reason: str) -> None:
    """It is told at once, and the stream goes on from a place that is good."""
    token, name = stage.tenant.founder.token, stage.channel("sales")
    async with listening(hall.address, token, name, last_event_id=place) as ear:
        told = await ear.event()
        await hall.tell(*_news(stage, 99))
        assert (told.name, told.data) == ("resync", {"reason": reason})
        assert await _numbers(ear, 1) == [99]
    async with listening(hall.address, token, name, last_event_id=told.id) as again:
        assert await _numbers(again, 1) == [99]


@pytest.mark.parametrize(
    "place", ["9223372036854775807,1", "9223372036854775808,1", "", "1", "a,b", "-1,1", "1,1,1"]
)
async def test_a_place_nobody_gave_means_fetching_everything_anew(
    hall: Hall, stage: Stage, place: str
) -> None:
    await _expect_resync(hall, stage, place, "place_unknown")


@pytest.mark.parametrize("limits", [StreamLimits(missed_max=2), StreamLimits(missed_walked_max=2)])
async def test_too_much_to_tell_means_fetching_everything_anew(
    open_hall: OpenHall, stage: Stage, administrator: AsyncConnection, limits: StreamLimits
) -> None:
    hall = await open_hall(limits)
    await hall.tell(*_news(stage, 1, 2, 3))
    await settled(administrator)
    first, *_ = await _places(hall, [stage.channel("sales")])
    before = write_place(Cursor(first.xid, 0))
    await _expect_resync(hall, stage, before, "too_far_back")


async def test_what_is_no_longer_kept_means_fetching_everything_anew(
    hall: Hall, stage: Stage, administrator: AsyncConnection
) -> None:
    await hall.tell(*_news(stage, 1, 2))
    await settled(administrator)
    first, last = await _places(hall, [stage.channel("sales")])
    old = text("UPDATE outbox SET published_at = now() - interval '25 hours' WHERE xid <= :xid")
    await administrator.execute(old, {"xid": first.xid})
    await prune_outbox(stage.services)
    await _expect_resync(hall, stage, write_place(first), "too_far_back")
    token, name = stage.tenant.founder.token, stage.channel("sales")
    known = write_place(last)
    async with listening(hall.address, token, name, last_event_id=known) as ear:
        await hall.tell(*_news(stage, 3))
        assert await _numbers(ear, 2) == [99, 3]


@dataclass(frozen=True, slots=True)
class Write:
    """One transaction: what goes where, how long it stays open, and whether it stands."""

    kinds: tuple[str, ...]
    turns: int
    stands: bool


KINDS = ("sales", "gates", "alerts")
WRITES = st.builds(
    Write,
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4).map(tuple),
    turns=st.integers(0, 30),
    stands=st.sampled_from((True, True, True, False)),
)
WRITERS = st.lists(st.lists(WRITES, min_size=1, max_size=6), min_size=2, max_size=3)
STAYS = st.lists(st.integers(0, 5), max_size=6)
LISTENERS = st.lists(
    st.tuples(st.sets(st.sampled_from(KINDS), min_size=1).map(sorted), STAYS),
    min_size=1,
    max_size=4,
)


@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    # Not shrunk: an example that fails takes half a minute to find out.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
)
@given(writers=WRITERS, listeners=LISTENERS)
async def test_every_listener_hears_everything_once_and_in_order(
    hall: Hall,
    stage: Stage,
    writers: list[list[Write]],
    listeners: list[tuple[list[str], list[int]]],
) -> None:
    """Writers overlap, some take back what they wrote; listeners leave and come back at will."""
    token = stage.tenant.founder.token
    names = [[stage.channel(kind) for kind in kinds] for kinds, _ in listeners]
    ears = [await join(hall.address, token, own) for own in names]
    hearing = [
        asyncio.create_task(_hear(hall, stage, ear, own, stays))
        for ear, own, (_, stays) in zip(ears, names, listeners, strict=True)
    ]
    await asyncio.gather(*(_write(hall, stage, writes) for writes in writers))
    ended = tuple(stage.channel(kind) for kind in KINDS)
    await hall.tell(Message("test.ended", None, ended))
    heard = await asyncio.gather(*hearing)
    ends = {places[-1] for places in heard}
    begins = [places.pop(0) for places in heard]
    expected = [
        [place for place in await _all_places(hall, own) if begin < place <= max(ends)]
        for own, begin in zip(names, begins, strict=True)
    ]
    assert len(ends) == 1
    assert heard == expected


async def _all_places(hall: Hall, names: Sequence[str]) -> list[Cursor]:
    both = [await _places(hall, names, kind) for kind in ("test.news", "test.ended")]
    return sorted(both[0] + both[1])


async def _write(hall: Hall, stage: Stage, writes: list[Write]) -> None:
    for write in writes:
        async with hall.services.database.transaction(WORKER) as session:
            for number, kind in enumerate(write.kinds):
                await publish(session, *_news(stage, number, kind=kind))
            for _ in range(write.turns):
                await asyncio.sleep(0)
            await (session.flush() if write.stands else session.rollback())


async def _hear(
    hall: Hall, stage: Stage, ear: Ear, names: list[str], stays: list[int]
) -> list[Cursor]:
    """Give the place of the first greeting, and then of everything heard up to the end.

    `stays` are how many events are heard between coming and going.
    """
    heard = [(await ear.event()).place]
    for stay in stays:
        for _ in range(stay):
            event = await ear.event()
            heard.append(event.place)
            if event.name == "test.ended":
                return await _gone(ear, heard)
        await ear.close()
        ear = await join(hall.address, stage.tenant.founder.token, names, ear.last_event_id)
        assert (await ear.event()).name == "listening"
    while (event := await ear.event()).name != "test.ended":
        heard.append(event.place)
    return await _gone(ear, [*heard, event.place])


async def _gone(ear: Ear, heard: list[Cursor]) -> list[Cursor]:
    await ear.close()
    return heard
