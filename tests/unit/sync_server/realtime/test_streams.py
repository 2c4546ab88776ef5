"""One stream: what waits, what is lost, and the last word."""

import asyncio

from shared.journal.entry import Cursor
from sync_server.kit.claims import user_claims
from sync_server.realtime.standing import Standing
from sync_server.realtime.streams import Stream

SINCE = Cursor(5, 0)


def _stream(waiting_max: int = 3) -> Stream:
    return Stream(
        claims=user_claims("zgu_somebody"),
        wanted=(),
        standing=Standing(is_known=True, channels={}, rights=frozenset(), expires_at_ms=None),
        since=SINCE,
        after=SINCE,
        waiting_max=waiting_max,
        asked_at_ns=0,
        expires_at_ms=None,
    )


async def test_what_waits_is_taken_together_and_once() -> None:
    stream = _stream()
    stream.hear(Cursor(6, 1), b"a")
    stream.hear(Cursor(6, 2), b"b")
    assert [await stream.take(1), await stream.take(0)] == [b"ab", b""]


async def test_whoever_waits_is_woken() -> None:
    stream = _stream()
    taking = asyncio.create_task(stream.take(20))
    await asyncio.sleep(0)
    stream.hear(Cursor(6, 1), b"a")
    assert await taking == b"a"


async def test_what_the_listener_knows_already_is_not_told() -> None:
    stream = _stream()
    for number in (1, 2, 3):
        stream.hear(Cursor(6, number), b"%d" % number)
    stream.after = Cursor(6, 2)
    assert await stream.take(1) == b"3"


async def test_the_last_word_takes_the_place_of_what_waited() -> None:
    stream = _stream()
    stream.hear(Cursor(6, 1), b"a")
    stream.end(b"over")
    stream.hear(Cursor(6, 2), b"b")
    stream.end(b"too late")
    assert (stream.is_over, stream.has_said_last) == (True, False)
    assert await stream.take(1) == b"over"
    assert stream.has_said_last


async def test_a_stream_says_when_it_is_full() -> None:
    stream = _stream(waiting_max=1)
    assert not stream.is_full
    stream.hear(Cursor(6, 1), b"a")
    assert stream.is_full
