"""The chart of accounts, and what a transaction must be before it may be posted; pure.

Amounts are in minor units; a debit is positive, a credit negative. Every account is kept for one
organizer and one currency, the platform's own accounts as well: no sale waits for another's.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from shared.ids import OrganizerId
from shared.money import Money

PLATFORM: Final = OrganizerId(UUID("00000000-0000-7000-8000-000000000000"))
"""In whose books stands what is the platform's alone."""
LINES_MAX: Final = 500
KEY_CHARACTERS_MAX: Final = 200
DETAIL_CHARACTERS_MAX: Final = 60


class AccountKind(StrEnum):
    """The first word of an account's name; the database knows the same list."""

    BANK = "bank"
    BOX_OFFICE_CASH = "box_office_cash"
    DISPUTE_SUSPENSE = "dispute_suspense"
    ORGANIZER_RECEIVABLE = "organizer_receivable"
    PROVIDER_CLEARING = "provider_clearing"
    PROVIDER_FLOAT = "provider_float"
    UNRECONCILED = "unreconciled"

    BUYER_CREDIT = "buyer_credit"
    ORGANIZER_AVAILABLE = "organizer_available"
    ORGANIZER_PENDING = "organizer_pending"
    ORGANIZER_RESERVE = "organizer_reserve"
    PAYOUT_IN_TRANSIT = "payout_in_transit"
    REFUND_IN_TRANSIT = "refund_in_transit"
    TAX_ON_FEES = "tax_on_fees"
    TAX_ON_TICKETS = "tax_on_tickets"
    TAX_WITHHELD = "tax_withheld"
    UNAPPLIED_RECEIPTS = "unapplied_receipts"

    EXCHANGE_GAIN = "exchange_gain"
    PAYOUT_FEE_INCOME = "payout_fee_income"
    PLATFORM_FEE = "platform_fee"

    BAD_DEBT = "bad_debt"
    CHARGEBACK_FEE = "chargeback_fee"
    PAYOUT_FEE = "payout_fee"
    PROVIDER_FEE = "provider_fee"
    ROUNDING = "rounding"


class AccountClass(StrEnum):
    ASSET = "asset"
    LIABILITY = "liability"
    REVENUE = "revenue"
    EXPENSE = "expense"


_KINDS = list(AccountKind)
_FIRST_LIABILITY = _KINDS.index(AccountKind.BUYER_CREDIT)
_FIRST_REVENUE = _KINDS.index(AccountKind.EXCHANGE_GAIN)
_FIRST_EXPENSE = _KINDS.index(AccountKind.BAD_DEBT)
CLASSES: Final = {
    **dict.fromkeys(_KINDS[:_FIRST_LIABILITY], AccountClass.ASSET),
    **dict.fromkeys(_KINDS[_FIRST_LIABILITY:_FIRST_REVENUE], AccountClass.LIABILITY),
    **dict.fromkeys(_KINDS[_FIRST_REVENUE:_FIRST_EXPENSE], AccountClass.REVENUE),
    **dict.fromkeys(_KINDS[_FIRST_EXPENSE:], AccountClass.EXPENSE),
}

GUARDED: Final = frozenset(
    {AccountKind.BUYER_CREDIT, AccountKind.ORGANIZER_AVAILABLE, AccountKind.ORGANIZER_RESERVE}
)
"""Money leaves from these: the database refuses to owe less than nothing on them."""


class TransactionKind(StrEnum):
    CAPTURE = "capture"
    CASH_REFUND = "cash_refund"
    CASH_SALE = "cash_sale"
    CHARGEBACK_LOST = "chargeback_lost"
    CHARGEBACK_OPENED = "chargeback_opened"
    CHARGEBACK_WON = "chargeback_won"
    FLOAT_TOP_UP = "float_top_up"
    PAYOUT_CONFIRMED = "payout_confirmed"
    PAYOUT_FAILED = "payout_failed"
    PAYOUT_FEE = "payout_fee"
    PAYOUT_REQUESTED = "payout_requested"
    PAYOUT_RETURNED = "payout_returned"
    PROVIDER_FEE = "provider_fee"
    RECEIPT_RETURNED = "receipt_returned"
    REFUND_CONFIRMED = "refund_confirmed"
    REFUND_FAILED = "refund_failed"
    REFUND_REQUESTED = "refund_requested"
    RELEASE = "release"
    REVERSAL = "reversal"
    SETTLEMENT = "settlement"
    SUSPENSE = "suspense"
    UNAPPLIED_RECEIPT = "unapplied_receipt"


class UnbalancedTransactionError(Exception):
    """A transaction that no book can hold: a fault of ours, never of a caller."""


@dataclass(frozen=True, slots=True)
class Account:
    """`detail` tells accounts of a kind apart: a provider, a bank account, an event."""

    kind: AccountKind
    detail: str = ""

    @property
    def name(self) -> str:
        return f"{self.kind}:{self.detail}" if self.detail else self.kind.value

    @property
    def account_class(self) -> AccountClass:
        return CLASSES[self.kind]


def account_from_name(name: str) -> Account:
    """Read a stored name; raise ValueError where its kind is unknown."""
    kind, _, detail = name.partition(":")
    return Account(AccountKind(kind), detail)


@dataclass(frozen=True, slots=True)
class Line:
    """One side of a transaction: what is added to an account, a debit above zero."""

    account: Account
    amount: Money


@dataclass(frozen=True, slots=True)
class Transaction:
    """Lines that sum to nothing in each currency, under a business key that is used once.

    `key` names what happened (`capture:pesapal:…`), so that the same news posts nothing twice.
    """

    kind: TransactionKind
    key: str
    lines: tuple[Line, ...]
    reverses: UUID | None = None
    reason: str | None = None

    def __post_init__(self) -> None:
        fault = _fault(self)
        if fault is not None:
            message = f"{self.kind} {self.key!r}: {fault}"
            raise UnbalancedTransactionError(message)


@dataclass(frozen=True, slots=True)
class BookEntry:
    """One line with the transaction it is part of; a debit above zero."""

    txn_id: UUID
    kind: str
    key: str
    occurred_at: datetime
    account: Account
    amount: Money


def debit(account: Account, amount: Money) -> Line:
    return Line(account, amount)


def credit(account: Account, amount: Money) -> Line:
    return Line(account, -amount)


def lines_of(*lines: Line) -> tuple[Line, ...]:
    """Leave out what is nothing: a fee of zero has no line."""
    return tuple(line for line in lines if line.amount.minor_units != 0)


def reversal(transaction_id: UUID, lines: tuple[Line, ...], reason: str) -> Transaction:
    """Take a transaction back by its mirror; what was posted is never changed."""
    mirrored = tuple(Line(line.account, -line.amount) for line in lines)
    key = f"reversal:{transaction_id}"
    return Transaction(TransactionKind.REVERSAL, key, mirrored, transaction_id, reason)


def counted_key(key: str, number: int) -> str:
    """Under which something is posted for the second time, and so on, after it was taken back: a
    key is used once for good.
    """
    return key if number == 1 else f"{key}:{number}"


def sums_by_currency(lines: tuple[Line, ...]) -> dict[str, int]:
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[line.amount.currency] += line.amount.minor_units
    return dict(sums)


def _fault(transaction: Transaction) -> str | None:
    lines = transaction.lines
    details = [line.account.detail for line in lines]
    faults = (
        (not 2 <= len(lines) <= LINES_MAX, "a transaction has 2 to 500 lines"),  # noqa: PLR2004 - double entry
        (any(line.amount.minor_units == 0 for line in lines), "a line is zero"),
        (any(sums_by_currency(lines).values()), "debits and credits differ"),
        (not 0 < len(transaction.key) <= KEY_CHARACTERS_MAX, "the key is empty or too long"),
        (max(map(len, details), default=0) > DETAIL_CHARACTERS_MAX, "an account is named too long"),
        (
            (transaction.reverses is None) is (transaction.kind is TransactionKind.REVERSAL),
            "a reversal names what it reverses, and nothing else does",
        ),
    )
    return next((text for broken, text in faults if broken), None)
