"""One state machine for every rail: what a reading of a provider does to a payment; pure.

A time-out is *unknown* and never *failed*: the payer may still approve. A success that comes late
counts, also after we gave up: the money is there. Nothing takes a success back but a reversal or a
dispute, which are states of their own.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.money import Money


class Provider(StrEnum):
    AIRTEL = "airtel"
    BANK = "bank"
    FLUTTERWAVE = "flutterwave"
    MTN = "mtn"
    PESAPAL = "pesapal"


class PaymentState(StrEnum):
    """Where a payment stands. `unknown`: it was sent, and nobody said whether it arrived;
    `given_back`: what came did not fit, and a person gave it back.
    """

    CREATED = "created"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    MISMATCHED = "mismatched"
    GIVEN_BACK = "given_back"
    FAILED = "failed"
    EXPIRED = "expired"
    DISPUTED = "disputed"
    REVERSED = "reversed"


class Finding(StrEnum):
    """What a provider says of a payment when it is asked by our own reference."""

    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    EXPIRED = "expired"
    DISPUTED = "disputed"
    REVERSED = "reversed"


class RefundState(StrEnum):
    """`unknown`: it was sent, and nobody said whether it arrived."""

    REQUESTED = "requested"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


class PaidFrom(StrEnum):
    """Where money came from that no provider gave back: our bank, or the organizer's till."""

    BANK = "bank"
    BOX_OFFICE = "box_office"


class ReturnedFrom(StrEnum):
    """Where money that did not fit was given back from, by hand: our bank, or at its provider."""

    BANK = "bank"
    PROVIDER = "provider"


REFUND_OPEN: Final = frozenset({RefundState.REQUESTED, RefundState.UNKNOWN, RefundState.PENDING})
OPEN: Final = frozenset({PaymentState.CREATED, PaymentState.UNKNOWN, PaymentState.PENDING})
"""Nothing is decided: a provider is asked again."""
CAPTURED: Final = frozenset({PaymentState.SUCCEEDED, PaymentState.DISPUTED})
"""The money is with us."""
GIVEN_UP: Final = frozenset({PaymentState.FAILED, PaymentState.EXPIRED})
"""No money came; it may yet."""
ASKS_A_TELEPHONE: Final = frozenset({Provider.AIRTEL, Provider.MTN})
"""The payer says yes on their telephone, so its number must be known."""
AMOUNTS_MAX: Final = {"UGX": 5_000_000}
"""What mobile money carries at once (Bank of Uganda, 2022)."""
_CURRENCIES: Final = {
    Provider.AIRTEL: frozenset({"KES", "RWF", "TZS", "UGX"}),
    # MTN's own sandbox knows euros alone.
    Provider.MTN: frozenset({"EUR", "RWF", "UGX"}),
}
"""Of the wallets that a rail asks; other rails take what their account takes."""
TOLD_BY_FILES: Final = frozenset({Provider.BANK})
"""Nobody is there to be asked: what becomes of the money comes by itself."""

_FOLLOWS: Final[dict[Finding, dict[PaymentState, PaymentState]]] = {
    Finding.PENDING: dict.fromkeys(OPEN, PaymentState.PENDING),
    Finding.SUCCEEDED: {
        **dict.fromkeys(OPEN, PaymentState.SUCCEEDED),
        # Late, or a second try on the provider's own page.
        PaymentState.FAILED: PaymentState.SUCCEEDED,
        PaymentState.EXPIRED: PaymentState.SUCCEEDED,
        # The dispute was won.
        PaymentState.DISPUTED: PaymentState.SUCCEEDED,
    },
    Finding.FAILED: dict.fromkeys(OPEN, PaymentState.FAILED),
    Finding.EXPIRED: dict.fromkeys(OPEN, PaymentState.EXPIRED),
    Finding.DISPUTED: {PaymentState.SUCCEEDED: PaymentState.DISPUTED},
    Finding.REVERSED: {
        **dict.fromkeys(OPEN, PaymentState.FAILED),
        PaymentState.SUCCEEDED: PaymentState.REVERSED,
        PaymentState.DISPUTED: PaymentState.REVERSED,
    },
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What we asked for, under our own reference."""

    reference: str
    amount: Money


@dataclass(frozen=True, slots=True)
class Reading:
    """A provider's answer to a status read; `reason` is its own word for why not, `may_be_refund`
    whether it calls what we gave back a reversal as well.

    `is_as_asked`: it tells no amount, and its payer can change none.
    """

    finding: Finding
    reference: str | None = None
    amount: Money | None = None
    provider_reference: str | None = None
    reason: str | None = None
    fee: Money | None = None
    may_be_refund: bool = False
    is_as_asked: bool = False


def next_state(state: PaymentState, reading: Reading, expected: Expected) -> PaymentState:
    """Give the state after a reading; the same where it changes nothing.

    A success that names another reference, currency or amount is a mismatch: the money is booked
    as unapplied and a person looks at it. Nothing that is read takes it further.
    """
    following = _FOLLOWS.get(reading.finding, {}).get(state, state)
    if following is PaymentState.SUCCEEDED and not _fits(reading, expected):
        return state if state in CAPTURED else PaymentState.MISMATCHED
    return following


def tells_of_refund(state: PaymentState, reading: Reading, *, was_refunded: bool) -> bool:
    """Say whether a reversal is our own refund by another name: nothing more was taken back."""
    is_reversal = state is PaymentState.SUCCEEDED and reading.finding is Finding.REVERSED
    return is_reversal and reading.may_be_refund and was_refunded


def next_refund_state(state: RefundState, reading: Reading, expected: Money) -> RefundState:
    """Give a refund's state after a reading. One that is over stays as it is, and one of another
    amount is looked at by a person.
    """
    if state not in REFUND_OPEN:
        return state
    match reading.finding:
        case Finding.SUCCEEDED:
            fits = reading.amount in {None, expected}
            return RefundState.SUCCEEDED if fits else RefundState.PENDING
        case Finding.PENDING:
            return RefundState.PENDING
        case Finding.FAILED | Finding.EXPIRED | Finding.REVERSED:
            return RefundState.FAILED
        case _:
            return state


def amount_max(rail: Provider, currency: str) -> int | None:
    """Give the most that a rail carries at once; None where it has no such limit."""
    return AMOUNTS_MAX.get(currency) if rail in ASKS_A_TELEPHONE else None


def knows_currency(rail: Provider, currency: str) -> bool:
    return rail not in _CURRENCIES or currency in _CURRENCIES[rail]


def carries(rail: Provider, amount: Money) -> bool:
    """Say whether a rail takes an amount in one go."""
    limit = amount_max(rail, amount.currency)
    fits = limit is None or amount.minor_units <= limit
    return fits and knows_currency(rail, amount.currency)


def may_be_sent_again(reading: Reading) -> bool:
    """Only what the provider has never seen is sent again, and under the same reference."""
    return reading.finding is Finding.NOT_FOUND


REFUND_SEEN_WITHIN: Final = {Provider.FLUTTERWAVE: timedelta(days=1)}
"""Where no reference keeps a refund from being given twice, its list may lag: what is not in it
counts for nothing before.
"""


def refund_may_be_sent_again(
    provider: Provider, reading: Reading, sent_at: datetime, now: datetime
) -> bool:
    """Only what the provider has never seen, and would long have seen."""
    settled = now >= sent_at + REFUND_SEEN_WITHIN.get(provider, timedelta())
    return may_be_sent_again(reading) and settled


def _fits(reading: Reading, expected: Expected) -> bool:
    named = reading.reference in {None, expected.reference}
    untold = reading.amount is None and reading.is_as_asked
    return named and (untold or reading.amount == expected.amount)


_POLLS: Final = (
    (timedelta(seconds=30), timedelta(seconds=5)),
    (timedelta(minutes=6), timedelta(seconds=15)),
    (timedelta(minutes=30), timedelta(minutes=1)),
    (timedelta(hours=24), timedelta(minutes=15)),
    (timedelta(days=7), timedelta(days=1)),
)


def poll_after(age: timedelta) -> timedelta | None:
    """Say how long to wait before an open payment of this age is asked about again; None where a
    person must look.
    """
    return next((wait for until, wait in _POLLS if age < until), None)


_LOOKS: Final = tuple(timedelta(days=days) for days in (1, 3, 7, 14, 30, 60, 90, 120))
_LATE_LOOKS: Final = tuple(timedelta(minutes=minutes) for minutes in (10, 60, 6 * 60)) + tuple(
    timedelta(days=days) for days in (1, 3, 7)
)


def look_again_after(age: timedelta) -> timedelta | None:
    """Say how long to wait before money that has been with us for so long is asked about again:
    whoever took it back may never say so; None once nobody can any more.
    """
    return next((at - age for at in _LOOKS if age < at), None)


def look_for_late_money_after(age: timedelta) -> timedelta | None:
    """Say how long to wait before a payment that was given up so long ago is asked about again: it
    may have been paid after all, and the callback may be lost; None once that is past.
    """
    return next((at - age for at in _LATE_LOOKS if age < at), None)
