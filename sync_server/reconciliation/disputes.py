"""Payments that a bank took back, or may, held against what their disputes post; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from shared.money import Money
from sync_server.payments.books import DisputableFacts
from sync_server.payments.rules import PaymentState
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding, Postings


@dataclass(frozen=True, slots=True)
class DisputePostings:
    """What disputes moved on the suspense account, by the keys of their transactions."""

    opened: Postings
    won: Postings
    lost: Postings


@dataclass(slots=True)
class _Disputes:
    """Those of one payment, in the order in which they were opened."""

    opened: list[Money]
    won: int
    lost: list[Money]

    @property
    def still_open(self) -> int:
        return len(self.opened) - self.won - len(self.lost)


def disputes_match(
    organizer_id: UUID, payments: Iterable[DisputableFacts], posted: DisputePostings
) -> list[Item]:
    """A disputed payment has one dispute that is open, a reversed one has lost one and has none
    open, and any other has neither.
    """
    states = {payment.id: payment for payment in payments}
    found = _by_payment(posted)
    items = []
    for payment_id in sorted({*states, *found}):
        payment = states.get(payment_id)
        disputes = found.get(payment_id, _Disputes([], 0, []))
        finding = _finding(payment, disputes)
        if finding is None:
            continue
        moved = disputes.opened[-1] if disputes.opened else None
        named = moved if payment is None else payment.amount
        items.append(
            Item(
                CheckName.CAPTURES,
                finding,
                f"chargeback of payment {payment_id}",
                organizer_id,
                None if named is None else named.currency,
                None if payment is None else payment.left.minor_units,
                None if moved is None else moved.minor_units,
            )
        )
    return items


def _finding(payment: DisputableFacts | None, disputes: _Disputes) -> ItemFinding | None:
    state = None if payment is None else payment.state
    is_open, is_lost = state is PaymentState.DISPUTED, state is PaymentState.REVERSED
    has = (disputes.still_open, len(disputes.lost))
    if has == (int(is_open), int(is_lost)):
        return _amount_finding(payment, disputes)
    if payment is not None and payment.left.minor_units == 0 and has == (0, 0):
        # All of it was given back before: nothing is left to take.
        return None
    if is_lost and has == (1, 0):
        return ItemFinding.STATE_DIFFERS
    return ItemFinding.MISSING_IN_BOOKS if has == (0, 0) else ItemFinding.ONLY_IN_BOOKS


def _amount_finding(payment: DisputableFacts | None, disputes: _Disputes) -> ItemFinding | None:
    """What is opened is what was left of it then: a refund may have arrived since."""
    if payment is None or payment.state is PaymentState.SUCCEEDED:
        return None
    taken = disputes.opened[-1]
    if taken.currency != payment.amount.currency:
        return ItemFinding.CURRENCY_DIFFERS
    is_whole = payment.left.minor_units <= taken.minor_units <= payment.amount.minor_units
    is_lost_whole = all(each == taken for each in disputes.lost)
    return None if is_whole and is_lost_whole else ItemFinding.AMOUNT_DIFFERS


def _by_payment(posted: DisputePostings) -> dict[UUID, _Disputes]:
    found: dict[UUID, _Disputes] = {}
    for key, amount in sorted(posted.opened.items(), key=lambda each: _opening(each[0])):
        found.setdefault(_payment_of(key), _Disputes([], 0, [])).opened.append(amount)
    for key in posted.won:
        found.setdefault(_payment_of(key), _Disputes([], 0, [])).won += 1
    for key, amount in posted.lost.items():
        found.setdefault(_payment_of(key), _Disputes([], 0, [])).lost.append(amount)
    return found


def _payment_of(key: str) -> UUID:
    """`chargeback_opened:ID`, and from the second dispute on `chargeback_opened:ID:2`."""
    return UUID(key.split(":")[1])


def _opening(key: str) -> int:
    parts = key.split(":")
    return int(parts[2]) if len(parts) > 2 else 1  # noqa: PLR2004 - kind and payment come first
