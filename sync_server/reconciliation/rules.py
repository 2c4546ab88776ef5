"""Whether the books agree with what happened; pure: rows in, items out.

A *drift* is a row that cannot be right and fails the run. A *note* is one that a person should know
of: a fee that is not booked, money that waits longer than it should.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.money import Money
from sync_server.ledger.rules import AccountKind, account_from_name


class Severity(StrEnum):
    DRIFT = "drift"
    NOTE = "note"


class CheckName(StrEnum):
    """What is looked at, in this order."""

    TRIAL_BALANCE = "trial_balance"
    CHECKPOINTS = "checkpoints"
    PENDING = "pending"
    CAPTURES = "captures"
    ORDERS = "orders"
    TICKETS = "tickets"
    REFUNDS = "refunds"
    PAYOUTS = "payouts"
    STATEMENTS = "statements"
    BALANCES = "balances"
    AGED_CLEARING = "aged_clearing"


class ItemFinding(StrEnum):
    DIFFERS = "differs"
    MISSING_IN_BOOKS = "missing_in_books"
    ONLY_IN_BOOKS = "only_in_books"
    AMOUNT_DIFFERS = "amount_differs"
    CURRENCY_DIFFERS = "currency_differs"
    MISSING_AT_PROVIDER = "missing_at_provider"
    ONLY_AT_PROVIDER = "only_at_provider"
    STATE_DIFFERS = "state_differs"
    TWICE_AT_PROVIDER = "twice_at_provider"
    SAID_OTHERWISE = "said_otherwise"
    FEE_DIFFERS = "fee_differs"
    FEE_NOT_BOOKED = "fee_not_booked"
    BALANCE_DIFFERS = "balance_differs"
    BALANCE_NOT_TOLD = "balance_not_told"
    AGED = "aged"


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is not as it should be; `books_of` is the organizer whose books it is in."""

    check: CheckName
    finding: ItemFinding
    subject: str
    books_of: UUID | None = None
    currency: str | None = None
    expected: int | None = None
    found: int | None = None
    severity: Severity = Severity.DRIFT


@dataclass(frozen=True, slots=True)
class BookSum:
    """All lines of one organizer's books in one currency, added up."""

    organizer_id: UUID
    currency: str
    total: int


@dataclass(frozen=True, slots=True)
class KeptBalance:
    """A balance that is kept beside the entries, and what they add up to."""

    organizer_id: UUID
    account: str
    currency: str
    kept: int
    recomputed: int


Postings = Mapping[str, Money]
"""Amounts by the key of the transaction that posts them."""


def books_balance(sums: Iterable[BookSum]) -> list[Item]:
    """Each organizer's books sum to nothing in each currency."""
    return [
        Item(
            CheckName.TRIAL_BALANCE,
            ItemFinding.DIFFERS,
            "all accounts",
            each.organizer_id,
            each.currency,
            0,
            each.total,
        )
        for each in sums
        if each.total != 0
    ]


def balances_are_kept(wrong: Iterable[KeptBalance]) -> list[Item]:
    """Checkpoints and guarded balances are what their entries add up to."""
    return [
        Item(
            CheckName.CHECKPOINTS,
            ItemFinding.DIFFERS,
            each.account,
            each.organizer_id,
            each.currency,
            each.recomputed,
            each.kept,
        )
        for each in wrong
        if each.kept != each.recomputed
    ]


def pending_is_there(on_debit_side: Iterable[tuple[UUID, str, Money]]) -> list[Item]:
    """Refunds and disputes take no more than is pending, and a release takes what is: whoever took
    more has released money that nobody paid.
    """
    return [
        Item(
            CheckName.PENDING,
            ItemFinding.DIFFERS,
            account,
            organizer_id,
            balance.currency,
            0,
            balance.minor_units,
        )
        for organizer_id, account, balance in on_debit_side
        if balance.minor_units > 0
    ]


def postings_match(
    check: CheckName, organizer_id: UUID, expected: Postings, posted: Postings
) -> list[Item]:
    """What happened is posted once and whole, and nothing else is."""
    items = []
    for key in sorted(expected.keys() | posted.keys()):
        wanted, found = expected.get(key), posted.get(key)
        if wanted == found:
            continue
        named = wanted or found
        items.append(
            Item(
                check,
                _posting_finding(wanted, found),
                key,
                organizer_id,
                None if named is None else named.currency,
                None if wanted is None else wanted.minor_units,
                None if found is None else found.minor_units,
            )
        )
    return items


def _posting_finding(wanted: Money | None, found: Money | None) -> ItemFinding:
    if wanted is None:
        return ItemFinding.ONLY_IN_BOOKS
    if found is None:
        return ItemFinding.MISSING_IN_BOOKS
    if wanted.currency != found.currency:
        return ItemFinding.CURRENCY_DIFFERS
    return ItemFinding.AMOUNT_DIFFERS


@dataclass(frozen=True, slots=True)
class ClearingEntry:
    """A line on an account that should come back to nothing; a debit above zero."""

    amount: int
    occurred_at: datetime


@dataclass(frozen=True, slots=True)
class ClearingAccount:
    """Of one organizer's books; of all together where it names none."""

    organizer_id: UUID | None
    name: str
    currency: str


AGED_AFTER: Final = {
    AccountKind.PROVIDER_CLEARING: timedelta(days=7),
    AccountKind.PAYOUT_IN_TRANSIT: timedelta(days=7),
    AccountKind.REFUND_IN_TRANSIT: timedelta(days=10),
    AccountKind.UNAPPLIED_RECEIPTS: timedelta(days=30),
    AccountKind.UNRECONCILED: timedelta(days=30),
    AccountKind.DISPUTE_SUSPENSE: timedelta(days=90),
}
"""Accounts that should come back to nothing, and how long that may take."""


def aged(account: ClearingAccount, entries: Sequence[ClearingEntry], now: datetime) -> list[Item]:
    """Say how much has waited longer than it should: what comes back settles the oldest first."""
    limit = AGED_AFTER[account_from_name(account.name).kind]
    left = _unsettled(sorted(entries, key=lambda entry: entry.occurred_at))
    old = [entry for entry in left if entry.occurred_at < now - limit]
    if not old:
        return []
    since = old[0].occurred_at.date().isoformat()
    return [
        Item(
            CheckName.AGED_CLEARING,
            ItemFinding.AGED,
            f"{account.name} since {since}",
            account.organizer_id,
            account.currency,
            0,
            sum(entry.amount for entry in old),
            Severity.NOTE,
        )
    ]


def _unsettled(entries: Sequence[ClearingEntry]) -> list[ClearingEntry]:
    """What is left of the lines after the opposite ones took from the oldest."""
    left: deque[ClearingEntry] = deque()
    for entry in entries:
        amount = entry.amount
        while amount and left and (left[0].amount > 0) is not (amount > 0):
            oldest = left.popleft()
            amount += oldest.amount
            if amount and (amount > 0) is (oldest.amount > 0):
                left.appendleft(ClearingEntry(amount, oldest.occurred_at))
                amount = 0
        if amount:
            left.append(ClearingEntry(amount, entry.occurred_at))
    return list(left)


def drifts(items: Iterable[Item]) -> list[Item]:
    return [item for item in items if item.severity is Severity.DRIFT]


def counts(items: Sequence[Item], checked: Sequence[CheckName]) -> dict[str, int]:
    """How many items each check found that was made; one that found none is counted too."""
    return {check: sum(item.check is check for item in items) for check in checked}
