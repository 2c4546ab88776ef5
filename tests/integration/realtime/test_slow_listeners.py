"""Nobody who does not keep up costs more than a little, or holds up anybody else."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from urllib.parse import urlencode, urlsplit

from sync_server.kit.outbox import Message
from sync_server.organizers.rules import Capability
from sync_server.realtime.streams import StreamLimits
from tests.factories.listening import Ear, listening
from tests.integration.realtime.conftest import Hall, OpenHall
from tests.integration.realtime.stage import Stage

WAITING_MAX = 20
ROUNDS, A_ROUND = 12, 10
SAID = ROUNDS * A_ROUND
_LARGE = "0" * 130_000
"""More than a hundred kilobytes: a few dozen fill what the system itself holds for a socket."""


@asynccontextmanager
async def _deaf(hall: Hall, token: str, channel: str) -> AsyncIterator[socket.socket]:
    """A socket that asks for a stream and reads nothing."""
    parts = urlsplit(hall.address)
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    deaf.settimeout(0)
    loop = asyncio.get_running_loop()
    head = f"GET /v1/realtime?{urlencode({'channel': channel})} HTTP/1.1\r\nHost: gate\r\n"
    # Closed whatever happens: the server waits for it when it ends.
    with closing(deaf):
        await loop.sock_connect(deaf, (parts.hostname, parts.port))
        await loop.sock_sendall(deaf, f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
        await hall.until(lambda: len(hall.realtime.switchboard.streams) == 2)
        yield deaf


async def _large(ear: Ear, count: int) -> list[int]:
    """What made the stage may become visible late, beside other tests."""
    heard: list[int] = []
    while len(heard) < count:
        (item,) = await ear.events(1)
        heard += [item.data["number"]] if item.name == "test.large" else []
    return heard


async def _tell_until_dropped(hall: Hall, stage: Stage, quick: Ear) -> None:
    """The quick one hears all of it."""
    sales = (stage.channel("sales"),)
    for begin in range(0, SAID, A_ROUND):
        numbers = list(range(begin, begin + A_ROUND))
        said = [{"number": number, "padding": _LARGE} for number in numbers]
        organizer_id = stage.tenant.organizer_id
        await hall.tell(*(Message("test.large", organizer_id, sales, news) for news in said))
        assert await _large(quick, A_ROUND) == numbers
    await hall.until(lambda: len(hall.realtime.switchboard.streams) == 1)


async def test_one_that_does_not_read_is_dropped_and_told_so_if_it_reads_again(
    open_hall: OpenHall, stage: Stage
) -> None:
    hall = await open_hall(StreamLimits(waiting_max=WAITING_MAX))
    name = stage.channel("sales")
    member = await stage.member(Capability.FINANCE_VIEW)
    async with (
        listening(hall.address, stage.tenant.founder.token, name) as quick,
        _deaf(hall, member.token, name) as deaf,
    ):
        await _tell_until_dropped(hall, stage, quick)
        reader, writer = await asyncio.open_connection(sock=deaf)
        await reader.readuntil(b"\r\n\r\n")
        late = Ear(reader, writer, 200, {})
        heard = await late.rest()
        await late.close()
    told = [item.data["number"] for item in heard if item.name == "test.large"]
    assert told == list(range(len(told)))
    assert len(told) < SAID
    assert (heard[-1].name, heard[-1].data) == ("resync", {"reason": "too_slow"})
    last, missed = heard[-1].place, told[-1] + 1
    async with listening(hall.address, member.token, name, last_event_id=heard[-2].id) as again:
        assert (await again.event()).data["number"] == missed
    assert last > heard[-2].place


async def test_one_that_never_reads_again_is_cut(open_hall: OpenHall, stage: Stage) -> None:
    hall = await open_hall(StreamLimits(waiting_max=10_000, stuck_seconds=2))
    name = stage.channel("sales")
    member = await stage.member(Capability.FINANCE_VIEW)
    async with (
        listening(hall.address, stage.tenant.founder.token, name) as quick,
        _deaf(hall, member.token, name) as deaf,
    ):
        await _tell_until_dropped(hall, stage, quick)
        reader, writer = await asyncio.open_connection(sock=deaf)
        await reader.readuntil(b"\r\n\r\n")
        late = Ear(reader, writer, 200, {})
        heard = await _as_far_as_it_goes(late)
        await late.close()
    assert "resync" not in heard
    assert len(heard) < SAID


async def _as_far_as_it_goes(ear: Ear) -> list[str | None]:
    """The last piece may have been cut in the middle."""
    found: list[str | None] = []
    try:
        while (heard := await ear.block()) is not None:
            found += [heard.name]
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    return found
