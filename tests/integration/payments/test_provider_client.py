"""What networks and servers do to a call, over real sockets: each failure has httpx's words."""

import asyncio
import gzip
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from sync_server.payments.providers.calls import ANSWER_BYTES_MAX, Call, Line, Reply, Silence
from sync_server.payments.providers.clients import provider_client

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
_PATIENT, _IMPATIENT = httpx.Timeout(20), httpx.Timeout(0.5, connect=5)
_GZIPPED = gzip.compress(b'{"zipped":true}')
_DROPS = {
    "says nothing and hangs up": b"",
    "speaks no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "hangs up in the head": b"HTTP/1.1 200 OK\r\nConte",
    "hangs up in the body": _HEAD + b"Content-Length: 100\r\n\r\n{",
    "miscounts a chunk": _HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "has an endless head": b"HTTP/1.1 200 OK\r\n" + b"X-Filler: " + b"x" * 100_000 + b"\r\n\r\n",
}


@asynccontextmanager
async def _speaking(answer: bytes, heard: list[bytes] | None = None) -> AsyncIterator[str]:
    """A server that says the same to whoever asks, and hangs up unless the answer says no."""

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if heard is not None:
            heard.append(head)
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def line() -> AsyncIterator[Callable[[str], Line]]:
    async with provider_client(_PATIENT) as client:
        yield lambda url: Line("theirs", client, url)


@pytest.mark.parametrize("answer", _DROPS.values(), ids=_DROPS)
async def test_what_is_no_answer_is_silence(answer: bytes, line: Callable[[str], Line]) -> None:
    async with _speaking(answer) as url:
        said = await line(url).send(Call("GET", "/"))
    assert said in {Silence("ReadError"), Silence("RemoteProtocolError")}


async def test_nobody_there_is_silence(line: Callable[[str], Line], refusing_port: int) -> None:
    said = await line(f"http://127.0.0.1:{refusing_port}").send(Call("GET", "/"))
    assert said == Silence("ConnectError")


async def test_an_answer_that_does_not_come_is_silence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        async with provider_client(_IMPATIENT) as client:
            said = await Line("theirs", client, url).send(Call("POST", "/", content=b"{}"))
    assert said == Silence("ReadTimeout")


async def test_an_answer_without_end_is_silence(line: Callable[[str], Line]) -> None:
    size = ANSWER_BYTES_MAX + 1
    async with _speaking(_HEAD + b"Content-Length: %d\r\n\r\n" % size + b" " * size) as url:
        assert await line(url).send(Call("GET", "/")) == Silence("_AnswerTooLargeError")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (_HEAD + b"Content-Length: 2\r\n\r\n[]", Reply(200, [])),
        (_HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n", Reply(200, [])),
        (
            _HEAD
            + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(_GZIPPED)
            + _GZIPPED,
            Reply(200, {"zipped": True}),
        ),
        (b"HTTP/1.1 302 Found\r\nLocation: /on\r\nContent-Length: 0\r\n\r\n", Reply(302, None)),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", Reply(503, None)),
    ],
    ids=["counted", "in chunks", "zipped", "elsewhere", "busy"],
)
async def test_an_answer_is_read_as_it_was_sent(
    answer: bytes, expected: Reply, line: Callable[[str], Line]
) -> None:
    async with _speaking(answer) as url:
        assert await line(url).send(Call("GET", "/")) == expected


async def test_what_is_sent_is_ours_alone(line: Callable[[str], Line]) -> None:
    """No cookie comes back to who set it, nobody is told a type of content that we did not name,
    and a path stands as it was written.
    """
    heard: list[bytes] = []
    answer = _HEAD + b"Set-Cookie: theirs=1\r\nContent-Length: 2\r\n\r\n{}"
    async with _speaking(answer, heard) as url:
        call = Call("POST", "/v1/a%2Fb", {"X-Ours": "1"}, {"q": "a+b c"}, b"1")
        for _ in range(2):
            await line(url).send(call)
    for head in heard:
        first, *headers = head.decode().strip().split("\r\n")
        assert first == "POST /v1/a%2Fb?q=a%2Bb+c HTTP/1.1"
        names = {header.split(":")[0].lower() for header in headers}
        assert "x-ours" in names
        assert not names & {"cookie", "content-type"}


async def test_a_request_is_not_sent_twice(line: Callable[[str], Line]) -> None:
    """A provider that hangs up on a request may have acted on it."""
    heard: list[bytes] = []
    async with _speaking(b"", heard) as url:
        await line(url).send(Call("POST", "/", content=b"{}"))
    assert len(heard) == 1


async def test_a_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[bytes] = []
    async with _speaking(_HEAD + b"Content-Length: 2\r\n\r\n{}", heard) as url:
        monkeypatch.setenv("http_proxy", url)
        async with provider_client(_PATIENT) as client:
            answer = await Line("theirs", client, "http://nowhere.example").send(Call("GET", "/"))
    assert answer == Reply(200, {})
    assert heard[0].startswith(b"GET http://nowhere.example/ ")
