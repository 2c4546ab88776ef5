"""When money of an organizer may leave, and what a rail's word does to a payout; pure.

A time-out is *unknown* and never *failed*: only a status read tells. Money is given back on a
definitive no alone, and nothing that was paid becomes failed: it comes back as *returned*.
"""

import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from shared.money import Money
from sync_server.payments.ports import HolderName
from sync_server.payments.rules import Finding, Provider, Reading

HOLD_DAYS_DEFAULT: Final = 3
"""Days after an event's first day that its money is held, where no rule says otherwise: nothing
says which day is the last.
"""
SENDS_MAX: Final = 5
SETTLES_WITHIN: Final = timedelta(minutes=2)
"""Longer than any call of a rail lasts: what it does not know after that never reached it."""
RAILS: Final = frozenset({Provider.AIRTEL, Provider.BANK, Provider.MTN})
"""Rails that can send money to an organizer, where they are configured."""
TELLS_NAMES: Final = frozenset({Provider.AIRTEL, Provider.MTN})
"""Rails that say whose account it is; their silence postpones a payment."""
_WORDS_IN_COMMON: Final = 2


class PayoutState(StrEnum):
    """`stopped`: the rail names somebody else; `unknown`: it was sent, and nobody said more."""

    REQUESTED = "requested"
    REFUSED = "refused"
    APPROVED = "approved"
    STOPPED = "stopped"
    UNKNOWN = "unknown"
    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    RETURNED = "returned"


OPEN: Final = frozenset({PayoutState.UNKNOWN, PayoutState.PENDING})
"""It may have been paid: the rail is asked."""
WAITING: Final = frozenset({PayoutState.REQUESTED, PayoutState.STOPPED})
"""A person decides."""
REFUSABLE: Final = WAITING | {PayoutState.APPROVED}
"""A person may say no: nothing was sent."""


class NameCheck(StrEnum):
    """What came of asking a rail whose account it is."""

    UNCHECKED = "unchecked"
    SAME = "same"
    DIFFERS = "differs"
    INACTIVE = "inactive"
    UNTOLD = "untold"


class Contradiction(StrEnum):
    """What a rail says that cannot be: a person looks, and nothing is posted."""

    AMOUNT = "amount_differs"
    FORGOTTEN = "accepted_and_not_found"
    PAID_AFTER_FAILURE = "paid_after_failure"


_PAYS: Final = dict.fromkeys(OPEN, PayoutState.SUCCEEDED)
_FAILS: Final = {
    **dict.fromkeys(OPEN, PayoutState.FAILED),
    PayoutState.SUCCEEDED: PayoutState.RETURNED,
}
_FOLLOWS: Final[dict[Finding, dict[PayoutState, PayoutState]]] = {
    Finding.PENDING: {PayoutState.UNKNOWN: PayoutState.PENDING},
    Finding.SUCCEEDED: _PAYS,
    Finding.FAILED: _FAILS,
    Finding.EXPIRED: dict.fromkeys(OPEN, PayoutState.FAILED),
    Finding.REVERSED: _FAILS,
}


@dataclass(frozen=True, slots=True)
class Expected:
    """What the rail was asked for, under our own reference."""

    reference: str
    amount: Money


def next_state(state: PayoutState, reading: Reading, expected: Expected) -> PayoutState:
    """Give the state after a reading; the same where it changes nothing or cannot be."""
    if contradiction(state, reading, expected) is not None:
        return state
    return _FOLLOWS.get(reading.finding, {}).get(state, state)


def contradiction(state: PayoutState, reading: Reading, expected: Expected) -> Contradiction | None:
    if reading.finding is Finding.NOT_FOUND:
        return Contradiction.FORGOTTEN if state is PayoutState.PENDING else None
    if reading.finding is Finding.SUCCEEDED and state is PayoutState.FAILED:
        return Contradiction.PAID_AFTER_FAILURE
    if not _tells_of_money(state, reading.finding):
        return None
    named = reading.reference in {None, expected.reference}
    # Some rails do not repeat the amount: they were asked by a reference that is used once.
    told = reading.amount in {None, expected.amount}
    return None if named and told else Contradiction.AMOUNT


def _tells_of_money(state: PayoutState, finding: Finding) -> bool:
    """Say whether money went or came back by this word; what failed on its way never moved."""
    comes_back = finding is Finding.REVERSED or state is PayoutState.SUCCEEDED
    return finding is Finding.SUCCEEDED or (comes_back and state in _FOLLOWS.get(finding, {}))


def may_be_sent_again(reading: Reading, sent_at: datetime, attempts: int, now: datetime) -> bool:
    """Only what the rail does not know, when it would long know it; always under one reference."""
    settled = now >= sent_at + SETTLES_WITHIN
    return reading.finding is Finding.NOT_FOUND and settled and attempts < SENDS_MAX


def check_name(holder: str, told: HolderName | None) -> NameCheck:
    """Hold the name a person wrote down against the one the rail tells."""
    if told is None:
        return NameCheck.UNTOLD
    if not told.is_active:
        return NameCheck.INACTIVE
    if not told.name:
        return NameCheck.UNTOLD
    return NameCheck.SAME if names_agree(holder, told.name) else NameCheck.DIFFERS


def names_agree(one: str, other: str) -> bool:
    """Say whether two spellings can be one person: the same words in any order, or all words of
    the shorter name, two at least.
    """
    ours, theirs = _words(one), _words(other)
    if not ours or not theirs:
        return False
    common = ours & theirs
    return ours == theirs or (len(common) >= _WORDS_IN_COMMON and common in (ours, theirs))


def stops(check: NameCheck, *, accepts_name: bool) -> bool:
    """Nobody pays to an account that is closed; another name may be accepted by a person."""
    return check is NameCheck.INACTIVE or (check is NameCheck.DIFFERS and not accepts_name)


def is_released(event_day: datetime, hold_days: int, now: datetime) -> bool:
    """Say whether an event's money is held no more: days are counted from its day's end."""
    return now >= event_day + timedelta(days=1 + hold_days)


def _words(name: str) -> frozenset[str]:
    decomposed = unicodedata.normalize("NFKD", name)
    plain = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    spaced = "".join(letter if letter.isalnum() else " " for letter in plain.casefold())
    return frozenset(spaced.split())
