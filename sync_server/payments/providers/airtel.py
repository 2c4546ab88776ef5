"""Airtel Money, Open API: collections by a prompt on the payer's telephone, refunds of the whole,
and disbursements.

Airtel takes letters and digits only, so our reference goes without its dashes. Its enquiry tells
the state and no amount of its own: a prompt is approved or not, and its payer can change nothing.
Collections and refunds are signed (v2) where Airtel has turned that on for an account;
disbursements never are, since signed ones fail over their PIN.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from shared.clock import Clock
from shared.money import Money
from sync_server.payments.ports import (
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
from sync_server.payments.providers.airtel_codes import (
    KEY_IS_OLD,
    answer_of,
    codes_of,
    reading_of,
    refund_answer_of,
)
from sync_server.payments.providers.airtel_secrets import (
    SIGNING_BYTES,
    encrypted_pin,
    is_proved,
    read_callback,
    signing_headers,
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
    send_with_token,
    token_answer,
)
from sync_server.payments.providers.notes import plain_note
from sync_server.payments.rules import Finding, Provider, Reading

NOTE_CHARACTERS_MAX: Final = 64
KEY_GOOD_SECONDS: Final = 12 * 3_600
REFUNDS_ARE_NOT_TOLD: Final = "AIRTEL_TELLS_NO_REFUNDS"
_CALLING_CODES: Final = {"KE": "254", "RW": "250", "TZ": "255", "UG": "256"}
_CURRENCIES: Final = {"KE": "KES", "RW": "RWF", "TZ": "TZS", "UG": "UGX"}
_NOBODY: Final = "DP02200000000"
_NOT_FOUND: Final = 404


@dataclass(frozen=True, slots=True)
class AirtelConfiguration:
    """`callback_key` is the private key of the portal's application settings, where callbacks are
    authenticated; `path_prefix` is `/simulate` on some portals' sandbox; `signs` is said by Airtel,
    for each account.
    """

    base_url: str
    country: str
    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    disbursement_pin: str = field(repr=False, default="")
    callback_key: str = field(repr=False, default="")
    path_prefix: str = ""
    signs: bool = False


class Airtel:
    """A Collector, and a Disburser where there is a PIN for disbursements."""

    provider = Provider.AIRTEL

    def __init__(
        self,
        configuration: AirtelConfiguration,
        line: Line,
        clock: Clock,
        randomness: Callable[[int], bytes],
    ) -> None:
        self._configuration = configuration
        self._line = line
        self._randomness = randomness
        self._tokens = TokenKeeper(self._fetch_token, clock, margin_seconds=30)
        self._pin_keys = TokenKeeper(self._fetch_pin_key, clock)
        self._signing_keys = TokenKeeper(self._fetch_signing_key, clock)

    async def check_credentials(self) -> Answer:
        """Ask for a token, and say whether Airtel knows us."""
        return token_answer(await self._ask_for_token(), _token_of)

    async def collect(self, request: CollectionRequest) -> Answer:
        amount = _whole_units(request.amount)
        if amount is None:
            return Refused("AMOUNT_NOT_WHOLE")
        where = {"country": self._configuration.country, "currency": request.amount.currency}
        body = {
            "reference": _note(request.order_number),
            "subscriber": {**where, "msisdn": self._msisdn(request.payer.phone)},
            "transaction": {"amount": amount, **where, "id": transaction_id(request.reference)},
        }
        currency = request.amount.currency
        return answer_of(await self._post_signed("/merchant/{version}/payments/", body, currency))

    async def read_collection(self, reference: CollectionReference) -> Reading:
        path = "/standard/v1/payments/"
        asked = path + transaction_id(reference.reference)
        return reading_of(await self._get(asked, reference.currency, path), reference.reference)

    def read_notice(self, notice: Notice) -> Hint | None:
        callback = read_callback(notice.body)
        if callback is None:
            return None
        their_id, event = (callback.transaction.get(name) for name in ("id", "status_code"))
        if not isinstance(their_id, str) or not isinstance(event, str):
            return None
        money_id = callback.transaction.get("airtel_money_id")
        key = self._configuration.callback_key
        return Hint(
            reference_of(their_id),
            money_id if isinstance(money_id, str) and money_id else None,
            event,
            is_authentic=is_proved(callback, key) if key else None,
        )

    def acknowledge(self, _hint: Hint) -> Mapping[str, object]:
        return {}

    async def refund(self, request: RefundRequest) -> Answer:
        """Give the whole back: Airtel refunds no part, and names a payment by its own id."""
        if request.amount != request.whole:
            return Refused("PARTIAL_REFUND")
        theirs = request.collection.provider_reference
        if theirs is None:
            theirs = (await self.read_collection(request.collection)).provider_reference
        if theirs is None:
            return Unknown("NoAirtelMoneyId")
        body = {"transaction": {"airtel_money_id": theirs}}
        currency = request.amount.currency
        path = "/standard/{version}/payments/refund"
        return refund_answer_of(await self._post_signed(path, body, currency))

    async def read_refund(self, _request: RefundRequest) -> Reading:
        """Airtel has no enquiry for refunds: the statement tells."""
        return Reading(Finding.UNKNOWN, reason=REFUNDS_ARE_NOT_TOLD)

    async def check_holder(self, destination: Destination, currency: str) -> HolderName | None:
        path = "/standard/v1/users/"
        answer = await self._get(path + self._msisdn(destination.account), currency, path)
        if not isinstance(answer, Reply):
            return None
        if answer.status == _NOT_FOUND and _NOBODY in codes_of(answer):
            return HolderName(None, is_active=False)
        if not answer.is_success or not isinstance(answer.member("data"), Mapping):
            return None
        names = [answer.text("data", "first_name"), answer.text("data", "last_name")]
        is_barred = answer.member("data", "is_barred") is True
        has_pin = answer.member("data", "is_pin_set") is not False
        return HolderName(
            " ".join(filter(None, names)) or None, is_active=has_pin and not is_barred
        )

    async def disburse(self, request: DisbursementRequest) -> Answer:
        amount = _whole_units(request.amount)
        if amount is None:
            return Refused("AMOUNT_NOT_WHOLE")
        body = {
            "payee": {
                "msisdn": self._msisdn(request.destination.account),
                "currency": request.amount.currency,
                "name": plain_note(request.destination.holder, NOTE_CHARACTERS_MAX),
            },
            "reference": _note(request.payout_number),
            "transaction": {
                "amount": amount,
                "id": transaction_id(request.reference),
                "type": "B2C",
            },
        }
        return answer_of(await self._post_with_pin(body, request.amount.currency))

    async def read_disbursement(self, request: DisbursementRequest) -> Reading:
        path = "/standard/v1/disbursements/"
        asked = path + transaction_id(request.reference)
        answer = await self._get(asked, request.amount.currency, path)
        return reading_of(answer, request.reference)

    async def read_balance(self, currency: str) -> Money | None:
        """Read the float, which Airtel writes for people: `37,600.00`."""
        answer = await self._get("/standard/v1/users/balance", currency, "balance")
        if not isinstance(answer, Reply) or not answer.is_success:
            return None
        balance = from_major(answer.member("data", "balance"), answer.member("data", "currency"))
        return balance if balance is not None and balance.currency == currency else None

    async def _post_with_pin(self, body: Mapping[str, Any], currency: str) -> Reply | Silence:
        """Send once more where the key we kept is over: nothing was done under it."""
        answer: Reply | Silence = Silence("NoPinKey")
        for _ in range(2):
            key = await self._pin_keys.token()
            pin = encrypted_pin(self._configuration.disbursement_pin, key) if key else None
            if pin is None:
                return Silence("NoPinKey")
            content = json_bytes({**body, "pin": pin})
            answer = await self._post("/standard/v2/disbursements/", content, currency, {})
            if not _is_over(answer):
                return answer
            self._pin_keys.forget()
        return answer

    async def _post_signed(
        self, path: str, body: Mapping[str, Any], currency: str
    ) -> Reply | Silence:
        """Send what an account that signs has to sign; the same holds for its key."""
        content = json_bytes(body)
        if not self._configuration.signs:
            return await self._post(path.format(version="v1"), content, currency, {})
        answer: Reply | Silence = Silence("NoSigningKey")
        for _ in range(2):
            key = await self._signing_keys.token()
            randomness = self._randomness(SIGNING_BYTES)
            headers = signing_headers(content, key, randomness) if key else None
            if headers is None:
                return Silence("NoSigningKey")
            answer = await self._post(path.format(version="v2"), content, currency, headers)
            if not _is_over(answer):
                return answer
            self._signing_keys.forget()
        return answer

    async def _post(
        self, path: str, content: bytes, currency: str, further: Mapping[str, str]
    ) -> Reply | Silence:
        headers = {**self._headers(currency), "Content-Type": "application/json", **further}
        call = Call("POST", self._configuration.path_prefix + path, headers, content=content)
        return await send_with_token(self._line, self._tokens, call, path)

    async def _get(self, path: str, currency: str, route: str) -> Reply | Silence:
        call = Call("GET", self._configuration.path_prefix + path, self._headers(currency))
        return await send_with_token(self._line, self._tokens, call, route)

    def _headers(self, currency: str) -> dict[str, str]:
        return {"Accept": "*/*", "X-Country": self._configuration.country, "X-Currency": currency}

    async def _ask_for_token(self) -> Reply | Silence:
        body = {
            "client_id": self._configuration.client_id,
            "client_secret": self._configuration.client_secret,
            "grant_type": "client_credentials",
        }
        headers = {"Accept": "*/*", "Content-Type": "application/json"}
        call = Call("POST", "/auth/oauth2/token", headers, content=json_bytes(body))
        return await self._line.send(call, "token")

    async def _fetch_token(self) -> FreshToken | None:
        return _token_of(await self._ask_for_token())

    async def _fetch_pin_key(self) -> FreshToken | None:
        """Some hosts have a key of its own for PINs."""
        return await self._fetch_key("pin_key", "key")

    async def _fetch_signing_key(self) -> FreshToken | None:
        return await self._fetch_key("key")

    async def _fetch_key(self, *names: str) -> FreshToken | None:
        """Fetch a public key; some hosts wrap it in `data`."""
        headers = self._headers(_CURRENCIES.get(self._configuration.country, ""))
        call = Call("GET", "/v1/rsa/encryption-keys", headers)
        answer = await send_with_token(self._line, self._tokens, call, "encryption-keys")
        if not isinstance(answer, Reply) or not answer.is_success:
            return None
        places = [place for name in names for place in (("data", name), (name,))]
        found = next(filter(None, (answer.text(*place) for place in places)), "")
        return FreshToken(found, KEY_GOOD_SECONDS) if found else None

    def _msisdn(self, phone: str) -> str:
        """A national number: with its country's code it is refused."""
        digits = phone.removeprefix("+")
        return digits.removeprefix(_CALLING_CODES.get(self._configuration.country, ""))


def transaction_id(reference: str) -> str:
    """Write our reference in letters and digits alone, as some markets demand."""
    return reference.replace("-", "")


def reference_of(their_id: str) -> str:
    """Give our reference back; what is none of ours stays as it is."""
    try:
        return str(UUID(their_id))
    except ValueError:
        return their_id


def _note(number: str) -> str:
    """4 to 64 letters, digits and spaces."""
    return plain_note(f"ZERAKET {number.replace('-', '')}", NOTE_CHARACTERS_MAX)


def _whole_units(amount: Money) -> int | None:
    """Airtel takes whole numbers; a part of a shilling is refused and never rounded."""
    whole, _, part = to_major(amount).partition(".")
    return None if part.strip("0") else int(whole)


def _is_over(answer: Reply | Silence) -> bool:
    """Whether Airtel knows the key no more that was used, or what was made with it is wrong."""
    return isinstance(answer, Reply) and bool(codes_of(answer) & KEY_IS_OLD)


def _token_of(answer: Reply | Silence) -> FreshToken | None:
    """Its life is said in text: "180"."""
    if not isinstance(answer, Reply):
        return None
    seconds = str(answer.member("expires_in") or "")
    token = answer.text("access_token")
    good = answer.is_success and token and seconds.isdigit()
    return FreshToken(token, int(seconds)) if good else None
