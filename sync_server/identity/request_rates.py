"""How many requests one caller may send this process: more than people and kiosks do, and fewer
than a program that runs wild.

Buckets stand in memory, so several processes allow several times as much. Guesses are counted
elsewhere, by all processes together.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sync_server.identity.rules import network_of
from sync_server.kit.problems import ProblemError, answer
from sync_server.kit.services import Services
from sync_server.kit.session_cookies import cookie_token

NETWORK_FACTOR: Final = 10
"""A carrier's thousands of buyers may share a network, and one token is one caller's."""
WINDOW_SECONDS: Final = 60
BUCKETS_MAX: Final = 50_000
_NANOSECONDS: Final = 1_000_000_000
_UNLIMITED_PATHS: Final = ("/health", "/ready", "/metrics", "/assets/")


class TooManyRequestsError(ProblemError):
    status = 429
    code = "too_many_requests"
    title = "You sent more requests than one caller may; wait as long as Retry-After says"


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `requests` at once, refilled steadily within a window."""

    name: str
    requests: int

    @property
    def interval_ns(self) -> int:
        return WINDOW_SECONDS * _NANOSECONDS // self.requests


@dataclass(frozen=True, slots=True)
class Standing:
    """What is left in a bucket, and when one more request fits or it is full again."""

    rate: Rate
    remaining: int
    seconds_left: int
    is_exceeded: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The header fields of the IETF's draft on rate limits."""
        name = self.rate.name
        return {
            "RateLimit-Policy": f'"{name}";q={self.rate.requests};w={WINDOW_SECONDS}',
            "RateLimit": f'"{name}";r={self.remaining};t={self.seconds_left}',
        }


@dataclass(slots=True)
class Buckets:
    """The generic cell rate algorithm: of each caller one number, the time at which its bucket is
    full again.
    """

    _full_at_ns: dict[bytes, int] = field(default_factory=dict)

    def take(self, key: bytes, rate: Rate, now_ns: int) -> Standing:
        """Take one request out, unless there is none; what is refused costs nothing."""
        if key not in self._full_at_ns and len(self._full_at_ns) >= BUCKETS_MAX:
            self._forget_full(now_ns)
        full_at = max(self._full_at_ns.get(key, now_ns), now_ns) + rate.interval_ns
        over_ns = full_at - now_ns - rate.interval_ns * rate.requests
        if over_ns > 0:
            return Standing(rate, 0, _whole_seconds(over_ns), is_exceeded=True)
        self._full_at_ns[key] = full_at
        remaining = -over_ns // rate.interval_ns
        return Standing(rate, remaining, _whole_seconds(full_at - now_ns))

    def _forget_full(self, now_ns: int) -> None:
        """What nobody draws from is full; where nothing is, everybody begins anew."""
        kept = {key: at for key, at in self._full_at_ns.items() if at > now_ns}
        self._full_at_ns = kept if len(kept) < BUCKETS_MAX else {}


def _whole_seconds(nanoseconds: int) -> int:
    return -(-nanoseconds // _NANOSECONDS)


class RequestRates:
    """Says with every answer what is left, and refuses what is too much before anything is done."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._buckets = Buckets()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        standing = self._standing(scope) if scope["type"] == "http" else None
        if standing is None:
            await self._app(scope, receive, send)
            return
        if standing.is_exceeded:
            headers = {**standing.headers, "Retry-After": str(standing.seconds_left)}
            refusal = answer(TooManyRequestsError(headers=headers), Request(scope))
            await refusal(scope, receive, send)
            return

        async def send_with_standing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in standing.headers.items():
                    headers.append(name, value)
            await send(message)

        await self._app(scope, receive, send_with_standing)

    def _standing(self, scope: Scope) -> Standing | None:
        services: Services = scope["app"].state.services
        if services.requests_per_minute == 0 or scope["path"].startswith(_UNLIMITED_PATHS):
            return None
        connection = HTTPConnection(scope)
        token = connection.headers.get("authorization") or cookie_token(connection, services)
        if token:
            rate = Rate("requests", services.requests_per_minute)
        else:
            rate = Rate("requests-network", services.requests_per_minute * NETWORK_FACTOR)
            token = network_of(connection.client.host if connection.client else None)
        key = hashlib.sha256(f"{rate.name}\x00{token}".encode()).digest()
        return self._buckets.take(key, rate, services.clock.monotonic_ns())
