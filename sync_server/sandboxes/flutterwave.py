"""Flutterwave v3 as its sandbox plays it: a hosted page, transactions that exist from the first try
on, several tries under one reference, webhooks with a plain secret and a signature, refunds in
parts, and chargebacks that no status tells of.
"""

import hmac
import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Scope

from shared.clock import Clock
from sync_server.sandboxes.engine import (
    Callback,
    Engine,
    Fault,
    FaultyAnswers,
    Movement,
    MovementState,
    Operation,
)
from sync_server.sandboxes.pages import PAYING, Checkout, Choice, chosen, send_back, show

SECRET_KEY: Final = "FLWSECK_TEST-sandbox-X"  # noqa: S105 - good at this sandbox only
WEBHOOK_SECRET: Final = "sandbox-secret-hash"  # noqa: S105 - the same
REFUNDS_ON_A_PAGE: Final = 10
_PAGE: Final = "/v3/hosted/pay/{link}"
_SESSION_MINUTES: Final = 1_440
_SECONDS_PER_MINUTE: Final = 60
_FEE_PER_MILLE: Final = 14
_FIRST_ID: Final = 288_200_108
# A chargeback changes nothing of its transaction.
_STATUSES: Final = {
    MovementState.PENDING: "pending",
    MovementState.SUCCEEDED: "successful",
    MovementState.DISPUTED: "successful",
    MovementState.REVERSED: "successful",
    MovementState.FAILED: "failed",
    MovementState.EXPIRED: "failed",
}
# What was given back is disputed by nobody, and stays given back.
_REFUND_STATUSES: Final = {
    MovementState.PENDING: "pending",
    MovementState.SUCCEEDED: "completed",
    MovementState.DISPUTED: "completed",
    MovementState.REVERSED: "completed",
    MovementState.FAILED: "failed",
    MovementState.EXPIRED: "failed",
}
_CHARGEBACKS: Final = {
    MovementState.DISPUTED: "initiated",
    MovementState.REVERSED: "lost",
    MovementState.SUCCEEDED: "won",
}
_BUTTONS: Final = {
    Choice.PAY_BY_CARD: "Pay by card",
    Choice.FAIL: "Have the card declined",
    Choice.LEAVE: "Cancel",
}


class FlutterwaveSandbox:
    """One merchant's account, in test mode."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self._clock = clock
        self._links: dict[str, str] = {}
        self._ids = iter(range(_FIRST_ID, 10 * _FIRST_ID))
        engine.settled = self._changed

    def app(self) -> ASGIApp:
        """Give the provider with its page, its dial and its control."""
        routes = [
            Route("/v3/payments", self._pay, methods=["POST"]),
            Route("/v3/transactions/verify_by_reference", self._verify),
            Route("/v3/transactions/{id:int}/verify", self._verify),
            Route("/v3/transactions/{id:int}/refund", self._refund, methods=["POST"]),
            Route("/v3/refunds", self._list_refunds),
            Route("/v3/chargebacks", self._list_chargebacks),
            Route("/v3/balances/{currency}", self._balance),
            Route(_PAGE, self._show),
            Route(_PAGE, self._choose, methods=["POST"]),
            *self.engine.control_routes(),
        ]
        return FaultyAnswers(Starlette(routes=routes), self.engine, operation_of)

    async def _pay(self, request: Request) -> Response:
        wanted = json.loads(await request.body())
        refused = _refused(request) or _malformed(wanted)
        if refused is not None:
            return refused
        reference = wanted["tx_ref"]
        movement = self.engine.movements.get(reference) or self._accept(wanted)
        link = f"link-{len(self._links)}"
        self._links[link] = reference
        self.engine.settle_soon(movement)
        if self.engine.dial.take(Operation.CALLBACK, frozenset({Fault.CALLBACK_EARLY})):
            await self.engine.settle(reference, MovementState.SUCCEEDED)
        page = f"{str(request.base_url).rstrip('/')}{_PAGE.format(link=link)}"
        return _success("Hosted Link", {"link": page})

    def _accept(self, wanted: Mapping[str, Any]) -> Movement:
        minutes = int(wanted.get("session_duration", _SESSION_MINUTES))
        movement = Movement(
            wanted["tx_ref"],
            Operation.COLLECT,
            str(wanted["amount"]),
            wanted.get("currency", "NGN"),
            callback_url=wanted.get("redirect_url"),
            particulars={
                "description": wanted.get("customizations", {}).get("description", ""),
                "customer": wanted["customer"],
                "closes_at": self._now_seconds() + minutes * _SECONDS_PER_MINUTE,
                "tries_left": int(wanted.get("max_retry_attempt", 0)) or None,
                "chargeback": None,
            },
        )
        self.engine.movements[movement.reference] = movement
        return movement

    async def _verify(self, request: Request) -> Response:
        refused = _refused(request)
        if refused is not None:
            return refused
        movement = self._tried(request)
        if movement is None:
            return _rejected("No transaction was found for this id", 400)
        return _success("Transaction fetched successfully", self._document(movement))

    def _tried(self, request: Request) -> Movement | None:
        """The payment that a request names, once somebody tried to pay."""
        named = str(request.path_params.get("id", "")) or None
        if named is None:
            movement = self.engine.movements.get(request.query_params.get("tx_ref", ""))
            return movement if movement is not None and movement.provider_reference else None
        everything = self.engine.movements.values()
        return next((item for item in everything if item.provider_reference == named), None)

    def _document(self, movement: Movement) -> dict[str, Any]:
        amount, currency = self.engine.said_of(movement)
        paid = json.loads(amount)
        fee = round(paid * _FEE_PER_MILLE / 1_000, 2)
        is_failed = _STATUSES[movement.state] == "failed"
        return {
            "id": int(movement.provider_reference),
            "tx_ref": movement.reference,
            "flw_ref": f"FLW-MOCK-{movement.provider_reference}",
            "amount": paid,
            "currency": currency,
            "charged_amount": paid,
            "app_fee": fee,
            "merchant_fee": 0,
            "processor_response": movement.reason or ("Declined" if is_failed else "Approved"),
            "auth_model": "3DS",
            "status": _STATUSES[movement.state],
            "payment_type": "card",
            "created_at": "2020-07-15T14:31:16.000Z",
            "card": {"first_6digits": "553188", "last_4digits": "2950", "type": "MASTERCARD"},
            "amount_settled": paid - fee,
            "customer": movement.particulars["customer"],
        }

    async def _refund(self, request: Request) -> Response:
        refused = _refused(request)
        if refused is not None:
            return refused
        paid = self._tried(request)
        if paid is None or paid.state is not MovementState.SUCCEEDED:
            return _rejected("Transaction cannot be refunded", 400)
        wanted = json.loads(await request.body())
        amount = wanted.get("amount", json.loads(paid.amount))
        given = [item for item in self._refunds() if item.particulars["tx_id"] == _id_of(paid)]
        if sum(json.loads(item.amount) for item in given) + amount > json.loads(paid.amount):
            return _rejected("Refund amount cannot be more than transaction amount", 400)
        number = next(self._ids)
        particulars = {"tx_id": _id_of(paid), "comments": wanted.get("comments", "")}
        movement = Movement(
            f"refund {number}",
            Operation.REFUND,
            str(amount),
            paid.currency,
            provider_reference=str(number),
            particulars=particulars,
        )
        self.engine.movements[movement.reference] = movement
        if self.engine.dial.take(Operation.CALLBACK, frozenset({Fault.CALLBACK_EARLY})):
            await self.engine.settle(movement.reference, MovementState.SUCCEEDED)
        return _success("Transaction refund initiated", _refund_document(movement))

    def _refunds(self) -> list[Movement]:
        """All refunds, the newest first."""
        everything = reversed(self.engine.movements.values())
        return [item for item in everything if item.operation is Operation.REFUND]

    async def _list_refunds(self, request: Request) -> Response:
        """Answer page by page, whatever else was asked for."""
        refused = _refused(request)
        if refused is not None:
            return refused
        refunds, page = self._refunds(), int(request.query_params.get("page", "1"))
        start = (page - 1) * REFUNDS_ON_A_PAGE
        shown = refunds[start : start + REFUNDS_ON_A_PAGE]
        pages = -(-len(refunds) // REFUNDS_ON_A_PAGE)
        information = {"total": len(refunds), "current_page": page, "total_pages": pages}
        meta = {"page_info": information}
        items = [
            {**_refund_document(item), "amount_refunded": json.loads(self.engine.said_of(item)[0])}
            for item in shown
        ]
        return _success("Refunds fetched", items, meta=meta)

    async def _list_chargebacks(self, request: Request) -> Response:
        refused = _refused(request)
        if refused is not None:
            return refused
        named = request.query_params.get("flw_ref", "").removeprefix("FLW-MOCK-")
        items = [
            {"id": _id_of(item), "amount": item.amount, "status": item.particulars["chargeback"]}
            for item in self.engine.movements.values()
            if item.provider_reference == named and item.particulars.get("chargeback")
        ]
        return _success("Chargebacks fetched", items)

    async def _balance(self, request: Request) -> Response:
        currency = request.path_params["currency"]
        balance = {"currency": currency, "available_balance": 0, "ledger_balance": 0}
        return _refused(request) or _success("Wallet balance fetched", balance)

    async def _show(self, request: Request) -> Response:
        movement = self._open(request)
        if movement is None:
            return Response("This session has ended.", status_code=404)
        description = movement.particulars["description"]
        checkout = Checkout(
            "Flutterwave", movement.amount, movement.currency, description, _BUTTONS
        )
        return show(checkout)

    async def _choose(self, request: Request) -> Response:
        movement = self._open(request)
        if movement is None:
            return Response("This session has ended.", status_code=404)
        choice = await chosen(request)
        told = {"status": "cancelled", "tx_ref": movement.reference}
        if choice in PAYING or choice is Choice.FAIL:
            movement.provider_reference = ""
            paid = choice in PAYING
            state = MovementState.SUCCEEDED if paid else MovementState.FAILED
            await self.engine.settle(movement.reference, state)
            told["status"] = "successful" if paid else "failed"
            told["transaction_id"] = movement.provider_reference
        return send_back(movement.callback_url or "", told)

    def _open(self, request: Request) -> Movement | None:
        """The payment of a page that is still open: in its time, unpaid, with tries left."""
        movement = self.engine.movements.get(self._links.get(request.path_params["link"], ""))
        unpaid = {MovementState.PENDING, MovementState.FAILED}
        if movement is None or movement.state not in unpaid:
            return None
        particulars = movement.particulars
        in_time = self._now_seconds() < particulars["closes_at"]
        return movement if in_time and particulars["tries_left"] != 0 else None

    async def _changed(self, movement: Movement) -> None:
        """Number a try, follow a dispute, and tell the merchant of anything but a dispute."""
        particulars = movement.particulars
        if movement.operation is Operation.REFUND:
            await self._tell("refund.completed", _refund_document(movement))
            return
        if not movement.provider_reference:
            movement.provider_reference = str(next(self._ids))
        if movement.state is MovementState.FAILED and particulars["tries_left"] is not None:
            particulars["tries_left"] -= 1
        was_disputed = particulars["chargeback"] is not None
        if was_disputed or movement.state in {MovementState.DISPUTED, MovementState.REVERSED}:
            particulars["chargeback"] = _CHARGEBACKS.get(movement.state, "initiated")
            return
        await self._tell("charge.completed", self._document(movement))

    async def _tell(self, event: str, data: Mapping[str, Any]) -> None:
        if self.engine.webhook_url is None:
            return
        body = json.dumps({"event": event, "data": data}).encode()
        forged = json.dumps({"event": event, "data": {**data, "status": "successful"}}).encode()
        signature = b64encode(hmac.digest(WEBHOOK_SECRET.encode(), body, "sha256")).decode()
        headers = {"Content-Type": "application/json"}
        proofs = {"verif-hash": WEBHOOK_SECRET, "flutterwave-signature": signature}
        callback = Callback(
            "POST",
            self.engine.webhook_url,
            body,
            headers | proofs,
            forged,
            headers | {"verif-hash": "guessed"},
        )
        await self.engine.courier.deliver(callback)

    def _now_seconds(self) -> int:
        return (self._clock.now_ms() + self.engine.offset_ms) // 1_000


def operation_of(scope: Scope) -> Operation | None:
    """Say what a request is, for the dial."""
    path: str = scope["path"]
    if path.endswith("/refund"):
        return Operation.REFUND
    beginnings = {
        "/v3/payments": Operation.COLLECT,
        "/v3/transactions/": Operation.READ,
        "/v3/refunds": Operation.READ,
        "/v3/chargebacks": Operation.DISPUTES,
        "/v3/balances/": Operation.BALANCE,
    }
    return next((found for start, found in beginnings.items() if path.startswith(start)), None)


def _malformed(wanted: Mapping[str, Any]) -> Response | None:
    amount, customer = wanted.get("amount"), wanted.get("customer") or {}
    if not wanted.get("tx_ref"):
        return _rejected("tx_ref is required", 400)
    if isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
        return _rejected("amount must be a positive number", 400)
    if not customer.get("email"):
        # A rejection with HTTP 200, as some of Flutterwave's are.
        return _rejected("customer email is required", 200)
    return None


def _refund_document(movement: Movement) -> dict[str, Any]:
    return {
        "id": int(movement.provider_reference),
        **movement.particulars,
        "amount_refunded": json.loads(movement.amount),
        "status": _REFUND_STATUSES[movement.state],
        "destination": "payment_source",
        "meta": {"source": "availablebalance"},
    }


def _id_of(movement: Movement) -> int:
    return int(movement.provider_reference)


def _refused(request: Request) -> Response | None:
    if request.headers.get("authorization") == f"Bearer {SECRET_KEY}":
        return None
    return _rejected("Invalid authorization key", 401)


def _rejected(message: str, status: int) -> Response:
    return JSONResponse({"status": "error", "message": message, "data": None}, status_code=status)


def _success(message: str, data: Any, **more: Any) -> Response:  # noqa: ANN401 - JSON
    return JSONResponse({"status": "success", "message": message, "data": data, **more})
