"""What every provider's sandbox is made of: movements of money in memory, a dial of faults, and a
courier that takes callbacks to this machine only.

A sandbox plays a provider and knows none of our domains. Its control (`/__sandbox/…`) and its
callbacks stay on loopback.
"""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SLOW_SECONDS_MAX: Final = 60
FLOAT: Final = 10_000_000
"""What a merchant's account for disbursements holds at first, in each currency."""
CONTROL: Final = "/__sandbox"
_LIMITS: Final = httpx.Limits(max_keepalive_connections=0)
_HTML: Final = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
_GIVEN_UP: Final = (
    b'{"status":"error","message":"An error occurred. Please contact support","data":null}'
)


class Operation(StrEnum):
    """What a fault can befall."""

    TOKEN = "token"  # noqa: S105 - the name of an operation
    COLLECT = "collect"
    DISBURSE = "disburse"
    REFUND = "refund"
    WITHDRAW = "withdraw"
    READ = "read"
    DISPUTES = "disputes"
    BALANCE = "balance"
    CALLBACK = "callback"


class Fault(StrEnum):
    """The first seven befall an answer, after what was asked was done but for two that are said
    before; the others a callback, or what is said of a movement.
    """

    SLOW_ANSWER = "slow_answer"
    LOST_ANSWER = "lost_answer"
    SERVER_ERROR = "server_error"
    HTML_ERROR = "html_error"
    LATE_UNAVAILABLE = "late_unavailable"
    """503 though it was done, as Flutterwave gives up on itself."""
    UNAVAILABLE = "unavailable"
    """Said before anything was done."""
    TOO_MANY = "too_many"
    """Said before anything was done."""

    CALLBACK_TWICE = "callback_twice"
    CALLBACK_EARLY = "callback_early"
    CALLBACK_HELD = "callback_held"
    CALLBACK_MISSING = "callback_missing"
    CALLBACK_FORGED = "callback_forged"

    AMOUNT_CHANGED = "amount_changed"
    CURRENCY_CHANGED = "currency_changed"


OF_ANSWERS: Final = frozenset(list(Fault)[: list(Fault).index(Fault.CALLBACK_TWICE)])
OF_THE_DOOR: Final = {
    Fault.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    Fault.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS,
}
"""What is said before anything is done."""
OF_READINGS: Final = frozenset({Fault.AMOUNT_CHANGED, Fault.CURRENCY_CHANGED})
OF_CALLBACKS: Final = frozenset(Fault) - OF_ANSWERS - OF_READINGS


class MovementState(StrEnum):
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    DISPUTED = "disputed"
    REVERSED = "reversed"


@dataclass(slots=True)
class Movement:
    """Money that was asked for, sent or given back, as the provider keeps it; `amount` is written
    as it came.
    """

    reference: str
    operation: Operation
    amount: str
    currency: str
    state: MovementState = MovementState.PENDING
    reason: str | None = None
    provider_reference: str = ""
    callback_url: str | None = None
    particulars: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Dial:
    """Faults to come, in order, by what they befall."""

    _coming: dict[Operation, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))

    def turn(self, operation: Operation, fault: Fault, times: int = 1) -> None:
        self._coming[operation].extend([fault] * times)

    def take(self, operation: Operation, among: frozenset[Fault]) -> Fault | None:
        """Give the next fault if it is one of those that its asker can play."""
        coming = self._coming[operation]
        return coming.popleft() if coming and coming[0] in among else None

    @property
    def is_clear(self) -> bool:
        """Whether every fault has befallen something."""
        return not any(self._coming.values())

    def clear(self) -> None:
        self._coming.clear()


@dataclass(frozen=True, slots=True)
class Callback:
    """A message to the merchant; `forged` is what a stranger would send in its place, with headers
    of their own where the true ones prove something.
    """

    method: str
    url: str
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    forged: bytes | None = None
    forged_headers: Mapping[str, str] | None = None

    def by_a_stranger(self, body: bytes) -> "Callback":
        headers = self.headers if self.forged_headers is None else self.forged_headers
        return Callback(self.method, self.url, body, headers)


class Courier:
    """Delivers callbacks as a provider would: once, late, twice, never, or somebody else's."""

    def __init__(self, dial: Dial) -> None:
        self._dial = dial
        # A client takes longer to make than a message to deliver. No connection outlives its
        # request, so there is nothing to close.
        self._http = httpx.AsyncClient(timeout=10, trust_env=False, limits=_LIMITS)
        self._held: list[Callback] = []
        self.delivered: list[int] = []
        """The statuses the merchant answered with; 0 where there was no answer."""

    async def deliver(self, callback: Callback) -> None:
        match self._dial.take(Operation.CALLBACK, OF_CALLBACKS):
            case Fault.CALLBACK_MISSING:
                return
            case Fault.CALLBACK_HELD:
                self._held.append(callback)
            case Fault.CALLBACK_TWICE:
                await asyncio.gather(self._send(callback), self._send(callback))
            case Fault.CALLBACK_FORGED if callback.forged is not None:
                await self._send(callback.by_a_stranger(callback.forged))
            case _:
                await self._send(callback)

    async def release(self) -> None:
        """Deliver what was held, the newest first."""
        held, self._held = self._held[::-1], []
        for callback in held:
            await self._send(callback)

    async def _send(self, callback: Callback) -> None:
        if not is_on_this_machine(callback.url):
            return
        try:
            answer = await self._http.request(
                callback.method,
                callback.url,
                content=callback.body,
                headers=dict(callback.headers),
            )
            self.delivered.append(answer.status_code)
        except httpx.HTTPError:
            self.delivered.append(0)


def is_on_this_machine(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


Settle = Callable[[Movement], Awaitable[None]]


@dataclass(slots=True)
class Engine:
    """The state of one sandbox. `settled` tells the provider's own part that a movement changed, so
    that it can send its callback.
    """

    dial: Dial = field(default_factory=Dial)
    movements: dict[str, Movement] = field(default_factory=dict)
    approves_by_itself: bool = False
    """Whether a payer at the other end says yes at once, as in the demonstration."""
    opening_float: int = FLOAT
    offset_ms: int = 0
    """How far the sandbox's clock was moved on."""
    webhook_url: str | None = None
    """Where callbacks go, of a provider that is told so in its dashboard and in no call."""
    courier: Courier = field(init=False)
    settled: Settle | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.courier = Courier(self.dial)

    async def settle(
        self, reference: str, state: MovementState, reason: str | None = None
    ) -> Movement:
        """Decide a movement, and tell the merchant as the dial has it; raises KeyError."""
        movement = self.movements[reference]
        movement.state, movement.reason = state, reason
        if self.settled is not None:
            await self.settled(movement)
        return movement

    def settle_soon(self, movement: Movement) -> None:
        """Let the payer approve after the answer has left."""
        if self.approves_by_itself:
            task = asyncio.create_task(self._approve(movement))
            self.tasks.add(task)
            task.add_done_callback(self.tasks.discard)

    async def _approve(self, movement: Movement) -> None:
        await self.settle(movement.reference, MovementState.SUCCEEDED)

    def float_held(self, currency: str) -> Decimal:
        """What disbursements that arrived have left of the float. No network documents which
        account a refund leaves: here it is what was collected, as our books have it.
        """
        gone = (
            Decimal(movement.amount)
            for movement in self.movements.values()
            if movement.operation is Operation.DISBURSE
            and movement.state is MovementState.SUCCEEDED
            and movement.currency == currency
        )
        return self.opening_float - sum(gone, Decimal(0))

    def said_of(self, movement: Movement) -> tuple[str, str]:
        """Amount and currency as a status read gives them, which the dial may change."""
        match self.dial.take(Operation.READ, OF_READINGS):
            case Fault.AMOUNT_CHANGED:
                return str(int(movement.amount.partition(".")[0]) - 1), movement.currency
            case Fault.CURRENCY_CHANGED:
                return movement.amount, "KES" if movement.currency != "KES" else "UGX"
            case _:
                return movement.amount, movement.currency

    def control_routes(self) -> list[Route]:
        """The dial over HTTP, for the demonstration and for people who try things out."""
        return [
            Route(f"{CONTROL}/dial", self._turn, methods=["POST"]),
            Route(f"{CONTROL}/movements", self._list, methods=["GET"]),
            Route(f"{CONTROL}/movements/{{reference}}", self._settle, methods=["POST"]),
            Route(f"{CONTROL}/release", self._release, methods=["POST"]),
        ]

    async def _turn(self, request: Request) -> Response:
        wanted = await request.json()
        operation, fault = Operation(wanted["operation"]), Fault(wanted["fault"])
        self.dial.turn(operation, fault, int(wanted.get("times", 1)))
        return JSONResponse({"operation": operation, "fault": fault})

    async def _list(self, _request: Request) -> Response:
        listed = [
            {"reference": item.reference, "operation": item.operation, "state": item.state}
            for item in self.movements.values()
        ]
        return JSONResponse({"items": listed})

    async def _settle(self, request: Request) -> Response:
        wanted = await request.json()
        reference = request.path_params["reference"]
        if reference not in self.movements:
            return JSONResponse({"error": "unknown reference"}, status_code=404)
        state = MovementState(wanted["state"])
        movement = await self.settle(reference, state, wanted.get("reason"))
        return JSONResponse({"reference": movement.reference, "state": movement.state})

    async def _release(self, _request: Request) -> Response:
        await self.courier.release()
        return JSONResponse({})


Classify = Callable[[Scope], Operation | None]


class FaultyAnswers:
    """Stands around a sandbox: what was asked is done, and then the answer suffers.

    `classify` says which operation a request is; READ faults other than of the answer are left to
    the sandbox itself.
    """

    def __init__(self, app: ASGIApp, engine: Engine, classify: Classify) -> None:
        self._app = app
        self._engine = engine
        self._classify = classify

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        operation = self._classify(scope) if scope["type"] == "http" else None
        fault = None if operation is None else self._engine.dial.take(operation, OF_ANSWERS)
        if fault is None:
            await self._app(scope, receive, send)
        elif fault in OF_THE_DOOR:
            await _answer(send, OF_THE_DOOR[fault], b"", "text/plain")
        else:
            await self._app(scope, receive, _swallow)
            await _suffer(fault, receive, send)


async def _swallow(_message: Message) -> None:
    """The answer that nobody gets."""


async def _suffer(fault: Fault, receive: Receive, send: Send) -> None:
    match fault:
        case Fault.HTML_ERROR:
            await _answer(send, 502, _HTML, "text/html")
        case Fault.SERVER_ERROR:
            body = json.dumps({"message": "An error occurred"}).encode()
            await _answer(send, 500, body, "application/json")
        case Fault.LATE_UNAVAILABLE:
            await _answer(send, 503, _GIVEN_UP, "application/json")
        case Fault.SLOW_ANSWER:
            await _wait_until_gone(receive)
        case _:
            # A length that is never reached: the connection ends in the middle of the answer.
            headers = [(b"content-type", b"application/json"), (b"content-length", b"1000")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"{", "more_body": True})
            raise ConnectionAbortedError


async def _wait_until_gone(receive: Receive) -> None:
    """Whoever asks gives up first."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SLOW_SECONDS_MAX):
            while (await receive())["type"] != "http.disconnect":
                continue


async def _answer(send: Send, status: int, body: bytes, media_type: str) -> None:
    headers = [
        (b"content-type", media_type.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
