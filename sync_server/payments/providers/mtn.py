"""MTN MoMo Open API: collections, refunds and disbursements.

Formats as momodeveloper.mtn.com documents them, quirks as integrators met them. Our reference is
the call's `X-Reference-Id`, a UUID of version 4; no callback names it, so it stands in the
callback's URL.
"""

import base64
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit

from shared.clock import Clock
from shared.money import Money
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    Destination,
    DisbursementRequest,
    Hint,
    HolderName,
    Notice,
    RefundRequest,
    Refused,
    Unknown,
)
from sync_server.payments.providers.amounts import from_major, to_major
from sync_server.payments.providers.calls import (
    Call,
    FreshToken,
    Line,
    Reply,
    Silence,
    TokenKeeper,
    json_bytes,
    parse_object,
    send_with_token,
    token_answer,
)
from sync_server.payments.providers.notes import plain_note
from sync_server.payments.rules import Finding, Provider, Reading

NOTE_CHARACTERS_MAX: Final = 128
_FINDINGS: Final = {
    "PENDING": Finding.PENDING,
    "SUCCESSFUL": Finding.SUCCEEDED,
    "FAILED": Finding.FAILED,
}
# A 500 with one of these is an answer; with none of them nobody knows what happened.
_DEFINITIVE: Final = frozenset(
    {
        "NOT_ALLOWED",
        "NOT_ALLOWED_TARGET_ENVIRONMENT",
        "INVALID_CALLBACK_URL_HOST",
        "INVALID_CURRENCY",
        "INTERNAL_PROCESSING_ERROR",
        "PAYER_NOT_FOUND",
        "NOT_ENOUGH_FUNDS",
        "PAYER_LIMIT_REACHED",
        "PAYEE_NOT_FOUND",
        "PAYEE_NOT_ALLOWED_TO_RECEIVE",
    }
)
_EXPIRED_REASONS: Final = frozenset({"EXPIRED", "COULD_NOT_PERFORM_TRANSACTION"})
_ACCEPTED, _NOT_FOUND, _CONFLICT = 202, 404, 409
_NOBODY_KNOWS_IT: Final = frozenset({"RESOURCE_NOT_FOUND", "TRANSACTION_NOT_FOUND"})


@dataclass(frozen=True, slots=True)
class MtnProduct:
    """Credentials of one product: collections and disbursements have their own."""

    subscription_key: str = field(repr=False)
    api_user: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class MtnConfiguration:
    base_url: str
    target_environment: str
    collection: MtnProduct
    disbursement: MtnProduct | None = None


class Mtn:
    """A Collector, and a Disburser where there are credentials for disbursements."""

    provider = Provider.MTN

    def __init__(self, configuration: MtnConfiguration, line: Line, clock: Clock) -> None:
        self._configuration = configuration
        self._line = line
        collection = configuration.collection
        self._products = {
            "collection": collection,
            "disbursement": configuration.disbursement or collection,
        }
        self._keepers = {
            name: TokenKeeper(self._token_fetcher(name), clock) for name in self._products
        }

    async def collect(self, request: CollectionRequest) -> Answer:
        body = {
            **_movement(request.amount, request.order_number, request.description),
            "payer": _party(request.payer.phone),
        }
        callback = with_reference(request.callback_url, request.reference)
        path = "/collection/v1_0/requesttopay"
        return await self._create("collection", path, request.reference, body, callback)

    async def read_collection(self, reference: CollectionReference) -> Reading:
        return await self._read("collection", "/collection/v1_0/requesttopay", reference.reference)

    def read_notice(self, notice: Notice) -> Hint | None:
        reference = notice.query.get("reference")
        document = parse_object(notice.body)
        status = document.get("status")
        if not reference or not isinstance(status, str):
            return None
        transaction = document.get("financialTransactionId")
        theirs = transaction if isinstance(transaction, str) else None
        return Hint(reference, theirs, status, is_authentic=None)

    def acknowledge(self, _hint: Hint) -> Mapping[str, object]:
        return {}

    async def refund(self, request: RefundRequest) -> Answer:
        body = {
            **_movement(request.amount, request.reference, request.reason),
            "referenceIdToRefund": request.collection.reference,
        }
        callback = with_reference(request.callback_url, request.reference)
        path = "/disbursement/v2_0/refund"
        return await self._create("disbursement", path, request.reference, body, callback)

    async def read_refund(self, request: RefundRequest) -> Reading:
        return await self._read("disbursement", "/disbursement/v1_0/refund", request.reference)

    async def check_holder(self, destination: Destination, _currency: str) -> HolderName | None:
        place = f"/disbursement/v1_0/accountholder/msisdn/{_msisdn(destination.account)}"
        active = await self._get("disbursement", f"{place}/active", "accountholder/active")
        if not isinstance(active, Reply):
            return None
        if active.status == _NOT_FOUND:
            return HolderName(None, is_active=False)
        if not active.is_success:
            return None
        is_active = active.document is True or active.member("result") is True
        told = await self._get("disbursement", f"{place}/basicuserinfo", "basicuserinfo")
        names = (
            [told.text("given_name"), told.text("family_name")] if isinstance(told, Reply) else []
        )
        return HolderName(" ".join(filter(None, names)) or None, is_active=is_active)

    async def disburse(self, request: DisbursementRequest) -> Answer:
        body = {
            **_movement(request.amount, request.payout_number, request.description),
            "payee": _party(request.destination.account),
        }
        callback = with_reference(request.callback_url, request.reference)
        path = "/disbursement/v1_0/transfer"
        return await self._create("disbursement", path, request.reference, body, callback)

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        return await self._read("disbursement", "/disbursement/v1_0/transfer", request.reference)

    async def read_balance(self, currency: str) -> Money | None:
        answer = await self._get("disbursement", "/disbursement/v1_0/account/balance", "balance")
        if not isinstance(answer, Reply) or not answer.is_success:
            return None
        balance = from_major(answer.member("availableBalance"), answer.member("currency"))
        return balance if balance is not None and balance.currency == currency else None

    async def check_credentials(self) -> Answer:
        """Ask for a token of each product that is offered."""
        offered = ["collection", *(["disbursement"] if self._configuration.disbursement else [])]
        answers = [token_answer(await self._ask_for_token(name), _token_of) for name in offered]
        return next((said for said in answers if not isinstance(said, Accepted)), Accepted())

    async def _create(
        self, product: str, path: str, reference: str, body: Mapping[str, Any], callback: str
    ) -> Answer:
        headers = {
            **self._headers(product),
            "X-Reference-Id": reference,
            "Content-Type": "application/json",
            "X-Callback-Url": callback,
        }
        call = Call("POST", path, headers, content=json_bytes(body))
        answer = await send_with_token(self._line, self._keepers[product], call, path)
        return answer_of(answer)

    async def _read(self, product: str, path: str, reference: str) -> Reading:
        answer = await self._get(product, f"{path}/{reference}", path)
        return reading_of(answer)

    async def _get(self, product: str, path: str, route: str) -> Reply | Silence:
        call = Call("GET", path, self._headers(product))
        return await send_with_token(self._line, self._keepers[product], call, route)

    def _headers(self, product: str) -> dict[str, str]:
        return {
            "Ocp-Apim-Subscription-Key": self._products[product].subscription_key,
            "X-Target-Environment": self._configuration.target_environment,
        }

    def _token_fetcher(self, name: str) -> Callable[[], Awaitable[FreshToken | None]]:
        async def fetch() -> FreshToken | None:
            return _token_of(await self._ask_for_token(name))

        return fetch

    async def _ask_for_token(self, name: str) -> Reply | Silence:
        product = self._products[name]
        pair = f"{product.api_user}:{product.api_key}".encode()
        headers = {
            "Authorization": f"Basic {base64.b64encode(pair).decode()}",
            "Ocp-Apim-Subscription-Key": product.subscription_key,
        }
        # Any body, an empty object as well, is refused with 400.
        return await self._line.send(Call("POST", f"/{name}/token/", headers), "token")


def _token_of(answer: Reply | Silence) -> FreshToken | None:
    if not isinstance(answer, Reply) or not answer.is_success:
        return None
    seconds = answer.member("expires_in")
    token = answer.text("access_token")
    return FreshToken(token, int(seconds)) if token and seconds else None


def answer_of(answer: Reply | Silence) -> Answer:
    """202 means accepted and never paid; a reference that exists is one we sent before."""
    if isinstance(answer, Silence):
        return Unknown(answer.cause)
    if answer.status in {_ACCEPTED, _CONFLICT}:
        return Accepted()
    code = answer.text("code")
    if answer.is_undecided and code not in _DEFINITIVE:
        return Unknown(f"HTTP {answer.status}")
    return Refused(code or f"HTTP {answer.status}")


def reading_of(answer: Reply | Silence) -> Reading:
    if isinstance(answer, Silence):
        return Reading(Finding.UNKNOWN, reason=answer.cause)
    # Without that word it is an address that is wrong, and no word on the money.
    if answer.status == _NOT_FOUND and answer.text("code") in _NOBODY_KNOWS_IT:
        return Reading(Finding.NOT_FOUND)
    finding = _FINDINGS.get(answer.text("status"), Finding.UNKNOWN)
    if not answer.is_success or finding is Finding.UNKNOWN:
        return Reading(Finding.UNKNOWN, reason=f"HTTP {answer.status}")
    reason = _reason(answer.member("reason"))
    if finding is Finding.FAILED and reason in _EXPIRED_REASONS:
        finding = Finding.EXPIRED
    return Reading(
        finding,
        amount=from_major(answer.member("amount"), answer.member("currency")),
        provider_reference=answer.text("financialTransactionId") or None,
        reason=reason,
    )


def with_reference(url: str, reference: str) -> str:
    """Put our reference into a callback's URL: no body will name it."""
    parts = urlsplit(url)
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    return urlunsplit(parts._replace(query=urlencode({**query, "reference": reference})))


def _reason(value: object) -> str | None:
    """The schema says an object, the live service sends a word."""
    if isinstance(value, Mapping):
        value = value.get("code")
    return value if isinstance(value, str) else None


def _movement(amount: Money, number: str, note: str) -> dict[str, str]:
    text = plain_note(note, NOTE_CHARACTERS_MAX)
    return {
        "amount": to_major(amount),
        "currency": amount.currency,
        "externalId": number,
        "payerMessage": text,
        "payeeNote": text,
    }


def _party(phone: str) -> dict[str, str]:
    return {"partyIdType": "MSISDN", "partyId": _msisdn(phone)}


def _msisdn(phone: str) -> str:
    """E.164 without its plus."""
    return phone.removeprefix("+")
