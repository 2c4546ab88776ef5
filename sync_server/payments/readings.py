"""What a payment's row becomes by what its provider said. Reads and writes nothing."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sync_server.payments.models import Payment
from sync_server.payments.rules import (
    CAPTURED,
    OPEN,
    TOLD_BY_FILES,
    PaymentState,
    Provider,
    Reading,
    look_again_after,
    next_state,
    poll_after,
    tells_of_refund,
)
from sync_server.payments.views import expected_of

_REASON_CHARACTERS_MAX: Final = 200


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
    before, reading = PaymentState(payment.state), told.reading
    is_ours = tells_of_refund(before, reading, was_refunded=was_refunded)
    after = before if is_ours else next_state(before, reading, expected_of(payment))
    received = reading.amount if after is not before else None
    theirs = reading.provider_reference or payment.provider_reference
    reason = reading.reason[:_REASON_CHARACTERS_MAX] if reading.reason else payment.reason
    if before in CAPTURED and after is before:
        # Looked at again, and nothing happened: it stays as it was captured.
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
    """Soon while it is open, and now and then once it is captured; `payment` is as it was."""
    wait: timedelta | None = None
    if after in OPEN:
        wait = poll_after(now - payment.created_at)
    elif after in CAPTURED and Provider(payment.provider) not in TOLD_BY_FILES:
        since = payment.state_changed_at if payment.state == after else now
        wait = look_again_after(now - since)
    return None if wait is None else now + wait
