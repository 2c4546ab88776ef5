"""How every client of a provider calls it: bounded, following no redirect, and never logging what
it sent or got.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import structlog

from shared.clock import Clock
from sync_server.payments.ports import Accepted, Answer, Refused, Unknown
from sync_server.payments.providers import exchanges

CONNECT_SECONDS_MAX: Final = 5
READ_SECONDS_MAX: Final = 30
ANSWER_BYTES_MAX: Final = 1 << 20
_NANOSECONDS: Final = 1_000_000_000
_UNAUTHORIZED: Final = 401
_SERVER_ERROR: Final = 500
# Both say that the request was not looked at now, and neither is a no for good.
_LATER: Final = frozenset({408, 429})
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `document` is None where the body is no JSON, as of a proxy's error page."""

    status: int
    document: Any = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - the range of success

    @property
    def is_undecided(self) -> bool:
        """Whether the status alone leaves open what happened, or asks to come again."""
        return self.status >= _SERVER_ERROR or self.status in _LATER

    def member(self, *path: str) -> Any:  # noqa: ANN401 - JSON
        """Follow names into the document; None where one is missing."""
        found = self.document
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        return found

    def text(self, *path: str) -> str:
        found = self.member(*path)
        return found if isinstance(found, str) else ""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing usable came back: it may have arrived, or not."""

    cause: str


@dataclass(frozen=True, slots=True)
class Call:
    """One request. `content` is sent byte for byte, since some providers sign it."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False, default_factory=dict)
    query: Mapping[str, str] = field(repr=False, default_factory=dict)
    content: bytes | None = field(repr=False, default=None)


def web_address(text: str) -> str:
    """Give an address that a browser may be sent to, whoever named it; empty where it is none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return ""
    return text if parts.scheme in {"http", "https"} and parts.hostname else ""


def json_bytes(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def parse_json(body: bytes) -> Any:  # noqa: ANN401 - JSON
    """Read JSON with numbers as they were written; raise ValueError, also where it is nested deeper
    than any answer is.
    """
    try:
        return json.loads(body, parse_float=Decimal)
    except RecursionError:
        message = "nested too deep"
        raise ValueError(message) from None


def parse_object(body: bytes) -> Mapping[str, Any]:
    """Read a JSON object; an empty one where it is none."""
    try:
        document = parse_json(body)
    except ValueError:
        return {}
    return document if isinstance(document, Mapping) else {}


def time_limits(read_milliseconds: int = READ_SECONDS_MAX * 1_000) -> httpx.Timeout:
    """Give up connecting after seconds, and waiting for an answer after what is said."""
    read = timedelta(milliseconds=read_milliseconds).total_seconds()
    return httpx.Timeout(read, connect=CONNECT_SECONDS_MAX)


@dataclass(frozen=True, slots=True)
class Line:
    """A connection to one provider. `name` stands in the log beside method, route and status."""

    name: str
    client: httpx.AsyncClient
    base_url: str

    async def send(self, call: Call, route: str | None = None) -> Reply | Silence:
        """Send once; what the network does to it is silence and never an exception."""
        try:
            answer = await self._answer(call)
        except (httpx.HTTPError, httpx.InvalidURL, _AnswerTooLargeError) as error:
            cause = type(error).__name__
            _LOG.warning("provider.silent", provider=self.name, route=route, cause=cause)
            return Silence(cause)
        exchanges.note(f"{call.method} {route}", answer.status, answer.document)
        if not answer.is_success:
            _LOG.info("provider.answered", provider=self.name, route=route, status=answer.status)
        return answer

    async def _answer(self, call: Call) -> Reply:
        request = self.client.build_request(
            call.method,
            self.base_url.rstrip("/") + call.path,
            headers=dict(call.headers),
            params=dict(call.query) or None,
            content=call.content,
        )
        answer = await self.client.send(request, stream=True, follow_redirects=False)
        try:
            body = await _bounded(answer)
        finally:
            await answer.aclose()
        try:
            document = parse_json(body) if body else None
        except ValueError:
            document = None
        return Reply(answer.status_code, document)


class _AnswerTooLargeError(Exception):
    """A provider sent more than any of its answers ever is."""


async def _bounded(answer: httpx.Response) -> bytes:
    body = b""
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > ANSWER_BYTES_MAX:
            raise _AnswerTooLargeError
    return body


@dataclass(frozen=True, slots=True)
class FreshToken:
    """A token and how long its giver says it is good."""

    token: str = field(repr=False)
    seconds: int


@dataclass(slots=True)
class TokenKeeper:
    """Keeps one access token until shortly before it ends; of many who want one, one asks."""

    fetch: Callable[[], Awaitable[FreshToken | None]]
    clock: Clock
    margin_seconds: int = 60
    _token: str = field(repr=False, default="")
    _good_until_ns: int = 0
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def token(self) -> str | None:
        """Give a token; None where the provider gives none now."""
        async with self._lock:
            if self.clock.monotonic_ns() < self._good_until_ns:
                return self._token
            fresh = await self.fetch()
            if fresh is None:
                return None
            good_seconds = max(fresh.seconds - self.margin_seconds, 0)
            self._token = fresh.token
            self._good_until_ns = self.clock.monotonic_ns() + good_seconds * _NANOSECONDS
            return self._token

    def forget(self) -> None:
        self._good_until_ns = 0


async def send_with_token(
    line: Line, keeper: TokenKeeper, call: Call, route: str
) -> Reply | Silence:
    """Send under an access token, once more with a new one where the provider knows it no more:
    nothing was done under a token that is over.
    """
    answer: Reply | Silence = Silence("NoToken")
    for _ in range(2):
        token = await keeper.token()
        if token is None:
            return Silence("NoToken")
        headers = {**call.headers, "Authorization": f"Bearer {token}"}
        authorized = Call(call.method, call.path, headers, call.query, call.content)
        answer = await line.send(authorized, route)
        if not isinstance(answer, Reply) or answer.status != _UNAUTHORIZED:
            return answer
        keeper.forget()
    return answer


def token_answer(
    answer: Reply | Silence, token_of: Callable[[Reply | Silence], FreshToken | None]
) -> Answer:
    """What asking for a token says of the credentials; `code` is the provider's own word."""
    if token_of(answer) is not None:
        return Accepted()
    if isinstance(answer, Silence):
        return Unknown(answer.cause)
    said = f"HTTP {answer.status}"
    if answer.is_undecided or not isinstance(answer.document, Mapping):
        return Unknown(said)
    error = answer.member("error")
    named = answer.text("error", "code") or answer.text("code")
    return Refused(named or (error if isinstance(error, str) else said))
