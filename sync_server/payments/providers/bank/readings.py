"""What a bank's files say of a payment or a payout of ours; pure.

Money is what was booked. A status report alone makes nothing paid, as a callback does not: it can
only refuse. What a bank calls a duplicate is a transfer that it has.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shared.money import Money
from sync_server.payments.providers.bank.reports import TransferStatus
from sync_server.payments.providers.bank.statements import BankMovement, Side
from sync_server.payments.rules import Finding, Reading

REJECTED: Final = "RJCT"
DUPLICATE: Final = "AM05"


@dataclass(frozen=True, slots=True)
class TransferNames:
    """How a bank's report can name one transfer of ours."""

    message_id: str
    payment_id: str
    end_to_end_id: str

    def fit(self, status: TransferStatus) -> bool:
        return (
            status.message_id in {self.message_id, ""}
            and status.payment_id in {self.payment_id, ""}
            and status.end_to_end_id in {self.end_to_end_id, ""}
            and (status.message_id or status.end_to_end_id) != ""
        )


def collection_reading(
    reference: str, payment_reference: str, currency: str, movements: Sequence[BankMovement]
) -> Reading:
    """Sum what came under a buyer's reference, less what was taken back."""
    named = [each for each in movements if each.payment_reference == payment_reference]
    came = [each for each in named if each.side is Side.CREDIT and not each.is_return]
    taken_back = [each for each in named if each.side is Side.DEBIT and each.is_return]
    if not came:
        return Reading(Finding.PENDING, provider_reference=payment_reference)
    received = _total(came, currency)
    back = _total(taken_back, received.currency)
    if back == received:
        reason = taken_back[-1].return_reason or None
        return Reading(Finding.REVERSED, reference, received, payment_reference, reason)
    amount = received - back if back.currency == received.currency else received
    return Reading(Finding.SUCCEEDED, reference, amount, payment_reference)


def disbursement_reading(
    reference: str,
    names: TransferNames,
    statuses: Sequence[TransferStatus],
    movements: Sequence[BankMovement],
) -> Reading | None:
    """Say what became of a transfer; None where the bank has said nothing of it."""
    named = [each for each in movements if each.end_to_end_id == names.end_to_end_id]
    left = [each for each in named if each.side is Side.DEBIT and not each.is_return]
    returned = [each for each in named if each.side is Side.CREDIT]
    if returned:
        last = returned[-1]
        amount = _total(returned, last.amount.currency)
        word = last.return_reason or None
        return Reading(Finding.REVERSED, reference, amount, last.bank_reference, word)
    if left:
        amount = _total(left, left[0].amount.currency)
        theirs = left[0].bank_reference or None
        return Reading(
            Finding.SUCCEEDED, reference, amount, theirs, fee=_charges(left, amount.currency)
        )
    return _by_status(reference, [each for each in statuses if names.fit(each)])


def _by_status(reference: str, statuses: Sequence[TransferStatus]) -> Reading | None:
    """A rejection stands, in whatever order the reports came."""
    rejections = [each for each in statuses if each.status == REJECTED]
    for each in rejections:
        if DUPLICATE not in each.reasons:
            word = each.reasons[0] if each.reasons else REJECTED
            return Reading(Finding.FAILED, reference, reason=word)
    if not statuses:
        return None
    last = statuses[-1]
    return Reading(
        Finding.PENDING,
        reference,
        provider_reference=last.bank_reference or None,
        reason=DUPLICATE if last.status == REJECTED else last.status or None,
    )


def _total(movements: Sequence[BankMovement], currency: str) -> Money:
    """Sum in one currency; money in another one is given as it came, and will fit nothing."""
    total = Money(0, currency)
    for movement in movements:
        if movement.amount.currency != currency:
            return movement.amount
        total += movement.amount
    return total


def _charges(movements: Sequence[BankMovement], currency: str) -> Money | None:
    told = [
        each.charges for each in movements if each.charges and each.charges.currency == currency
    ]
    return sum(told, Money(0, currency)) if told else None
