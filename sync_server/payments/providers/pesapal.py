"""Pesapal API 3.0: orders that are paid on Pesapal's own page.

Formats as developer.pesapal.com documents them, quirks as integrators met them. An error may come
with HTTP 200, a notification carries no status and no signature, and an order is known by the
tracking id of Pesapal's answer alone: whoever never got that answer never got the page either.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shared.clock import Clock
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    Hint,
    Notice,
    Payer,
    RefundRequest,
    Refused,
    Unknown,
)
from sync_server.payments.providers.amounts import from_major, json_with_amount
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
    web_address,
)
from sync_server.payments.providers.notes import impersonal, plain_note
from sync_server.payments.rules import Finding, Provider, Reading

PRODUCTION_URL: Final = "https://pay.pesapal.com/v3"
SANDBOX_URL: Final = "https://cybqa.pesapal.com/pesapalv3"
TOKEN_SECONDS: Final = 300
DESCRIPTION_CHARACTERS_MAX: Final = 100
REMARK_CHARACTERS_MAX: Final = 100
_REASON_CHARACTERS_MAX: Final = 120
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json"}
_FINDINGS: Final[Mapping[int | None, Finding]] = {
    0: Finding.PENDING,
    1: Finding.SUCCEEDED,
    2: Finding.FAILED,
    3: Finding.REVERSED,
}
_NOBODY_PAID_YET: Final = "payment_details_not_found"
_CARDS: Final = ("visa", "master", "amex", "american express", "card")
_UNUSED_ADDRESS: Final = (
    "middle_name",
    "line_1",
    "line_2",
    "city",
    "state",
    "postal_code",
    "zip_code",
)


@dataclass(frozen=True, slots=True)
class PesapalConfiguration:
    """`ipn_id` names where notifications go; without one, the address of each payment's callback
    is looked up or registered when it is first needed.
    """

    base_url: str
    consumer_key: str = field(repr=False)
    consumer_secret: str = field(repr=False)
    ipn_id: str = ""
    ipn_method: str = "POST"
    refund_username: str = "ZERAKET"
    """Who asks for refunds, as Pesapal's dashboard shows it."""


class Pesapal:
    """A Collector whose unpaid orders can be withdrawn."""

    provider = Provider.PESAPAL

    def __init__(self, configuration: PesapalConfiguration, line: Line, clock: Clock) -> None:
        self._configuration = configuration
        self._line = line
        self._keeper = TokenKeeper(self._fetch_token, clock)
        self._ipn_ids: dict[str, str] = {}
        self._ipn_lock = asyncio.Lock()

    async def collect(self, request: CollectionRequest) -> Answer:
        ipn_id = await self._ipn_id(request.callback_url)
        if not ipn_id:
            return Unknown("no address for notifications")
        body = json_with_amount(order_document(request, ipn_id), request.amount)
        answer = await self._send("POST", "/api/Transactions/SubmitOrderRequest", content=body)
        said = order_answer(answer, request.reference)
        if isinstance(said, Refused):
            # It may have been the address that is known no more.
            self._ipn_ids.pop(request.callback_url, None)
        return said

    async def read_collection(self, reference: CollectionReference) -> Reading:
        if reference.provider_reference is None:
            return Reading(Finding.UNKNOWN, reason="no tracking id")
        answer = await self._status(reference.provider_reference)
        return reading_of(answer, reference.reference, reference.provider_reference)

    def read_notice(self, notice: Notice) -> Hint | None:
        """Take both ways to notify, and names in any case."""
        told = {**parse_object(notice.body), **notice.query}
        lower = {name.lower(): value for name, value in told.items() if isinstance(value, str)}
        tracking_id = lower.get("ordertrackingid")
        if not tracking_id:
            return None
        event = lower.get("ordernotificationtype", "")
        reference = lower.get("ordermerchantreference") or None
        return Hint(reference, tracking_id, event, is_authentic=None)

    def acknowledge(self, hint: Hint) -> Mapping[str, object]:
        return {
            "orderNotificationType": hint.event,
            "orderTrackingId": hint.provider_reference,
            "orderMerchantReference": hint.reference,
            "status": 200,
        }

    async def withdraw(self, reference: CollectionReference) -> Answer:
        """Cancel an order; whose page nobody ever got is paid by nobody."""
        if reference.provider_reference is None:
            return Accepted()
        body = json_bytes({"order_tracking_id": reference.provider_reference})
        answer = await self._send("POST", "/api/Transactions/CancelOrder", content=body)
        return done_answer(answer)

    async def refund(self, request: RefundRequest) -> Answer:
        """Ask once, ever: a payment has one refund request, which the merchant approves in
        Pesapal's dashboard.
        """
        tracking_id = request.collection.provider_reference
        if tracking_id is None:
            return Refused("no tracking id")
        paid = await self._status(tracking_id)
        if isinstance(paid, Silence):
            return Unknown(paid.cause)
        refusal = refund_refusal(paid, is_whole=request.amount == request.whole)
        if refusal is not None:
            return refusal
        document = {
            "confirmation_code": paid.text("confirmation_code"),
            "username": self._configuration.refund_username,
            "remarks": plain_note(request.reason, REMARK_CHARACTERS_MAX),
        }
        body = json_with_amount(document, request.amount)
        return done_answer(
            await self._send("POST", "/api/Transactions/RefundRequest", content=body)
        )

    async def read_refund(self, request: RefundRequest) -> Reading:
        """Reversed is done. Until then nothing tells a request that waits from one that never
        arrived.
        """
        reading = await self.read_collection(request.collection)
        if reading.finding is not Finding.REVERSED:
            return Reading(Finding.UNKNOWN, reason="waits for approval, or never arrived")
        return Reading(Finding.SUCCEEDED, amount=request.amount)

    async def register_ipn(self, url: str) -> str | None:
        """Say where notifications go, once for each address; give the id that orders name it by,
        or None where Pesapal gives none now.
        """
        known = await self._registered_ipn(url)
        if known is not None:
            return known
        wanted = {"url": url, "ipn_notification_type": self._configuration.ipn_method}
        path = "/api/URLSetup/RegisterIPN"
        answer = await self._send("POST", path, content=json_bytes(wanted))
        made = answer.text("ipn_id") if isinstance(answer, Reply) and answer.is_success else ""
        return made or None

    async def check_credentials(self) -> Answer:
        return token_answer(await self._ask_for_token(), token_of)

    async def _ipn_id(self, url: str) -> str | None:
        if self._configuration.ipn_id:
            return self._configuration.ipn_id
        async with self._ipn_lock:
            if url not in self._ipn_ids:
                registered = await self.register_ipn(url)
                if registered is None:
                    return None
                self._ipn_ids[url] = registered
            return self._ipn_ids[url]

    async def _registered_ipn(self, url: str) -> str | None:
        answer = await self._send("GET", "/api/URLSetup/GetIpnList")
        listed = answer.document if isinstance(answer, Reply) else None
        items = listed if isinstance(listed, list) else []
        same = (item for item in items if isinstance(item, Mapping) and item.get("url") == url)
        found = next(same, {}).get("ipn_id")
        return found if isinstance(found, str) else None

    async def _status(self, tracking_id: str) -> Reply | Silence:
        path = "/api/Transactions/GetTransactionStatus"
        return await self._send("GET", path, query={"orderTrackingId": tracking_id})

    async def _send(
        self,
        method: str,
        path: str,
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply | Silence:
        call = Call(method, path, _HEADERS, query or {}, content)
        return await send_with_token(self._line, self._keeper, call, path)

    async def _fetch_token(self) -> FreshToken | None:
        return token_of(await self._ask_for_token())

    async def _ask_for_token(self) -> Reply | Silence:
        secrets = {
            "consumer_key": self._configuration.consumer_key,
            "consumer_secret": self._configuration.consumer_secret,
        }
        path = "/api/Auth/RequestToken"
        return await self._line.send(Call("POST", path, _HEADERS, {}, json_bytes(secrets)), path)


def order_document(request: CollectionRequest, ipn_id: str) -> dict[str, Any]:
    """Write an order, but for its amount."""
    return {
        "id": request.reference,
        "currency": request.amount.currency,
        "description": plain_note(request.description, DESCRIPTION_CHARACTERS_MAX),
        "callback_url": request.return_url,
        "notification_id": ipn_id,
        "billing_address": _address(request.payer),
    }


def _address(payer: Payer) -> dict[str, str]:
    """Absent members are empty and never null."""
    first, _, last = payer.name.strip().partition(" ")
    return {
        "email_address": payer.address,
        "phone_number": payer.phone,
        "country_code": "",
        "first_name": first,
        "last_name": last,
        **dict.fromkeys(_UNUSED_ADDRESS, ""),
    }


def token_of(answer: Reply | Silence) -> FreshToken | None:
    """A token is good for five minutes, whatever either clock says of its end."""
    if not isinstance(answer, Reply) or not answer.is_success:
        return None
    token = answer.text("token")
    return FreshToken(token, TOKEN_SECONDS) if token else None


def order_answer(answer: Reply | Silence, reference: str) -> Answer:
    """Accepted is what names our reference, its own and a page; anything else with HTTP 200 may
    be an error.
    """
    said = done_answer(answer)
    if not isinstance(said, Accepted) or not isinstance(answer, Reply):
        return said
    tracking_id = answer.text("order_tracking_id")
    page = web_address(answer.text("redirect_url"))
    if not tracking_id or not page or answer.text("merchant_reference") != reference:
        return Unknown("no page")
    return Accepted(tracking_id, page)


def done_answer(answer: Reply | Silence) -> Answer:
    """What Pesapal says of anything it was asked to do."""
    if isinstance(answer, Silence):
        return Unknown(answer.cause)
    if answer.is_undecided or not isinstance(answer.document, Mapping):
        return Unknown(f"HTTP {answer.status}")
    if answer.is_success and str(answer.member("status")) == "200" and not _error_of(answer):
        return Accepted()
    return Refused(_error_of(answer) or f"HTTP {answer.status}")


def reading_of(answer: Reply | Silence, reference: str, tracking_id: str) -> Reading:
    """0 and `payment_details_not_found` mean that nobody paid yet, and never that nobody will."""
    if isinstance(answer, Silence):
        return Reading(Finding.UNKNOWN, reason=answer.cause)
    if answer.text("error", "code") == _NOBODY_PAID_YET:
        return Reading(Finding.PENDING, provider_reference=tracking_id)
    finding = _FINDINGS.get(_status_code(answer)) if answer.is_success else None
    if finding is None:
        return Reading(Finding.UNKNOWN, reason=_error_of(answer) or f"HTTP {answer.status}")
    named = answer.text("merchant_reference") or None
    return Reading(
        finding,
        reference=named,
        amount=from_major(answer.member("amount"), answer.member("currency")),
        # Of somebody else's order nothing is kept.
        provider_reference=tracking_id if named in {None, reference} else None,
        reason=_reason(answer) if finding is Finding.FAILED else None,
        may_be_refund=finding is Finding.REVERSED,
    )


def refund_refusal(paid: Reply, *, is_whole: bool) -> Answer | None:
    """Say why a refund is not even asked for; None where it may be."""
    finding = reading_of(paid, "", "").finding
    if finding is Finding.UNKNOWN:
        return Unknown(f"HTTP {paid.status}")
    if finding is not Finding.SUCCEEDED or not paid.text("confirmation_code"):
        return Refused("not_completed")
    method = paid.text("payment_method").lower()
    if not is_whole and not method.startswith(_CARDS):
        return Refused("mobile_payments_are_refunded_whole")
    return None


def _status_code(answer: Reply) -> int | None:
    code = answer.member("status_code")
    return code if isinstance(code, int) and not isinstance(code, bool) else None


def _error_of(answer: Reply) -> str:
    """The error's code, else what it says; on success `error` is null, or has members of null."""
    return answer.text("error", "code") or impersonal(
        answer.text("error", "message"), _REASON_CHARACTERS_MAX
    )


def _reason(answer: Reply) -> str | None:
    code = answer.text("payment_status_code")
    return code or impersonal(answer.text("description"), _REASON_CHARACTERS_MAX) or None
