"""Asking a provider over HTTP: bounded in time and size, and kept for a while. What is no usable
answer is raised as OpenidProviderUnavailableError.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import httpx
import structlog
from pydantic import JsonValue, TypeAdapter

from shared.clock import Clock
from sync_server.openid.errors import OpenidProviderUnavailableError

ANSWER_SECONDS_MAX: Final = 10
ANSWER_BYTES_MAX: Final = 262_144
_TIMEOUT: Final = httpx.Timeout(5)
# No connection outlives its request: there is nothing to close when the server stops.
_LIMITS: Final = httpx.Limits(max_connections=20, max_keepalive_connections=0)
_UNUSABLE: Final = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError)
_JSON: Final[TypeAdapter[JsonValue]] = TypeAdapter(JsonValue)
_LOG: Final = structlog.get_logger(__name__)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, and what the JSON body says."""

    status: int
    value: JsonValue


class Fetcher:
    """Redirects are not followed: what is asked for is where the provider said it is."""

    def __init__(self, provider: str, seconds_max: float = ANSWER_SECONDS_MAX) -> None:
        self._provider = provider
        self._seconds_max = seconds_max
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS)

    async def get(self, url: str, read: Callable[[Any], Value]) -> Value:
        """Fetch a document; `read` raises ValueError for one that says something else."""
        with self.refusing_the_unusable():
            answer = await self._ask("GET", url)
            if answer.status != httpx.codes.OK:
                message = f"the answer has status {answer.status}"
                raise ValueError(message)
            return read(answer.value)

    async def post(self, url: str, headers: Mapping[str, str], body: str) -> Answer:
        with self.refusing_the_unusable():
            return await self._ask("POST", url, headers=headers, content=body)

    @contextmanager
    def refusing_the_unusable(self) -> Iterator[None]:
        try:
            yield
        except _UNUSABLE as error:
            reason = type(error).__name__
            _LOG.warning("openid.provider_unavailable", provider=self._provider, reason=reason)
            raise OpenidProviderUnavailableError from error

    async def _ask(self, method: str, url: str, **content: Any) -> Answer:  # noqa: ANN401 - httpx's own
        body = bytearray()
        async with (
            asyncio.timeout(self._seconds_max),
            self._http.stream(method, url, **content) as response,
        ):
            async for piece in response.aiter_bytes():
                body += piece
                if len(body) > ANSWER_BYTES_MAX:
                    message = "the answer is too long"
                    raise ValueError(message)
        return Answer(response.status_code, _JSON.validate_json(bytes(body)))


class Kept(Generic[Value]):
    """One value that is fetched when it is too old. Whoever waited for the same fetch shares what
    came of it: a provider that is slow is not asked again by everybody in turn.
    """

    def __init__(self, fetch: Callable[[], Awaitable[Value]], clock: Clock) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = asyncio.Lock()
        self._value: tuple[Value, int] | None = None
        self._failures = 0

    async def get(self, age_ms_max: int) -> Value:
        seen = self._failures
        async with self._lock:
            if self._value is not None:
                value, fetched_at_ms = self._value
                if self._clock.now_ms() - fetched_at_ms < age_ms_max:
                    return value
            if self._failures != seen:
                raise OpenidProviderUnavailableError
            try:
                value = await self._fetch()
            except OpenidProviderUnavailableError:
                self._failures += 1
                raise
            self._value = (value, self._clock.now_ms())
            return value
