"""MTN MoMo as its sandbox plays it: tokens for each product, 202 and silence, one callback that
nobody signs, statuses whose reason is a bare word, and telephones that decide what happens.

Scenarios by telephone are those of MTN's own sandbox (momodeveloper.mtn.com, testing). A callback
comes by PUT and POST in turn, as MTN's documents contradict each other.
"""

import base64
import json
import re
from typing import Any, Final
from uuid import UUID

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

SUBSCRIPTION_KEYS: Final = {"collection": "collection-key", "disbursement": "disbursement-key"}
API_USER: Final = "c72025f5-5cd1-4630-99e4-8ba4722fad56"
API_KEY: Final = "sandbox-api-key"
TOKEN_SECONDS: Final = 3_600
ONGOING_SECONDS: Final = 30
_AMOUNT: Final = re.compile(r"^\d+(\.\d{1,2})?$")
_NOTE: Final = re.compile(r"^[^']{0,160}$")
_STATES: Final = {
    MovementState.PENDING: "PENDING",
    MovementState.SUCCEEDED: "SUCCESSFUL",
    MovementState.FAILED: "FAILED",
    MovementState.EXPIRED: "FAILED",
    # MTN tells of no dispute.
    MovementState.DISPUTED: "SUCCESSFUL",
    MovementState.REVERSED: "FAILED",
}
_PREFIX: Final = "467331234"
_OF_REQUESTS: Final = {
    "50": (202, "INTERNAL_PROCESSING_ERROR"),
    "51": (202, "APPROVAL_REJECTED"),
    "52": (202, "EXPIRED"),
    "55": (500, "PAYER_NOT_FOUND"),
    "56": (500, "PAYEE_NOT_ALLOWED_TO_RECEIVE"),
    "57": (500, "NOT_ALLOWED"),
    "58": (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    "59": (500, "INVALID_CALLBACK_URL_HOST"),
    "60": (500, "INVALID_CURRENCY"),
    "61": (500, "INTERNAL_PROCESSING_ERROR"),
    "62": (503, "SERVICE_UNAVAILABLE"),
    "63": (202, "COULD_NOT_PERFORM_TRANSACTION"),
}
_OF_TRANSFERS: Final = {
    "50": (202, "INTERNAL_PROCESSING_ERROR"),
    "51": (202, "APPROVAL_REJECTED"),
    "52": (202, "EXPIRED"),
    "55": (500, "NOT_ENOUGH_FUNDS"),
    "56": (500, "PAYER_LIMIT_REACHED"),
    "57": (500, "PAYEE_NOT_FOUND"),
    "58": (500, "NOT_ALLOWED"),
    "59": (500, "NOT_ALLOWED_TARGET_ENVIRONMENT"),
    "60": (500, "INVALID_CALLBACK_URL_HOST"),
    "61": (500, "INVALID_CURRENCY"),
    "62": (500, "INTERNAL_PROCESSING_ERROR"),
    "63": (503, "SERVICE_UNAVAILABLE"),
}
_ONGOING, _DELAYED = "53", "54"


class MtnSandbox:
    """One account with both products."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self._clock = clock
        self._tokens: dict[str, tuple[str, int]] = {}
        self._callbacks = 0
        engine.settled = self._tell

    def app(self) -> ASGIApp:
        """Give the provider with its dial and its control."""
        request_to_pay = "/collection/v1_0/requesttopay"
        transfer = "/disbursement/v1_0/transfer"
        holder = "/{product}/v1_0/accountholder/msisdn/{msisdn}"
        routes = [
            Route("/{product}/token/", self._token, methods=["POST"]),
            Route(request_to_pay, self._collect, methods=["POST"]),
            Route(transfer, self._transfer, methods=["POST"]),
            Route("/disbursement/v2_0/refund", self._refund, methods=["POST"]),
            Route(f"{request_to_pay}/{{reference}}", self._status),
            Route(f"{transfer}/{{reference}}", self._status),
            Route("/disbursement/v1_0/refund/{reference}", self._status),
            Route("/{product}/v1_0/account/balance", self._balance),
            Route(f"{holder}/active", self._active),
            Route(f"{holder}/basicuserinfo", self._user_info),
            *self.engine.control_routes(),
        ]
        return FaultyAnswers(Starlette(routes=routes), self.engine, operation_of)

    async def _token(self, request: Request) -> Response:
        product = request.path_params["product"]
        pair = base64.b64encode(f"{API_USER}:{API_KEY}".encode()).decode()
        if request.headers.get("ocp-apim-subscription-key") != SUBSCRIPTION_KEYS.get(product):
            return _no_subscription()
        if await request.body():
            return Response(status_code=400)
        if request.headers.get("authorization") != f"Basic {pair}":
            return JSONResponse({"error": "login_failed"}, status_code=401)
        token = f"{product}-token-{len(self._tokens)}"
        self._tokens[token] = (product, self._now_seconds() + TOKEN_SECONDS)
        answer = {"access_token": token, "token_type": "access_token", "expires_in": TOKEN_SECONDS}
        return JSONResponse(answer)

    async def _collect(self, request: Request) -> Response:
        return await self._create(request, Operation.COLLECT, "payer", _OF_REQUESTS)

    async def _transfer(self, request: Request) -> Response:
        return await self._create(request, Operation.DISBURSE, "payee", _OF_TRANSFERS)

    async def _refund(self, request: Request) -> Response:
        refused = self._refused(request, "disbursement")
        if refused is not None:
            return refused
        body = json.loads(await request.body())
        collected = self.engine.movements.get(body.get("referenceIdToRefund", ""))
        if collected is None or collected.state is not MovementState.SUCCEEDED:
            return _error(404, "RESOURCE_NOT_FOUND")
        party = collected.particulars["party"]
        answer = self._accept(request, Operation.REFUND, body, party)
        if answer.status_code == 202:  # noqa: PLR2004 - accepted
            await self._play(request.headers["x-reference-id"], party, "")
        return answer

    async def _create(
        self,
        request: Request,
        operation: Operation,
        party: str,
        scenarios: dict[str, tuple[int, str]],
    ) -> Response:
        product = "collection" if operation is Operation.COLLECT else "disbursement"
        refused = self._refused(request, product)
        if refused is not None:
            return refused
        body = json.loads(await request.body())
        if not _is_well_formed(body, party):
            return Response(status_code=400)
        msisdn = body[party]["partyId"]
        status, reason = scenarios.get(_scenario(msisdn), (202, ""))
        if status != 202:  # noqa: PLR2004 - accepted
            return _error(status, reason)
        answer = self._accept(request, operation, body, msisdn)
        if answer.status_code == 202:  # noqa: PLR2004 - accepted
            await self._play(request.headers["x-reference-id"], msisdn, reason)
        return answer

    def _accept(
        self, request: Request, operation: Operation, body: dict[str, Any], msisdn: str
    ) -> Response:
        reference = request.headers.get("x-reference-id", "")
        if not _is_uuid4(reference):
            return Response(status_code=400)
        if reference in self.engine.movements:
            return _error(409, "RESOURCE_ALREADY_EXIST")
        movement = Movement(
            reference,
            operation,
            body["amount"],
            body["currency"],
            provider_reference=str(1_000_000 + len(self.engine.movements)),
            callback_url=request.headers.get("x-callback-url"),
            particulars={
                "party": msisdn,
                "externalId": body.get("externalId", ""),
                "created": self._now_seconds(),
            },
        )
        self.engine.movements[reference] = movement
        self.engine.settle_soon(movement)
        return Response(status_code=202)

    async def _play(self, reference: str, msisdn: str, reason: str) -> None:
        """What the telephone's number decides, or a callback that overtakes the answer."""
        if reason:
            expired = reason in {"EXPIRED", "COULD_NOT_PERFORM_TRANSACTION"}
            state = MovementState.EXPIRED if expired else MovementState.FAILED
            await self.engine.settle(reference, state, reason)
        elif self.engine.dial.take(Operation.CALLBACK, frozenset({Fault.CALLBACK_EARLY})):
            await self.engine.settle(reference, MovementState.SUCCEEDED)
        elif _scenario(msisdn) in {_ONGOING, _DELAYED}:
            self.engine.movements[reference].particulars["scenario"] = _scenario(msisdn)

    async def _status(self, request: Request) -> Response:
        product = request.url.path.split("/")[1]
        refused = self._refused(request, product)
        if refused is not None:
            return refused
        movement = self.engine.movements.get(request.path_params["reference"])
        if movement is None:
            return _error(404, "RESOURCE_NOT_FOUND")
        waited = self._now_seconds() - movement.particulars["created"]
        if movement.particulars.get("scenario") == _ONGOING and waited >= ONGOING_SECONDS:
            movement.state = MovementState.SUCCEEDED
        return JSONResponse(self._document(movement))

    def _document(self, movement: Movement) -> dict[str, Any]:
        amount, currency = self.engine.said_of(movement)
        party = {"partyIdType": "MSISDN", "partyId": movement.particulars["party"]}
        succeeded = movement.state is MovementState.SUCCEEDED
        return {
            "amount": amount,
            "currency": currency,
            "externalId": movement.particulars["externalId"],
            "payer" if movement.operation is Operation.COLLECT else "payee": party,
            "status": _STATES[movement.state],
            **({"financialTransactionId": movement.provider_reference} if succeeded else {}),
            **({"reason": movement.reason} if movement.reason else {}),
        }

    async def _balance(self, request: Request) -> Response:
        refused = self._refused(request, request.path_params["product"])
        currency = request.query_params.get("currency", "UGX")
        held = f"{self.engine.float_held(currency):f}"
        return refused or JSONResponse({"availableBalance": held, "currency": currency})

    async def _active(self, request: Request) -> Response:
        refused = self._refused(request, request.path_params["product"])
        if refused is not None:
            return refused
        scenario = _scenario(request.path_params["msisdn"])
        if scenario == "50":
            return _error(404, "RESOURCE_NOT_FOUND")
        return JSONResponse({"result": scenario != "51"})

    async def _user_info(self, request: Request) -> Response:
        refused = self._refused(request, request.path_params["product"])
        name = {"given_name": "Sand", "family_name": "Box", "status": "ACTIVE"}
        return refused or JSONResponse(name)

    def _refused(self, request: Request, product: str) -> Response | None:
        headers = request.headers
        if headers.get("ocp-apim-subscription-key") != SUBSCRIPTION_KEYS.get(product):
            return _no_subscription()
        token = headers.get("authorization", "").removeprefix("Bearer ")
        known_product, until = self._tokens.get(token, ("", 0))
        if known_product != product or self._now_seconds() >= until:
            return JSONResponse({"message": "Unauthorized"}, status_code=401)
        if headers.get("x-target-environment") != "sandbox":
            return _error(500, "NOT_ALLOWED_TARGET_ENVIRONMENT")
        return None

    async def _tell(self, movement: Movement) -> None:
        if movement.callback_url is None:
            return
        self._callbacks += 1
        document = self._document(movement)
        forged = json.dumps({**document, "amount": "1", "status": "SUCCESSFUL"}).encode()
        callback = Callback(
            "PUT" if self._callbacks % 2 else "POST",
            movement.callback_url,
            json.dumps(document).encode(),
            {"Content-Type": "application/json"},
            forged,
        )
        await self.engine.courier.deliver(callback)

    def _now_seconds(self) -> int:
        return (self._clock.now_ms() + self.engine.offset_ms) // 1_000


def operation_of(scope: Scope) -> Operation | None:
    """Say what a request is, for the dial."""
    path: str = scope["path"]
    if path.endswith("/token/"):
        return Operation.TOKEN
    if scope["method"] == "GET":
        return None if path.startswith("/__") else Operation.READ
    endings = {
        "/requesttopay": Operation.COLLECT,
        "/transfer": Operation.DISBURSE,
        "/refund": Operation.REFUND,
    }
    return next((found for ending, found in endings.items() if path.endswith(ending)), None)


def _is_well_formed(body: object, party: str) -> bool:
    if not isinstance(body, dict) or not isinstance(body.get(party), dict):
        return False
    notes = (body.get("payerMessage", ""), body.get("payeeNote", ""))
    return (
        isinstance(body.get("amount"), str)
        and _AMOUNT.match(body["amount"]) is not None
        and isinstance(body.get("currency"), str)
        and all(_NOTE.match(note) for note in notes)
        and str(body[party].get("partyId", "")).isdigit()
    )


def _scenario(msisdn: str) -> str:
    return msisdn[-2:] if msisdn.startswith(_PREFIX) else ""


def _is_uuid4(text: str) -> bool:
    try:
        return UUID(text).version == 4  # noqa: PLR2004 - the version MTN asks for
    except ValueError:
        return False


def _error(status: int, code: str) -> Response:
    return JSONResponse({"code": code, "message": code.lower()}, status_code=status)


def _no_subscription() -> Response:
    message = "Access denied due to invalid subscription key"
    return JSONResponse({"statusCode": 401, "message": message}, status_code=401)
