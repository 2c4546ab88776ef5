"""Who of this process listens to what: every message goes to the streams of its channels.

It knows no database, and waits for nobody.
"""

import asyncio
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress

from sync_server.kit.claims import Claims
from sync_server.kit.outbox import Published
from sync_server.realtime import encoding
from sync_server.realtime.encoding import ResyncReason
from sync_server.realtime.streams import Stream


class Switchboard:
    """All streams that are open, by channel and by the rights they hang on."""

    def __init__(self) -> None:
        self._streams: set[Stream] = set()
        self._listening: dict[str, set[Stream]] = {}
        self._hanging: dict[str, set[Stream]] = {}
        self._callers: Counter[Claims] = Counter()
        self._empty = asyncio.Event()
        self._stirred = asyncio.Event()

    @property
    def streams(self) -> Collection[Stream]:
        return self._streams

    def count_of(self, claims: Claims) -> int:
        return self._callers[claims]

    def connect(self, stream: Stream) -> None:
        self._streams.add(stream)
        self._callers[stream.claims] += 1
        for name in stream.channels:
            self._listening.setdefault(name, set()).add(stream)
        for name in stream.standing.rights:
            self._hanging.setdefault(name, set()).add(stream)
        self._empty.clear()

    def disconnect(self, stream: Stream) -> None:
        """Forget a stream; one that is forgotten already stays so."""
        if stream not in self._streams:
            return
        self._streams.discard(stream)
        self._callers[stream.claims] -= 1
        if not self._callers[stream.claims]:
            del self._callers[stream.claims]
        _drop(self._listening, stream.channels, stream)
        _drop(self._hanging, stream.standing.rights, stream)
        if not self._streams:
            self._empty.set()
            self._stirred.set()

    def end(self, stream: Stream, last: bytes) -> None:
        stream.end(last)
        self.disconnect(stream)

    def tell(self, news: Sequence[Published]) -> None:
        """Hand messages on in their order, and call in doubt whoever a right of may be over."""
        for item in news:
            for name in item.message.channels:
                for stream in self._hanging.get(name, ()):
                    stream.in_doubt = True
                    self._stirred.set()
            self._hand_on(item)

    def _hand_on(self, item: Published) -> None:
        listeners: dict[Stream, list[str]] = {}
        for name in item.message.channels:
            for stream in self._listening.get(name, ()):
                listeners.setdefault(stream, []).append(name)
        lines: dict[tuple[str, ...], bytes] = {}
        for stream, names in listeners.items():
            heard = tuple(names)
            if heard not in lines:
                lines[heard] = encoding.news(item, heard)
            if stream.is_full:
                self.end(stream, encoding.resync(ResyncReason.TOO_SLOW, item.cursor))
            stream.hear(item.cursor, lines[heard])

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than somebody listens."""
        await _wait(self._empty, seconds)

    async def pause_until_doubt(self, seconds: float) -> None:
        """Wait, but no longer than somebody listens and nobody is in doubt."""
        await _wait(self._stirred, seconds)
        self._stirred.clear()


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()


def _drop(index: dict[str, set[Stream]], names: Collection[str], stream: Stream) -> None:
    for name in names:
        found = index.get(name, set())
        found.discard(stream)
        if not found:
            index.pop(name, None)
