"""A bank as its folders show it: it takes orders out of `outbox` and puts reports, notices and
statements into `inbox`, once a round; nobody is called, and nothing is said in between.

Faults of orders are turned on `disburse` (a lost answer is a transfer without a report, unavailable
leaves the file lying), those of its files on `read`: one comes twice, never, or after a later one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import ParseError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from shared.clock import Clock
from sync_server.sandboxes.bank_files import (
    Booking,
    Day,
    Order,
    OrderedTransfer,
    Verdict,
    message_id_of,
    notification,
    read_order,
    statement,
    status_report,
)
from sync_server.sandboxes.engine import (
    CONTROL,
    OF_CALLBACKS,
    Engine,
    Fault,
    Movement,
    MovementState,
    Operation,
)
from sync_server.sandboxes.schemas import schema_faults

ACCOUNT: Final = "9030001234567"
BIC: Final = "SBICUGKX"
CURRENCY: Final = "UGX"
HOLDER: Final = "ZERAKET Limited"
OPENING: Final = Decimal(10_000_000)
ROUND_SECONDS: Final = 1
_REASON_CHARACTERS: Final = 4
_OF_ORDERS: Final = frozenset({Fault.LOST_ANSWER, Fault.UNAVAILABLE})
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Write = Callable[[str], bytes]


@dataclass(slots=True)
class BankSandbox:
    """One account, in one folder that it shares with its customer."""

    engine: Engine
    clock: Clock
    folder: Path
    charges: Decimal = Decimal(0)
    _orders: set[str] = field(default_factory=set)
    _transfers: dict[str, OrderedTransfer] = field(default_factory=dict)
    _news: list[tuple[str, Write]] = field(default_factory=list)
    _held: list[tuple[str, bytes]] = field(default_factory=list)
    _bookings: list[Booking] = field(default_factory=list)
    _balance: Decimal = OPENING
    _statements: int = 0
    _files: int = 0
    _references: int = 0
    _started: str = ""

    def __post_init__(self) -> None:
        # Files and references of an earlier start are others.
        self._started = f"{self.clock.now_ms() // 1_000:X}"
        self.engine.settled = self._settled
        for name in ("inbox", "outbox"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    def app(self) -> ASGIApp:
        """Give its control alone; while it is served it does a round each second."""
        routes = [
            Route(f"{CONTROL}/round", self._round_now, methods=["POST"]),
            Route(f"{CONTROL}/close-day", self._close_now, methods=["POST"]),
            Route(f"{CONTROL}/transfers", self._transfer_now, methods=["POST"]),
            *self.engine.control_routes(),
        ]
        return Starlette(routes=routes, lifespan=self._at_work)

    def expect(self, reference: str, payment_reference: str, amount: str, currency: str) -> None:
        """Let a buyer fill in a transfer, which settling sends."""
        if reference not in self.engine.movements:
            particulars = {"payment_reference": payment_reference}
            self.engine.movements[reference] = Movement(
                reference, Operation.COLLECT, amount, currency, particulars=particulars
            )

    def do_round(self) -> None:
        """Take the orders that lie there, and write what is to be said."""
        for path in sorted((self.folder / "outbox").glob("*.xml")):
            fault = self.engine.dial.take(Operation.DISBURSE, _OF_ORDERS)
            if fault is not Fault.UNAVAILABLE:
                self._take(path, is_silent=fault is Fault.LOST_ANSWER)
        news, self._news = self._news, []
        for kind, write in news:
            self._deliver(kind, write(self._next_reference()))

    def close_day(self) -> None:
        """Write the statement of all that was booked since the last."""
        self.do_round()
        self._statements += 1
        mine = [each for each in self._bookings if each.currency == CURRENCY]
        reference = self._next_reference()
        day = Day(reference, self._statements, ACCOUNT, CURRENCY, self._balance, mine)
        self._balance, self._bookings = day.closing, []
        self._deliver("camt053", statement(day, self._now()))

    def release(self) -> None:
        """Write the files that were held, the newest first."""
        held, self._held = self._held[::-1], []
        for kind, content in held:
            self._write(kind, content)

    def _take(self, path: Path, *, is_silent: bool) -> None:
        content = path.read_bytes()
        path.unlink()
        order_id, verdicts = self._judged(content)
        if is_silent:
            return

        def write(report_id: str) -> bytes:
            return status_report(report_id, order_id, verdicts, self._now())

        self._news.append(("pain002", write))

    def _judged(self, content: bytes) -> tuple[str, list[Verdict]]:
        if schema_faults(content):
            return _name_of(content), [Verdict("RJCT", "FF01")]
        order = read_order(content)
        if order.message_id in self._orders:
            return order.message_id, [Verdict("RJCT", "AM05")]
        self._orders.add(order.message_id)
        return order.message_id, [self._accept(order, each) for each in order.transfers]

    def _accept(self, order: Order, transfer: OrderedTransfer) -> Verdict:
        reference = transfer.uetr or transfer.end_to_end_id
        if reference in self.engine.movements:
            return Verdict("RJCT", "AM05", transfer)
        movement = Movement(
            reference,
            Operation.DISBURSE,
            transfer.amount,
            transfer.currency,
            provider_reference=self._next_reference(),
            particulars={"order": order.message_id},
        )
        self.engine.movements[reference] = movement
        self._transfers[reference] = transfer
        self.engine.settle_soon(movement)
        return Verdict("ACTC", "", transfer, movement.provider_reference)

    async def _settled(self, movement: Movement) -> None:
        """Have it written in the next round; what never came is not said."""
        is_payout = movement.operation is Operation.DISBURSE
        if is_payout and movement.state is MovementState.FAILED:
            self._news.append(("pain002", lambda name: self._rejection(name, movement)))
        elif movement.state in {MovementState.SUCCEEDED, MovementState.REVERSED}:
            self._news.append(("camt054", self._booked(movement, movement.state)))

    def _rejection(self, report_id: str, movement: Movement) -> bytes:
        reason = movement.reason or ""
        code = reason if len(reason) == _REASON_CHARACTERS else "AC01"
        verdict = Verdict("RJCT", code, self._transfers[movement.reference])
        order = movement.particulars["order"]
        return status_report(report_id, order, [verdict], self._now())

    def _booked(self, movement: Movement, state: MovementState) -> Write:
        def write(notice_id: str) -> bytes:
            booking = self._booking(movement, is_return=state is MovementState.REVERSED)
            self._bookings.append(booking)
            return notification(notice_id, ACCOUNT, [booking], self._now())

        return write

    def _booking(self, movement: Movement, *, is_return: bool) -> Booking:
        """What is returned comes a day later."""
        amount, currency = self.engine.said_of(movement)
        is_payout = movement.operation is Operation.DISBURSE
        today = self._now().date()
        transfer = self._transfers.get(movement.reference)
        note = movement.particulars.get("note", "")
        named = movement.particulars.get("payment_reference", "")
        return Booking(
            bank_reference=self._next_reference(),
            amount=Decimal(amount),
            currency=currency,
            is_credit=is_payout is is_return,
            on=today + timedelta(days=1) if is_return else today,
            end_to_end_id=transfer.end_to_end_id if transfer else "",
            note=note,
            structured_reference="" if note else named,
            return_reason="AC04" if is_return and is_payout else "",
            is_reversal=is_return and not is_payout,
            charges=Decimal(0) if is_return or not is_payout else self.charges,
        )

    def _deliver(self, kind: str, content: bytes) -> None:
        match self.engine.dial.take(Operation.READ, OF_CALLBACKS):
            case Fault.CALLBACK_MISSING:
                return
            case Fault.CALLBACK_HELD:
                self._held.append((kind, content))
            case Fault.CALLBACK_TWICE:
                self._write(kind, content)
                self._write(kind, content)
            case _:
                self._write(kind, content)

    def _write(self, kind: str, content: bytes) -> None:
        """A file is there whole or not at all."""
        self._files += 1
        draft = self.folder / "inbox" / f".{self._files:06}"
        draft.write_bytes(content)
        draft.replace(self.folder / "inbox" / f"{self._started}-{self._files:06}-{kind}.xml")

    def _next_reference(self) -> str:
        self._references += 1
        return f"SB{self._started}{self._references:06}"

    def _now(self) -> datetime:
        return _EPOCH + timedelta(milliseconds=self.clock.now_ms() + self.engine.offset_ms)

    @asynccontextmanager
    async def _at_work(self, _app: Starlette) -> AsyncIterator[None]:
        async def work() -> None:
            while True:
                self.do_round()
                await asyncio.sleep(ROUND_SECONDS)

        working = asyncio.create_task(work())
        try:
            yield
        finally:
            working.cancel()
            with suppress(asyncio.CancelledError):
                await working

    async def _round_now(self, _request: Request) -> Response:
        self.do_round()
        return JSONResponse({})

    async def _close_now(self, _request: Request) -> Response:
        self.close_day()
        return JSONResponse({})

    async def _transfer_now(self, request: Request) -> Response:
        """A buyer transfers money, with whatever they wrote on it."""
        wanted = await request.json()
        reference = f"transfer-{len(self.engine.movements)}"
        self.expect(reference, "", str(wanted["amount"]), wanted.get("currency", CURRENCY))
        self.engine.movements[reference].particulars["note"] = str(wanted["note"])
        await self.engine.settle(reference, MovementState.SUCCEEDED)
        return JSONResponse({"reference": reference})


def _name_of(content: bytes) -> str:
    try:
        return message_id_of(content) or "UNKNOWN"
    except (ParseError, DefusedXmlException, ValueError):
        return "UNKNOWN"
