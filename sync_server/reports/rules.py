"""What an organizer's books say of a period: statement, invoice for fees, settlement; pure.

Every figure is a sum of ledger lines and nothing else, so that sums equal the books: a test holds
each report against them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from itertools import groupby
from typing import Final

from sync_server.ledger.rules import AccountKind, BookEntry, account_from_name


class ReportKind(StrEnum):
    STATEMENT = "statement"
    INVOICE = "invoice"
    SETTLEMENT = "settlement"


ORGANIZERS_OWN: Final = frozenset(
    {
        AccountKind.ORGANIZER_PENDING,
        AccountKind.ORGANIZER_AVAILABLE,
        AccountKind.ORGANIZER_RESERVE,
        AccountKind.ORGANIZER_RECEIVABLE,
    }
)
"""What an organizer has, and owes."""
_SOLD: Final = frozenset({"capture", "cash_sale"})
_GIVEN_BACK: Final = frozenset(
    {"refund_requested", "refund_failed", "chargeback_lost", "chargeback_won"}
)
CASH_REFUND: Final = "cash_refund"
_PAID_OUT: Final = frozenset({"payout_requested", "payout_failed", "payout_returned"})
_PARTS: Final = {
    AccountKind.PLATFORM_FEE: "platform_fee",
    AccountKind.TAX_ON_FEES: "tax_on_fees",
    AccountKind.TAX_ON_TICKETS: "tax_on_tickets",
    AccountKind.PROVIDER_FEE: "provider_fee",
}


@dataclass(frozen=True, slots=True)
class Posted:
    """One transaction with its lines in one currency."""

    kind: str
    key: str
    occurred_at: datetime
    lines: tuple[BookEntry, ...]

    def total(self, *kinds: AccountKind) -> int:
        """What its lines on accounts of these kinds add up to; a debit above zero."""
        return sum(line.amount.minor_units for line in self.lines if line.account.kind in kinds)

    @property
    def organizers(self) -> int:
        """What the organizer gains by it."""
        return -self.total(*ORGANIZERS_OWN)

    @property
    def event(self) -> str:
        """The event it belongs to; empty where its lines name none."""
        details = (
            line.account.detail
            for line in self.lines
            if line.account.kind is AccountKind.ORGANIZER_PENDING
        )
        return next(details, "")


def transactions(entries: Iterable[BookEntry]) -> list[Posted]:
    """Put lines together again that were posted together; they come in their order."""
    found = []
    for _, group in groupby(entries, key=lambda entry: entry.txn_id):
        lines = tuple(group)
        found.append(Posted(lines[0].kind, lines[0].key, lines[0].occurred_at, lines))
    return found


@dataclass(frozen=True, slots=True)
class StatementLine:
    occurred_at: datetime
    kind: str
    reference: str
    amount: int
    balance: int


@dataclass(frozen=True, slots=True)
class Statement:
    """What an organizer has, before and after, and each change between."""

    opening: int
    lines: tuple[StatementLine, ...]
    closing: int


def statement(before: Mapping[str, int], posted: Sequence[Posted]) -> Statement:
    """`before` is what each account held when the period began."""
    opening = balance = -sum(
        held for name, held in before.items() if account_from_name(name).kind in ORGANIZERS_OWN
    )
    lines = []
    for each in posted:
        if each.organizers == 0:
            # Money that only moves from pending to available changes nothing.
            continue
        balance += each.organizers
        reference = each.key.partition(":")[2]
        lines.append(
            StatementLine(each.occurred_at, each.kind, reference, each.organizers, balance)
        )
    return Statement(opening, tuple(lines), balance)


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """Fees of all transactions of a kind: taken where something was sold, given back elsewhere."""

    kind: str
    count: int
    fee: int
    tax: int


@dataclass(frozen=True, slots=True)
class Invoice:
    lines: tuple[InvoiceLine, ...]
    fee: int
    tax: int

    @property
    def total(self) -> int:
        return self.fee + self.tax


def invoice(posted: Sequence[Posted]) -> Invoice:
    """What the platform earned of an organizer, with the tax on it."""
    by_kind: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for each in posted:
        fee = -each.total(AccountKind.PLATFORM_FEE, AccountKind.PAYOUT_FEE_INCOME)
        tax = -each.total(AccountKind.TAX_ON_FEES)
        if fee or tax:
            by_kind[each.kind].append((fee, tax))
    lines = tuple(
        InvoiceLine(kind, len(found), sum(fee for fee, _ in found), sum(tax for _, tax in found))
        for kind, found in sorted(by_kind.items())
    )
    return Invoice(lines, sum(line.fee for line in lines), sum(line.tax for line in lines))


@dataclass(slots=True)
class Sums:
    """Of some transactions; `sold` less all that is taken from it is `organizer`."""

    sales: int = 0
    sold: int = 0
    given_back: int = 0
    platform_fee: int = 0
    tax_on_fees: int = 0
    tax_on_tickets: int = 0
    provider_fee: int = 0
    organizer: int = 0

    def add(self, each: Posted) -> None:
        parts = {name: -each.total(kind) for kind, name in _PARTS.items()}
        gross = each.organizers + sum(parts.values())
        if each.kind in _SOLD:
            self.sales += 1
            self.sold += gross
        else:
            self.given_back -= gross
        for name, amount in parts.items():
            setattr(self, name, getattr(self, name) + amount)
        self.organizer += each.organizers


@dataclass(frozen=True, slots=True)
class Settlement:
    """Each event's money by its id, what was paid out, and whatever else changed what the organizer
    has. What was given back in cash was in their own till: its fees alone are theirs again.
    """

    events: Mapping[str, Sums]
    cash_refunds: Sums
    paid_out: int
    other: int
    change: int


@dataclass(slots=True)
class _Gathered:
    events: dict[str, Sums] = field(default_factory=dict)
    cash_refunds: Sums = field(default_factory=Sums)
    paid_out: int = 0
    other: int = 0


def settlement(posted: Sequence[Posted]) -> Settlement:
    gathered = _Gathered()
    for each in posted:
        if each.kind in _SOLD | _GIVEN_BACK:
            gathered.events.setdefault(each.event, Sums()).add(each)
        elif each.kind == CASH_REFUND:
            gathered.cash_refunds.add(each)
        elif each.kind in _PAID_OUT:
            gathered.paid_out -= each.organizers
        else:
            gathered.other += each.organizers
    events = {event: gathered.events[event] for event in sorted(gathered.events)}
    rows = (*events.values(), gathered.cash_refunds)
    change = sum(row.organizer for row in rows) - gathered.paid_out + gathered.other
    return Settlement(events, gathered.cash_refunds, gathered.paid_out, gathered.other, change)
