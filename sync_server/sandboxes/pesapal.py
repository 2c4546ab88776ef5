"""Pesapal 3.0 as its sandbox plays it: errors with HTTP 200, statuses that stay INVALID until
somebody pays, one refund for each payment, and notifications that name ids and nothing else.

What is undocumented is played as it would hurt most: an order whose id was used before becomes
another order under the same id, unless `refuses_repeats`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode
from uuid import NAMESPACE_URL, uuid5

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

CONSUMER_KEY: Final = "sandbox-consumer"
CONSUMER_SECRET: Final = "sandbox-secret"  # noqa: S105 - good at this sandbox only, and it says so
TOKEN_SECONDS: Final = 300
AMOUNT_MAX: Final = 50_000_000
_PAGE: Final = "/pesapaliframe/PesapalIframe3/Index/"
_CODES: Final = {
    MovementState.PENDING: 0,
    MovementState.SUCCEEDED: 1,
    MovementState.DISPUTED: 1,
    MovementState.FAILED: 2,
    MovementState.EXPIRED: 2,
    MovementState.REVERSED: 3,
}
# Cased as differently as the real ones.
_WORDS: Final = {0: "INVALID", 1: "COMPLETED", 2: "Failed", 3: "Reversed"}
_NO_ERROR: Final = dict.fromkeys(("error_type", "code", "message", "call_back_url"))
_BUTTONS: Final = {
    Choice.PAY_BY_PHONE: "Pay with MTN Mobile Money",
    Choice.PAY_BY_CARD: "Pay with Visa",
    Choice.FAIL: "Have it refused",
    Choice.LEAVE: "Back to the shop",
}
_METHODS: Final = {Choice.PAY_BY_PHONE: "MTN UG", Choice.PAY_BY_CARD: "Visa"}


class PesapalSandbox:
    """One merchant's account."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self.refuses_repeats = False
        self._clock = clock
        self._tokens: dict[str, int] = {}
        self._ipns: dict[str, tuple[str, str]] = {}
        self._orders: dict[str, Movement] = {}
        engine.settled = self._tell

    def app(self) -> ASGIApp:
        """Give the provider with its page, its dial and its control."""
        routes = [
            Route("/api/Auth/RequestToken", self._token, methods=["POST"]),
            Route("/api/URLSetup/RegisterIPN", self._register, methods=["POST"]),
            Route("/api/URLSetup/GetIpnList", self._list),
            Route("/api/Transactions/SubmitOrderRequest", self._submit, methods=["POST"]),
            Route("/api/Transactions/GetTransactionStatus", self._status),
            Route("/api/Transactions/RefundRequest", self._refund, methods=["POST"]),
            Route("/api/Transactions/CancelOrder", self._cancel, methods=["POST"]),
            Route(_PAGE, self._show),
            Route(_PAGE, self._choose, methods=["POST"]),
            *self.engine.control_routes(),
        ]
        return FaultyAnswers(Starlette(routes=routes), self.engine, operation_of)

    def forget_ipns(self) -> None:
        """Know no address for notifications any more, as after a move of the account."""
        self._ipns.clear()

    async def _token(self, request: Request) -> Response:
        wanted = await _body(request)
        given = (wanted.get("consumer_key"), wanted.get("consumer_secret"))
        if given != (CONSUMER_KEY, CONSUMER_SECRET):
            return _error("invalid_consumer_key_or_secret_provided", members={"token": None})
        token = f"sandbox-jwt-{len(self._tokens)}"
        self._tokens[token] = self._now_seconds() + TOKEN_SECONDS
        return _fine(token=token, expiryDate="2021-08-26T12:29:30.5177702Z")

    async def _register(self, request: Request) -> Response:
        if not self._is_known(request):
            return _unauthorized()
        wanted = await _body(request)
        url, method = str(wanted.get("url", "")), str(wanted.get("ipn_notification_type", "GET"))
        if any(url == registered for registered, _ in self._ipns.values()):
            return _error("url_already_registered", status=409)
        ipn_id = str(uuid5(NAMESPACE_URL, url))
        self._ipns[ipn_id] = (url, method)
        return _fine(
            url=url,
            created_date="2022-03-03T17:29:03.7208266Z",
            ipn_id=ipn_id,
            notification_type=int(method == "POST"),
            ipn_notification_type_description=method,
            ipn_status=1,
            ipn_status_description="Active",
        )

    async def _list(self, request: Request) -> Response:
        if not self._is_known(request):
            return _unauthorized()
        items = [
            {"url": url, "ipn_id": ipn_id, "error": None, "status": "200"}
            for ipn_id, (url, _) in self._ipns.items()
        ]
        return JSONResponse(items)

    async def _submit(self, request: Request) -> Response:
        if not self._is_known(request):
            return _unauthorized()
        wanted = await _body(request)
        refusal = self._refusal(wanted)
        if refusal:
            return _error(refusal)
        movement = self._accept(wanted)
        tracking_id = movement.provider_reference
        self.engine.settle_soon(movement)
        if self.engine.dial.take(Operation.CALLBACK, frozenset({Fault.CALLBACK_EARLY})):
            await self.engine.settle(movement.reference, MovementState.SUCCEEDED)
        page = f"{str(request.base_url).rstrip('/')}{_PAGE}"
        return _fine(
            order_tracking_id=tracking_id,
            merchant_reference=movement.reference,
            redirect_url=f"{page}?{urlencode({'OrderTrackingId': tracking_id})}",
        )

    def _refusal(self, wanted: Mapping[str, Any]) -> str:
        """The code of the error with which an order is refused; empty where it is not."""
        reference, amount = str(wanted.get("id", "")), wanted.get("amount")
        address = wanted.get("billing_address") or {}
        if not reference or len(reference) > 50 or len(str(wanted.get("description", ""))) > 100:  # noqa: PLR2004 - documented lengths
            return "invalid_api_request_parameters"
        if isinstance(amount, bool) or not isinstance(amount, int | float) or amount <= 0:
            return "invalid_api_request_parameters"
        if amount > AMOUNT_MAX:
            return "maximum_amount_limit_exceeded"
        if not (address.get("email_address") or address.get("phone_number")):
            return "invalid_api_request_parameters"
        if wanted.get("notification_id") not in self._ipns:
            return "invalid_ipn_id"
        is_repeat = reference in self.engine.movements
        return "duplicate_merchant_reference" if is_repeat and self.refuses_repeats else ""

    def _accept(self, wanted: Mapping[str, Any]) -> Movement:
        reference, number = wanted["id"], len(self._orders)
        movement = Movement(
            reference,
            Operation.COLLECT,
            str(wanted["amount"]),
            wanted["currency"],
            provider_reference=str(uuid5(NAMESPACE_URL, f"{reference}/{number}")),
            callback_url=wanted["callback_url"],
            particulars={
                "description": wanted.get("description", ""),
                "notification": wanted["notification_id"],
                "method": _METHODS[Choice.PAY_BY_PHONE],
                "confirmation": f"CONF{number:06}",
                "is_cancelled": False,
            },
        )
        self.engine.movements[reference] = movement
        self._orders[movement.provider_reference] = movement
        return movement

    async def _status(self, request: Request) -> Response:
        if not self._is_known(request):
            return _unauthorized()
        movement = self._orders.get(request.query_params.get("orderTrackingId", ""))
        if movement is None or movement.state is MovementState.PENDING:
            reference = movement.reference if movement is not None else None
            members = {
                "status_code": 0,
                "payment_status_description": "INVALID",
                "merchant_reference": reference,
            }
            return _error("payment_details_not_found", members=members)
        return JSONResponse(self._document(movement))

    def _document(self, movement: Movement) -> dict[str, Any]:
        amount, currency = self.engine.said_of(movement)
        code = _CODES[movement.state]
        return {
            "payment_method": movement.particulars["method"],
            "amount": json.loads(amount),
            "created_date": "2022-04-30T07:41:09.763",
            "confirmation_code": movement.particulars["confirmation"],
            "payment_status_description": _WORDS[code],
            "description": None,
            "message": "Request processed successfully",
            "payment_account": "476173**0010",
            "call_back_url": movement.callback_url,
            "status_code": code,
            "merchant_reference": movement.reference,
            "payment_status_code": movement.reason or "",
            "currency": currency,
            "error": _NO_ERROR,
            "status": "200",
        }

    async def _refund(self, request: Request) -> Response:
        if not self._is_known(request):
            return _unauthorized()
        wanted = await _body(request)
        code = wanted.get("confirmation_code")
        found = [m for m in self._orders.values() if m.particulars["confirmation"] == code]
        if not found or found[0].state is not MovementState.SUCCEEDED:
            return _error("refund_not_allowed")
        paid, name = found[0], f"refund of {code}"
        amount = wanted.get("amount", 0)
        is_part = amount < json.loads(paid.amount)
        by_phone = paid.particulars["method"] != _METHODS[Choice.PAY_BY_CARD]
        if name in self.engine.movements or amount > json.loads(paid.amount):
            return _error("refund_not_allowed")
        if is_part and by_phone:
            return _error("partial_refund_not_allowed")
        particulars = {"collection": paid.reference}
        self.engine.movements[name] = Movement(
            name, Operation.REFUND, str(amount), paid.currency, particulars=particulars
        )
        if self.engine.dial.take(Operation.CALLBACK, frozenset({Fault.CALLBACK_EARLY})):
            await self.engine.settle(name, MovementState.SUCCEEDED)
        return JSONResponse({"status": "200", "message": "Refund request successfully"})

    async def _cancel(self, request: Request) -> Response:
        if not self._is_known(request):
            return _unauthorized()
        movement = self._orders.get((await _body(request)).get("order_tracking_id", ""))
        may_be = {MovementState.PENDING, MovementState.FAILED}
        if movement is None or movement.state not in may_be or movement.particulars["is_cancelled"]:
            return JSONResponse({"status": "500", "message": "Order cannot be cancelled."})
        movement.particulars["is_cancelled"] = True
        return JSONResponse({"status": "200", "message": "Order successfully cancelled."})

    def _open(self, request: Request) -> Movement | None:
        """The order of a page that is still there: not cancelled, and not paid."""
        movement = self._orders.get(request.query_params.get("OrderTrackingId", ""))
        unpaid = {MovementState.PENDING, MovementState.FAILED}
        if movement is None or movement.state not in unpaid:
            return None
        return None if movement.particulars["is_cancelled"] else movement

    async def _show(self, request: Request) -> Response:
        movement = self._open(request)
        if movement is None:
            return Response("This order is not there any more.", status_code=404)
        description = movement.particulars["description"]
        return show(Checkout("Pesapal", movement.amount, movement.currency, description, _BUTTONS))

    async def _choose(self, request: Request) -> Response:
        movement = self._open(request)
        if movement is None:
            return Response("This order is not there any more.", status_code=404)
        choice = await chosen(request)
        # This very order, though another may have its reference by now.
        if choice in PAYING:
            movement.particulars["method"] = _METHODS[choice]
            movement.state, movement.reason = MovementState.SUCCEEDED, None
            await self._tell(movement)
        elif choice is Choice.FAIL:
            movement.state, movement.reason = MovementState.FAILED, "request_terminated_by_user"
            await self._tell(movement)
        return send_back(movement.callback_url or "", self._names(movement, "CALLBACKURL"))

    def _names(self, movement: Movement, event: str) -> dict[str, str]:
        return {
            "OrderTrackingId": movement.provider_reference,
            "OrderMerchantReference": movement.reference,
            "OrderNotificationType": event,
        }

    async def _tell(self, movement: Movement) -> None:
        """Notify of a change; what was given back becomes a change of what was paid."""
        if movement.operation is Operation.REFUND:
            if movement.state is MovementState.SUCCEEDED:
                paid = movement.particulars["collection"]
                await self.engine.settle(paid, MovementState.REVERSED)
            return
        url, method = self._ipns[movement.particulars["notification"]]
        names = self._names(movement, "IPNCHANGE")
        if method == "POST":
            body, forged = json.dumps(names), json.dumps({**names, "status_code": 1})
            headers = {"Content-Type": "application/json"}
            callback = Callback("POST", url, body.encode(), headers, forged.encode())
        else:
            callback = Callback("GET", f"{url}?{urlencode(names)}", forged=b"")
        await self.engine.courier.deliver(callback)

    def _is_known(self, request: Request) -> bool:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        return self._now_seconds() < self._tokens.get(token, 0)

    def _now_seconds(self) -> int:
        return (self._clock.now_ms() + self.engine.offset_ms) // 1_000


def operation_of(scope: Scope) -> Operation | None:
    """Say what a request is, for the dial."""
    path: str = scope["path"]
    endings = {
        "/RequestToken": Operation.TOKEN,
        "/SubmitOrderRequest": Operation.COLLECT,
        "/GetTransactionStatus": Operation.READ,
        "/RefundRequest": Operation.REFUND,
        "/CancelOrder": Operation.WITHDRAW,
    }
    return next((found for ending, found in endings.items() if path.endswith(ending)), None)


async def _body(request: Request) -> dict[str, Any]:
    document = json.loads(await request.body())
    return document if isinstance(document, dict) else {}


def _fine(**members: Any) -> Response:  # noqa: ANN401 - JSON
    ending = {"error": None, "status": "200", "message": "Request processed successfully"}
    return JSONResponse({**members, **ending})


def _error(code: str, status: int = 200, members: Mapping[str, Any] | None = None) -> Response:
    """Write an error whose message is empty, as many of the real ones are."""
    error = {"error_type": "api_error", "code": code, "message": ""}
    document = {**(members or {}), "error": error, "status": "500"}
    return JSONResponse(document, status_code=status)


def _unauthorized() -> Response:
    return _error("invalid_token", status=401)
