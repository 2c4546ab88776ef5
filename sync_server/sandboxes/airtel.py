"""Airtel Money as its Open API plays it: tokens that live 180 seconds, refusals with HTTP 200, a
refund that succeeds with `success: false`, balances written for people, and one callback with a
hash, to the address that the portal knows.

Telephones that begin with 7000000 decide by their last two digits what happens.
"""

import base64
import hashlib
import hmac
import json
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC
from cryptography.hazmat.primitives.padding import PKCS7
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
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

CLIENT_ID: Final = "sandbox-client"
CLIENT_SECRET: Final = "sandbox-secret"  # noqa: S105 - opens nothing but this
CALLBACK_KEY: Final = "sandbox-callback-key"
PIN: Final = "4321"
TOKEN_SECONDS: Final = 180
NATIONAL_DIGITS: Final = 9
_KEY_BITS: Final = 1_024
_STATES: Final = {
    MovementState.PENDING: "TIP",
    MovementState.SUCCEEDED: "TS",
    MovementState.FAILED: "TF",
    MovementState.EXPIRED: "TE",
    MovementState.REVERSED: "TF",
}
_PREFIX: Final = "7000000"
_REFUSED: Final = {"05": "DP00800001005", "35": "ESB000035", "98": "DP00800001000"}
"""Said at once, with HTTP 200."""
_DECIDED: Final = {
    "02": (MovementState.FAILED, "DP00800001002"),
    "07": (MovementState.FAILED, "DP00800001007"),
    "08": (MovementState.FAILED, "DP00800001008"),
    "29": (MovementState.EXPIRED, "DP00800001029"),
}


class AirtelSandbox:
    """One application with collections and disbursements."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self.engine = engine
        self._clock = clock
        self._tokens: dict[str, int] = {}
        self._kept_key: rsa.RSAPrivateKey | None = None
        self.tells_amounts = True
        """Whether its sentence says what was paid, or nothing but "Success"."""
        engine.settled = self._tell

    def app(self) -> ASGIApp:
        """Give the provider with its dial and its control."""
        routes = [
            Route("/auth/oauth2/token", self._token, methods=["POST"]),
            Route("/v1/rsa/encryption-keys", self._encryption_key),
            Route("/merchant/{version}/payments/", self._collect, methods=["POST"]),
            Route("/standard/{version}/payments/refund", self._refund, methods=["POST"]),
            Route("/standard/v1/payments/{id}", self._status),
            Route("/standard/v2/disbursements/", self._disburse, methods=["POST"]),
            Route("/standard/v1/disbursements/{id}", self._status),
            Route("/standard/v1/users/balance", self._balance),
            Route("/standard/v1/users/{msisdn}", self._user),
            *self.engine.control_routes(),
        ]
        return FaultyAnswers(Starlette(routes=routes), self.engine, operation_of)

    def change_key(self) -> None:
        """Make what was encrypted for the old public key worthless."""
        self._kept_key = None

    @property
    def _key(self) -> rsa.RSAPrivateKey:
        """Made when somebody asks for it: most never do. Airtel's own keys are no longer."""
        if self._kept_key is None:
            self._kept_key = rsa.generate_private_key(65_537, _KEY_BITS)
        return self._kept_key

    async def _token(self, request: Request) -> Response:
        body = await _json(request)
        if (body.get("client_id"), body.get("client_secret")) != (CLIENT_ID, CLIENT_SECRET):
            error = {"error": "invalid_client", "error_description": "Invalid client"}
            return JSONResponse(error, status_code=401)
        token = f"airtel-token-{len(self._tokens)}"
        self._tokens[token] = self._now_seconds() + TOKEN_SECONDS
        life = {"expires_in": str(TOKEN_SECONDS), "token_type": "bearer"}
        return JSONResponse({"access_token": token, **life})

    async def _encryption_key(self, request: Request) -> Response:
        refused = self._refused(request)
        der = self._key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        key = {"key_id": 100, "key": base64.b64encode(der).decode()}
        return refused or JSONResponse({**key, "valid_upto": "31-12-2099 23:59:59"})

    async def _collect(self, request: Request) -> Response:
        body = await _json(request)
        refused = (
            self._refused(request) or await self._unsigned(request) or _fault_of(body, "subscriber")
        )
        if refused is not None:
            return refused
        msisdn = body["subscriber"]["msisdn"]
        scenario = msisdn[-2:] if msisdn.startswith(_PREFIX) else ""
        if scenario in _REFUSED:
            return _said(_REFUSED[scenario], is_success=False)
        movement = self._record(Operation.COLLECT, body, msisdn)
        if movement is None:
            return _said("ESB000041", is_success=False)
        if scenario in _DECIDED:
            await self.engine.settle(movement.reference, *_DECIDED[scenario])
        else:
            await self._overtake(movement)
        data = {"transaction": {"id": False, "status": "SUCCESS"}}
        return _said("DP00800001006", data=data)

    async def _disburse(self, request: Request) -> Response:
        body = await _json(request)
        refused = self._refused(request) or _fault_of(body, "payee")
        if refused is not None:
            return refused
        if self._pin_of(body) != PIN:
            return _router("ROUTER116", "Incorrect encrypted PIN")
        movement = self._record(Operation.DISBURSE, body, body["payee"]["msisdn"])
        if movement is None:
            return _said("DP00900001017", is_success=False)
        await self._overtake(movement)
        return _said("DP00900001006", data={"transaction": self._transaction(movement)})

    async def _overtake(self, movement: Movement) -> None:
        """Have a callback that is quicker than the answer, where the dial says so."""
        if self.engine.dial.take(Operation.CALLBACK, frozenset({Fault.CALLBACK_EARLY})):
            await self.engine.settle(movement.reference, MovementState.SUCCEEDED)

    async def _refund(self, request: Request) -> Response:
        """Done with the answer, of which no enquiry and no callback tells any more."""
        refused = self._refused(request) or await self._unsigned(request)
        if refused is not None:
            return refused
        theirs = (await _json(request)).get("transaction", {}).get("airtel_money_id")
        paid = [
            movement
            for movement in self.engine.movements.values()
            if movement.provider_reference == theirs and movement.state is MovementState.SUCCEEDED
        ]
        name = f"refund of {theirs}"
        if not paid or name in self.engine.movements:
            return _said("DP00800001008", is_success=False)
        self.engine.movements[name] = Movement(
            name, Operation.REFUND, paid[0].amount, paid[0].currency, MovementState.SUCCEEDED
        )
        transaction = {"airtel_money_id": f"CI{theirs}", "status": "SUCCESS"}
        # Airtel's own example of a refund that worked says that it did not.
        return _said("", is_success=False, data={"transaction": transaction})

    async def _status(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        movement = self.engine.movements.get(_reference_of(request.path_params["id"]))
        if movement is None:
            return _said("DP00800001025", 404, is_success=False)
        code = movement.reason or "DP00800001006"
        return _said(code, data={"transaction": self._transaction(movement)})

    async def _balance(self, request: Request) -> Response:
        refused = self._refused(request)
        currency = request.headers.get("x-currency", "")
        held = f"{self.engine.float_held(currency):,.2f}"
        balance = {"balance": held, "currency": currency, "account_status": "Active"}
        return refused or _said("DP02100000001", data=balance)

    async def _user(self, request: Request) -> Response:
        refused = self._refused(request)
        if refused is not None:
            return refused
        msisdn = request.path_params["msisdn"]
        if len(msisdn) != NATIONAL_DIGITS:
            return _said("ESB000036", 400, is_success=False)
        if msisdn.startswith(f"{_PREFIX}5"):
            return _said("DP02200000000", 404, is_success=False)
        person = {
            "first_name": "Sand",
            "last_name": "Box",
            "is_barred": msisdn.startswith(f"{_PREFIX}6"),
            "is_pin_set": True,
            "msisdn": int(msisdn),
            "registration": {"status": "SUBS"},
        }
        return _said("DP02200000001", data=person)

    def _record(self, operation: Operation, body: dict[str, Any], msisdn: str) -> Movement | None:
        """Keep a movement under the merchant's reference, as its control names it."""
        reference = _reference_of(body["transaction"]["id"])
        if reference in self.engine.movements:
            return None
        party = body["subscriber"] if operation is Operation.COLLECT else body["payee"]
        movement = Movement(
            reference,
            operation,
            str(body["transaction"]["amount"]),
            party["currency"],
            provider_reference=f"MP2611260404L{len(self.engine.movements):05}",
            callback_url=self.engine.webhook_url,
            particulars={"id": body["transaction"]["id"], "msisdn": msisdn},
        )
        self.engine.movements[reference] = movement
        self.engine.settle_soon(movement)
        return movement

    def _transaction(self, movement: Movement) -> dict[str, str]:
        amount, currency = self.engine.said_of(movement)
        succeeded = movement.state is MovementState.SUCCEEDED
        paid = f"Paid {currency} {int(amount):,} to ZERAKET Charge {currency} 0"
        told = paid if self.tells_amounts else "Success"
        return {
            "id": movement.particulars["id"],
            # Airtel knows no other: money that came has come.
            "status": _STATES.get(movement.state, "TS"),
            "message": told if succeeded else "Transaction in process",
            **({"airtel_money_id": movement.provider_reference} if succeeded else {}),
        }

    async def _tell(self, movement: Movement) -> None:
        if movement.callback_url is None:
            return
        transaction = self._transaction(movement)
        transaction["status_code"] = transaction.pop("status")
        forged = {**transaction, "status_code": "TS", "message": "Paid UGX 1 to NOBODY"}
        callback = Callback(
            "POST",
            movement.callback_url,
            _signed(transaction, CALLBACK_KEY),
            {"Content-Type": "application/json"},
            _signed(forged, "a stranger's key"),
        )
        await self.engine.courier.deliver(callback)

    def _refused(self, request: Request) -> Response | None:
        headers = request.headers
        token = headers.get("authorization", "").removeprefix("Bearer ")
        if self._now_seconds() >= self._tokens.get(token, 0):
            error = {"error": "invalid_token", "error_description": "Invalid access token"}
            return JSONResponse(error, status_code=401)
        if not headers.get("x-country") or not headers.get("x-currency"):
            return _router("ROUTER003", "Missing header")
        return None

    async def _unsigned(self, request: Request) -> Response | None:
        """The second version of a call is signed, byte for byte."""
        if request.path_params["version"] == "v1":
            return None
        try:
            pair = self._decrypted(request.headers.get("x-key", "")).split(b":")
            key, vector = map(base64.b64decode, pair)
            decryptor = Cipher(AES(key), CBC(vector)).decryptor()
            hidden = base64.b64decode(request.headers.get("x-signature", ""), validate=True)
            unpadder = PKCS7(AES.block_size).unpadder()
            padded = decryptor.update(hidden) + decryptor.finalize()
            if unpadder.update(padded) + unpadder.finalize() == await request.body():
                return None
        except ValueError:
            pass
        return _said("DP00800001026", 403, is_success=False)

    def _decrypted(self, text: str) -> bytes:
        return self._key.decrypt(base64.b64decode(text, validate=True), padding.PKCS1v15())

    def _pin_of(self, body: dict[str, Any]) -> str:
        try:
            return self._decrypted(body.get("pin", "")).decode()
        except ValueError:
            return ""

    def _now_seconds(self) -> int:
        return (self._clock.now_ms() + self.engine.offset_ms) // 1_000


def operation_of(scope: Scope) -> Operation | None:
    """Say what a request is, for the dial; the public key is fetched on the way to a call, as a
    token is.
    """
    path: str = scope["path"]
    if path.startswith("/__"):
        return None
    if path in {"/auth/oauth2/token", "/v1/rsa/encryption-keys"}:
        return Operation.TOKEN
    if scope["method"] == "GET":
        return Operation.READ
    endings = {
        "/payments/": Operation.COLLECT,
        "/disbursements/": Operation.DISBURSE,
        "/refund": Operation.REFUND,
    }
    return next((found for ending, found in endings.items() if path.endswith(ending)), None)


def _fault_of(body: dict[str, Any], party: str) -> Response | None:
    """Airtel refuses a number with its country's code, an amount in text, an id with dashes."""
    person, transaction = body.get(party, {}), body.get("transaction", {})
    msisdn, their_id = str(person.get("msisdn", "")), str(transaction.get("id", ""))
    if len(msisdn) != NATIONAL_DIGITS or not msisdn.isdigit():
        return _said("ESB000036", 400, is_success=False)
    if not isinstance(transaction.get("amount"), int) or transaction["amount"] <= 0:
        return _said("DP00800001004", 400, is_success=False)
    lengths_fit = 4 <= len(their_id) <= 64 and 4 <= len(str(body.get("reference", ""))) <= 64  # noqa: PLR2004
    if not lengths_fit or not their_id.isalnum():
        return _said("ESB000008", 400, is_success=False)
    return None


def _said(
    code: str, status: int = 200, *, is_success: bool = True, data: dict[str, Any] | None = None
) -> Response:
    said = {
        "code": str(status),
        "message": "SUCCESS" if is_success or data else "Failed",
        "result_code": code if code.startswith("ESB") else "ESB000010",
        "response_code": "" if code.startswith("ESB") else code,
        "success": is_success,
    }
    return JSONResponse({**({"data": data} if data else {}), "status": said}, status_code=status)


def _router(code: str, message: str) -> Response:
    return JSONResponse({"status_code": code, "status_message": message}, status_code=400)


def _signed(transaction: dict[str, str], key: str) -> bytes:
    text = json.dumps(transaction, separators=(",", ":"))
    digest = hmac.new(key.encode(), text.encode(), hashlib.sha256).digest()
    return f'{{"transaction":{text},"hash":"{base64.b64encode(digest).decode()}"}}'.encode()


async def _json(request: Request) -> dict[str, Any]:
    document = json.loads(await request.body())
    return document if isinstance(document, dict) else {}


def _reference_of(their_id: str) -> str:
    try:
        return str(UUID(their_id))
    except ValueError:
        return their_id
