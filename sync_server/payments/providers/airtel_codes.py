"""Airtel's words: which of its codes decide a call, which leave it open, and what its five letters
for a transaction's state mean.

A refusal may come with HTTP 200, a success with `success: false`; and a `response_code` of an
enquiry is not to be trusted where it and the state disagree (portals print different tables).
"""

import re
from typing import Final

from shared.money import Money
from sync_server.payments.ports import Accepted, Answer, Refused, Unknown
from sync_server.payments.providers.amounts import from_major
from sync_server.payments.providers.calls import Reply, Silence
from sync_server.payments.rules import Finding, Reading

KEY_IS_OLD: Final = frozenset({"DP00800001026", "DP00900001016", "ROUTER116"})
"""The public key that a PIN was encrypted for is valid no more, or the PIN itself is wrong."""
_ALREADY_THERE: Final = frozenset({"ESB000041", "DP00900001017"})
_NOT_FOUND: Final = frozenset({"DP00800001025", "DP00900001015", "ESB000045"})
# Of collections, disbursements, the router and the bus. What is in neither list is open as well.
_COLLECTION: Final = ("002", "003", "004", "005", "007", "008", "009", "010", "025", "026", "029")
_DISBURSEMENT: Final = ("003", "004", "005", "007", "009", "010", "012", "013", "015", "016")
_ROUTER: Final = ("001", "003", "005", "006", "007", "112", "114", "115", "116", "119")
_BUS: Final = ("008", "011", "033", "034", "035", "036", "039", "045")
_DEFINITIVE: Final = frozenset(
    {f"DP00800001{code}" for code in _COLLECTION}
    | {f"DP00900001{code}" for code in _DISBURSEMENT}
    | {f"ROUTER{code}" for code in _ROUTER}
    | {f"ESB000{code}" for code in _BUS}
)
# Ambiguous, in process, timed out, "a similar transaction exists": only an enquiry tells.
_OPEN: Final = frozenset(
    {
        "DP00800001000",
        "DP00800001006",
        "DP00800001024",
        "DP00900001000",
        "DP00900001006",
        "DP00900001011",
        "DP00900001014",
        "ROUTER117",
        "ESB000001",
        "ESB000004",
        "ESB000014",
    }
)
_STATES: Final = {
    "TS": Finding.SUCCEEDED,
    "TF": Finding.FAILED,
    "TE": Finding.EXPIRED,
    "TIP": Finding.PENDING,
    "TI": Finding.PENDING,
    "TA": Finding.UNKNOWN,
}
_PAID: Final = re.compile(r"\bpaid\s+([A-Z]{3})\s+([\d,]+(?:\.\d+)?)", re.IGNORECASE)


def codes_of(answer: Reply) -> frozenset[str]:
    """Every code of an answer: products, router and bus write theirs in different places."""
    places = (
        ("status", "response_code"),
        ("status", "result_code"),
        ("status_code",),
        ("status", "status_code"),
    )
    return frozenset(filter(None, (answer.text(*place) for place in places)))


def answer_of(answer: Reply | Silence) -> Answer:
    """Accepted means that the payer is asked, or that a transfer is under way, and never paid."""
    if isinstance(answer, Silence):
        return Unknown(answer.cause)
    codes = codes_of(answer)
    if codes & _ALREADY_THERE:
        return Accepted()
    if answer.is_success and answer.member("status", "success") is True:
        return Accepted()
    return _refusal_of(answer, codes)


def refund_answer_of(answer: Reply | Silence) -> Answer:
    """Airtel's own example of a refund that worked says `success: false` beside SUCCESS."""
    if isinstance(answer, Silence):
        return Unknown(answer.cause)
    if answer.is_success and answer.text("data", "transaction", "status") in {"SUCCESS", "TS"}:
        return Accepted(answer.text("data", "transaction", "airtel_money_id") or None)
    return _refusal_of(answer, codes_of(answer))


def reading_of(answer: Reply | Silence, reference: str) -> Reading:
    """Read an enquiry. The state alone decides; the amount stands in a sentence, if anywhere."""
    if isinstance(answer, Silence):
        return Reading(Finding.UNKNOWN, reason=answer.cause)
    codes = codes_of(answer)
    finding = _STATES.get(answer.text("data", "transaction", "status"))
    if finding is None:
        if codes & _NOT_FOUND:
            return Reading(Finding.NOT_FOUND)
        return Reading(Finding.UNKNOWN, reason=_word(codes, answer.status))
    amount = amount_of(answer.text("data", "transaction", "message"))
    return Reading(
        finding,
        reference=reference,
        amount=amount,
        is_as_asked=amount is None and finding is Finding.SUCCEEDED,
        provider_reference=answer.text("data", "transaction", "airtel_money_id") or None,
        reason=None if finding is Finding.SUCCEEDED else _word(codes, answer.status),
    )


def amount_of(message: str) -> Money | None:
    """Find what was paid in `Paid UGX 5,000 to …`; None where the sentence says nothing of it."""
    found = _PAID.search(message)
    return from_major(found[2], found[1].upper()) if found else None


def _refusal_of(answer: Reply, codes: frozenset[str]) -> Answer:
    """Refused is what Airtel itself refused: any other error may have come after the deed."""
    word = _word(codes, answer.status)
    is_decided = bool(codes & _DEFINITIVE) and not codes & _OPEN
    return Refused(word) if is_decided else Unknown(word)


def _word(codes: frozenset[str], status: int) -> str:
    """The code that says most: a product's before the router's before the bus's."""
    telling = sorted(codes - {"ESB000010"}, key=lambda code: (code.startswith("ESB"), code))
    return telling[0] if telling else f"HTTP {status}"
