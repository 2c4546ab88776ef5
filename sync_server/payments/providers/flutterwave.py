"""Flutterwave v3: cards on Flutterwave's own page, so that no card's number ever comes near us.

Formats as developer.flutterwave.com documents them. A payment is known by our `tx_ref` and is there
for Flutterwave only once somebody tried to pay; a 503 after half a minute says nothing, and no call
has an idempotency key, so a refund carries our reference as its comment.
"""

import hmac
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from shared.clock import Clock
from sync_server.kit.instants import instant
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    Hint,
    Notice,
    RefundRequest,
    Refused,
    Unknown,
)
from sync_server.payments.providers.amounts import fee_from_major, from_major, json_with_amount
from sync_server.payments.providers.calls import (
    Call,
    Line,
    Reply,
    Silence,
    parse_object,
    web_address,
)
from sync_server.payments.providers.notes import impersonal, plain_note
from sync_server.payments.rules import Finding, Provider, Reading

BASE_URL: Final = "https://api.flutterwave.com/v3"
"""One address for tests and for money: the key tells which."""
SESSION_MINUTES_MAX: Final = 1_440
ATTEMPTS_MAX: Final = 3
REFUND_PAGES_MAX: Final = 10
DESCRIPTION_CHARACTERS_MAX: Final = 100
_REASON_CHARACTERS_MAX: Final = 120
_SECONDS_PER_MINUTE: Final = 60
_HEADERS: Final = {"Accept": "application/json", "Content-Type": "application/json"}
_NOBODY_TRIED_YET: Final = "no transaction was found"
_TRANSACTION_NAMES: Final = ("tx_id", "TransactionId")
_NO_REFERENCE: Final = frozenset({"", "N/A"})
_FINDINGS: Final = {
    "successful": Finding.SUCCEEDED,
    "failed": Finding.FAILED,
    "pending": Finding.PENDING,
}
# A chargeback that we declined is not won yet: the banks decide.
_DISPUTE_LOST: Final = frozenset({"lost", "accepted"})
_DISPUTE_WON: Final = frozenset({"won"})


@dataclass(frozen=True, slots=True)
class FlutterwaveConfiguration:
    """`webhook_secret` is the dashboard's secret hash; without one no webhook proves anything."""

    base_url: str
    secret_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    title: str = "ZERAKET"
    """Whose checkout it is, as the page says."""
    payment_options: str = "card"
    balance_currency: str = "UGX"


class Flutterwave:
    """A Collector on a hosted page, which closes by itself."""

    provider = Provider.FLUTTERWAVE

    def __init__(self, configuration: FlutterwaveConfiguration, line: Line, clock: Clock) -> None:
        self._configuration = configuration
        self._line = line
        self._clock = clock

    async def collect(self, request: CollectionRequest) -> Answer:
        left = request.expires_at - instant(self._clock.now_ms())
        minutes = max(1, min(int(left.total_seconds()) // _SECONDS_PER_MINUTE, SESSION_MINUTES_MAX))
        document = {
            **payment_document(request, minutes),
            "payment_options": self._configuration.payment_options,
            "customizations": {
                "title": self._configuration.title,
                "description": plain_note(request.description, DESCRIPTION_CHARACTERS_MAX),
            },
        }
        body = json_with_amount(document, request.amount)
        return page_answer(await self._post("/payments", body, "payments"))

    async def read_collection(self, reference: CollectionReference) -> Reading:
        """Read by our reference; what was paid before may have been disputed since."""
        answer = await self._verified(reference.reference)
        reading = reading_of(answer)
        was_read_before = reference.provider_reference is not None
        if reading.finding is not Finding.SUCCEEDED or not was_read_before:
            return reading
        flw_ref = answer.text("data", "flw_ref") if isinstance(answer, Reply) else ""
        return reading if flw_ref in _NO_REFERENCE else await self._with_dispute(reading, flw_ref)

    def read_notice(self, notice: Notice) -> Hint | None:
        told = parse_object(notice.body)
        event, data = told.get("event"), told.get("data")
        if not isinstance(event, str) or not isinstance(data, Mapping):
            return None
        is_charge = event.startswith("charge.")
        if not is_charge and not event.startswith("refund."):
            return None
        reference = data.get("tx_ref")
        # Of a refund the transaction is named in more than one way.
        theirs = _identifier(data.get("id") if is_charge else _first(data, _TRANSACTION_NAMES))
        if theirs is None and not isinstance(reference, str):
            return None
        return Hint(
            reference if isinstance(reference, str) else None,
            theirs,
            event,
            is_authentic=is_authentic(notice, self._configuration.webhook_secret),
        )

    def acknowledge(self, _hint: Hint) -> Mapping[str, object]:
        """Any answer with status 200 will do."""
        return {}

    async def refund(self, request: RefundRequest) -> Answer:
        paid = reading_of(await self._verified(request.collection.reference))
        if paid.finding is Finding.UNKNOWN:
            return Unknown(paid.reason or "")
        if paid.finding is not Finding.SUCCEEDED or paid.provider_reference is None:
            return Refused("not_completed")
        body = json_with_amount({"comments": request.reference}, request.amount)
        path = f"/transactions/{paid.provider_reference}/refund"
        return refund_answer(await self._post(path, body, "refund"))

    async def read_refund(self, request: RefundRequest) -> Reading:
        """Look for our reference among the comments of all refunds, the newest first."""
        paid = reading_of(await self._verified(request.collection.reference))
        if paid.provider_reference is None:
            return Reading(Finding.UNKNOWN, reason=paid.reason)
        transaction = paid.provider_reference
        for page in range(1, REFUND_PAGES_MAX + 1):
            query = {"id": transaction, "page": str(page)}
            answer = await self._get("/refunds", query, "refunds")
            reading = refund_reading(answer, request, transaction)
            if reading is not None:
                return reading
        return Reading(Finding.UNKNOWN, reason="not among the newest refunds")

    async def check_credentials(self) -> Answer:
        path = f"/balances/{self._configuration.balance_currency}"
        said = _said(await self._get(path, {}, "balances"))
        return Accepted() if isinstance(said, Reply) else said

    async def _with_dispute(self, reading: Reading, flw_ref: str) -> Reading:
        answer = await self._get("/chargebacks", {"flw_ref": flw_ref}, "chargebacks")
        finding = dispute_finding(answer)
        if finding is Finding.UNKNOWN:
            return Reading(Finding.UNKNOWN, reason="nobody told whether it is disputed")
        return replace(reading, finding=finding)

    async def _verified(self, reference: str) -> Reply | Silence:
        path = "/transactions/verify_by_reference"
        return await self._get(path, {"tx_ref": reference}, "verify_by_reference")

    async def _get(self, path: str, query: Mapping[str, str], route: str) -> Reply | Silence:
        return await self._line.send(Call("GET", path, self._headers(), query), route)

    async def _post(self, path: str, body: bytes, route: str) -> Reply | Silence:
        return await self._line.send(Call("POST", path, self._headers(), {}, body), route)

    def _headers(self) -> dict[str, str]:
        return {**_HEADERS, "Authorization": f"Bearer {self._configuration.secret_key}"}


def payment_document(request: CollectionRequest, session_minutes: int) -> dict[str, Any]:
    """Write a payment, but for its amount; without a currency it would be nairas."""
    payer = request.payer
    return {
        "tx_ref": request.reference,
        "currency": request.amount.currency,
        "redirect_url": request.return_url,
        "session_duration": session_minutes,
        "max_retry_attempt": ATTEMPTS_MAX,
        "customer": {"email": payer.address, "name": payer.name, "phonenumber": payer.phone},
    }


def is_authentic(notice: Notice, secret: str) -> bool:
    """Whether the sender knows the dashboard's secret: sent as it is, or used to sign the body."""
    headers = {name.lower(): value.encode() for name, value in notice.headers.items()}
    if not secret:
        return False
    signature = b64encode(hmac.digest(secret.encode(), notice.body, "sha256"))
    is_known = hmac.compare_digest(headers.get("verif-hash", b""), secret.encode())
    is_signed = hmac.compare_digest(headers.get("flutterwave-signature", b""), signature)
    return is_known or is_signed


def page_answer(answer: Reply | Silence) -> Answer:
    said = _said(answer)
    if not isinstance(said, Reply):
        return said
    page = web_address(said.text("data", "link"))
    return Accepted(None, page) if page else Unknown("no page")


def refund_answer(answer: Reply | Silence) -> Answer:
    said = _said(answer)
    return Accepted(_identifier(said.member("data", "id"))) if isinstance(said, Reply) else said


def reading_of(answer: Reply | Silence) -> Reading:
    """Nothing is there before somebody tries to pay: the page closes by itself then."""
    said = _said(answer)
    if isinstance(said, Refused) and said.code.lower().startswith(_NOBODY_TRIED_YET):
        return Reading(Finding.NOT_FOUND)
    if not isinstance(said, Reply):
        return Reading(
            Finding.UNKNOWN, reason=said.cause if isinstance(said, Unknown) else "refused"
        )
    finding = _FINDINGS.get(said.text("data", "status").lower(), Finding.UNKNOWN)
    currency = said.member("data", "currency")
    why = impersonal(said.text("data", "processor_response"), _REASON_CHARACTERS_MAX)
    return Reading(
        finding,
        reference=said.text("data", "tx_ref") or None,
        amount=from_major(said.member("data", "amount"), currency),
        provider_reference=_identifier(said.member("data", "id")),
        reason=why or None if finding is Finding.FAILED else None,
        fee=fee_from_major(said.member("data", "app_fee"), currency),
    )


def dispute_finding(answer: Reply | Silence) -> Finding:
    """One lost chargeback takes the money back, one that is open holds it."""
    said = _said(answer)
    if not isinstance(said, Reply):
        return Finding.UNKNOWN
    statuses = {str(item.get("status")).lower() for item in _items(said)}
    if statuses & _DISPUTE_LOST:
        return Finding.REVERSED
    return Finding.DISPUTED if statuses - _DISPUTE_WON else Finding.SUCCEEDED


def refund_reading(
    answer: Reply | Silence, request: RefundRequest, transaction: str
) -> Reading | None:
    """What one page of refunds says of ours; None where the next page may say more."""
    said = _said(answer)
    if not isinstance(said, Reply):
        return Reading(Finding.UNKNOWN, reason="refunds are not told")
    items = [item for item in _items(said) if _identifier(item.get("tx_id")) == transaction]
    ours = next((item for item in items if item.get("comments") == request.reference), None)
    if ours is not None:
        refunded = from_major(ours.get("amount_refunded"), request.amount.currency)
        finding = _refund_finding(str(ours.get("status")))
        return Reading(finding, amount=refunded, provider_reference=_identifier(ours.get("id")))
    if not all(_is_reference(item.get("comments")) for item in items):
        return Reading(Finding.UNKNOWN, reason="a refund that names no reference")
    pages = said.member("meta", "page_info", "total_pages")
    page = said.member("meta", "page_info", "current_page")
    if not isinstance(pages, int) or not isinstance(page, int):
        return Reading(Finding.UNKNOWN, reason="it is not told whether there are more refunds")
    return None if page < pages else Reading(Finding.NOT_FOUND)


def _is_reference(comments: object) -> bool:
    """Say whether it is a reference of ours: what names none, or in part, may be any refund."""
    try:
        return str(UUID(str(comments))) == comments
    except ValueError:
        return False


def _refund_finding(status: str) -> Finding:
    """A word may be longer than documented: `completed-mpgs`."""
    word = status.lower()
    if word.startswith("completed"):
        return Finding.SUCCEEDED
    if word.startswith("failed"):
        return Finding.FAILED
    return Finding.PENDING if word.startswith(("pending", "new")) else Finding.UNKNOWN


def _said(answer: Reply | Silence) -> Reply | Refused | Unknown:
    """An envelope of success, or why there is none: a rejection may come with HTTP 200."""
    if isinstance(answer, Silence):
        return Unknown(answer.cause)
    if answer.is_undecided or not isinstance(answer.document, Mapping):
        return Unknown(f"HTTP {answer.status}")
    if answer.is_success and answer.text("status") == "success":
        return answer
    message = impersonal(answer.text("message"), _REASON_CHARACTERS_MAX)
    return Refused(message or f"HTTP {answer.status}")


def _items(answer: Reply) -> Sequence[Mapping[str, Any]]:
    listed = answer.member("data")
    items = listed if isinstance(listed, list) else []
    return [item for item in items if isinstance(item, Mapping)]


def _first(data: Mapping[str, Any], names: Sequence[str]) -> object:
    return next((data[name] for name in names if name in data), None)


def _identifier(value: object) -> str | None:
    """Write an id as text; some answers give a number, some a text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        return None
    return str(value) or None
