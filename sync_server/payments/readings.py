"""What a payment's row becomes by what its provider said. Reads and writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sync_server.payments.models import Payment
from sync_server.payments.rules import (
    CAPTURED,
    GIVEN_UP,
    OPEN,
    TOLD_BY_FILES,
    Finding,
    PaymentState,
    Provider,
    Reading,
    look_again_after,
    look_for_late_money_after,
    next_state,
    poll_after,
    tells_of_refund,
)
from sync_server.payments.views import expected_of

_REASON_CHARACTERS_MAX: Final = 200
_UNDECIDED: Final = frozenset({Finding.NOT_FOUND, Finding.UNKNOWN, Finding.PENDING})
_TRY_FAILED: Final = "the try failed"
"""Stands where a provider does not say why."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a provider said, to which question, and how long that took; `page` is where the payer
    goes, if anywhere.
    """

    reading: Reading
    source: str
    milliseconds: int
    page: str | None = None

    def may_follow_unlocked(self, payment: Payment) -> bool:
        """Whether what follows depends on the payment's own row alone, and on nothing that a lock
        on it would have to keep as it is.
        """
        return PaymentState(payment.state) in OPEN and not self.reading.may_be_refund


@dataclass(frozen=True, slots=True)
class Step:
    """From one state to the next, or to the same, and what is written with it."""

    before: PaymentState
    after: PaymentState
    was_stuck: bool
    values: Mapping[str, Any]

    @property
    def is_stuck(self) -> bool:
        """Still open, and asked about no longer."""
        return self.after in OPEN and self.values["next_read_at"] is None


def step(payment: Payment, told: Told, now: datetime, *, was_refunded: bool) -> Step:
    """Follow from what was said; `was_refunded` says that the provider gave some of it back."""
    before, reading = PaymentState(payment.state), _as_followed(payment, told.reading, now)
    is_ours = tells_of_refund(before, reading, was_refunded=was_refunded)
    after = before if is_ours else next_state(before, reading, expected_of(payment))
    received = reading.amount if after is not before else None
    theirs = reading.provider_reference or payment.provider_reference
    reason = reading.reason[:_REASON_CHARACTERS_MAX] if reading.reason else payment.reason
    if before in CAPTURED | GIVEN_UP and after is before:
        # Looked at again, and nothing happened: it stays as it was captured, or given up.
        theirs, reason = payment.provider_reference or theirs, payment.reason
    values = {
        "state": after,
        "reason": reason,
        "provider_reference": theirs,
        "redirect_url": told.page or payment.redirect_url,
        "received_amount": received.minor_units if received else payment.received_amount,
        "received_currency": received.currency if received else payment.received_currency,
        "state_changed_at": now if after is not before else payment.state_changed_at,
        "next_read_at": _next_read(payment, after, now),
    }
    was_stuck = before in OPEN and payment.next_read_at is None
    return Step(before, after, was_stuck, values)


def _as_followed(payment: Payment, reading: Reading, now: datetime) -> Reading:
    """On a provider's page a payer whose try failed may try again, until its time is over. Why it
    failed stays known, whatever is not said afterwards.
    """
    if payment.redirect_url is None:
        return reading
    if reading.finding is Finding.FAILED and now < payment.expires_at:
        return replace(reading, finding=Finding.PENDING, reason=reading.reason or _TRY_FAILED)
    return replace(reading, reason=None) if reading.finding in _UNDECIDED else reading


def kept(payment: Payment, told: Told, reading_id: UUID, now: datetime) -> dict[str, Any]:
    """The row that keeps for good what was said."""
    amount = told.reading.amount
    return {
        "organizer_id": payment.organizer_id,
        "payment_id": payment.id,
        "id": reading_id,
        "refund_id": None,
        "source": told.source,
        "finding": told.reading.finding,
        "reason": told.reading.reason,
        "amount": amount.minor_units if amount else None,
        "currency": amount.currency if amount else None,
        "milliseconds": told.milliseconds,
        "read_at": now,
    }


def _next_read(payment: Payment, after: PaymentState, now: datetime) -> datetime | None:
    """Soon while it is open, and now and then once it is captured or given up; `payment` is as it
    was.
    """
    wait: timedelta | None = None
    since = payment.state_changed_at if payment.state == after else now
    if after in OPEN:
        wait = poll_after(now - payment.created_at)
    elif Provider(payment.provider) in TOLD_BY_FILES:
        wait = None
    elif after in CAPTURED:
        wait = look_again_after(now - since)
    elif after in GIVEN_UP:
        wait = look_for_late_money_after(now - since)
    return None if wait is None else now + wait
