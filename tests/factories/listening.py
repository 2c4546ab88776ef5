"""Somebody who listens on a real socket: reads server-sent events as they come, or does not."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from shared.journal.entry import Cursor
from sync_server.realtime.rules import read_place

HEARD_WITHIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class Heard:
    """One block of the stream; a comment has no name."""

    name: str | None = None
    id: str | None = None
    comment: str | None = None
    retry: str | None = None
    data: Any = None

    @property
    def place(self) -> Cursor:
        place = read_place(self.id or "")
        assert place is not None, self
        return place


@dataclass(slots=True)
class Ear:
    """An open stream. What is heard must come within half a minute."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    status: int
    headers: dict[str, str]
    last_event_id: str | None = None
    _rest: bytes = field(default=b"")

    async def block(self) -> Heard | None:
        """Give the next block, signs of life too; None at the end."""
        async with asyncio.timeout(HEARD_WITHIN_SECONDS):
            while b"\n\n" not in self._rest:
                piece = await self._chunk()
                if not piece:
                    return None
                self._rest += piece
        text, _, self._rest = self._rest.partition(b"\n\n")
        heard = _read(text.decode())
        self.last_event_id = heard.id or self.last_event_id
        return heard

    async def event(self) -> Heard:
        """Give the next event, else fail at the end."""
        while (heard := await self.block()) is not None:
            if heard.name is not None:
                return heard
        raise EOFError

    async def events(self, count: int) -> list[Heard]:
        return [await self.event() for _ in range(count)]

    async def rest(self) -> list[Heard]:
        """Give all events up to the end."""
        found: list[Heard] = []
        while (heard := await self.block()) is not None:
            found += [heard] if heard.name is not None else []
        return found

    async def body(self) -> Any:  # noqa: ANN401 - a problem's JSON
        async with asyncio.timeout(HEARD_WITHIN_SECONDS):
            return json.loads(await self.reader.readexactly(int(self.headers["content-length"])))

    async def _chunk(self) -> bytes:
        line = await self.reader.readline()
        size = int(line or b"0", 16)
        return (await self.reader.readexactly(size + 2))[:-2] if size else b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def listening(
    address: str,
    token: str,
    *channels: str,
    last_event_id: str | None = None,
    greeted: bool = True,
) -> AsyncIterator[Ear]:
    """Join channels, and hear the greeting; it must be a stream."""
    ear = await join(address, token, channels, last_event_id)
    try:
        if greeted:
            assert ear.status == 200, await ear.body()
            assert (await ear.event()).name == "listening"
        yield ear
    finally:
        await ear.close()


async def join(
    address: str, token: str, channels: Sequence[str], last_event_id: str | None = None
) -> Ear:
    """Ask for a stream and read the answer's head; what it says is the test's question."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    query = urlencode([("channel", name) for name in channels])
    lines = [f"GET /v1/realtime?{query} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += [] if last_event_id is None else [f"Last-Event-ID: {last_event_id}"]
    writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
    async with asyncio.timeout(HEARD_WITHIN_SECONDS):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    status, *rest = head.strip().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
    return Ear(reader, writer, int(status.split()[1]), headers, last_event_id)


def _read(text: str) -> Heard:
    found: dict[str, str] = {}
    for line in text.split("\n"):
        name, _, value = line.partition(": ")
        found[name or "comment"] = value
    return Heard(
        name=found.get("event"),
        id=found.get("id"),
        comment=found.get("comment"),
        retry=found.get("retry"),
        data=json.loads(found["data"]) if "data" in found else None,
    )
