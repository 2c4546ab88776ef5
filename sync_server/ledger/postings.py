"""What each event of a sale, a refund, a dispute or a payout means in the books; pure.

The rows are those of the table in docs/ledger.md, which a test executes. Whoever knows that
something happened posts it under the business key given here.
"""

from dataclasses import dataclass
from uuid import UUID

from shared.money import Money
from sync_server.ledger.rules import (
    Account,
    AccountKind,
    Line,
    Transaction,
    TransactionKind,
    credit,
    debit,
    lines_of,
)


@dataclass(frozen=True, slots=True)
class Shares:
    """Who gets what of a paid total: the parts sum to it. Fixed when the order was quoted."""

    organizer: Money
    platform_fee: Money
    tax_on_fees: Money
    tax_on_tickets: Money
    provider_fee: Money
    """What the quote took for the provider, from whoever bears it; statements tell the true fee."""

    @property
    def total(self) -> Money:
        parts = (self.platform_fee, self.tax_on_fees, self.tax_on_tickets, self.provider_fee)
        return sum(parts, self.organizer)


@dataclass(frozen=True, slots=True)
class Sale:
    """A captured payment: by which provider, under which reference, for which event."""

    provider: str
    reference: str
    event_id: UUID
    shares: Shares


def provider_clearing(provider: str) -> Account:
    """What a provider took from buyers and has not settled yet."""
    return Account(AccountKind.PROVIDER_CLEARING, provider)


def organizer_pending(event_id: UUID) -> Account:
    """What an organizer gets of one event, once it was held."""
    return Account(AccountKind.ORGANIZER_PENDING, str(event_id))


ORGANIZER_AVAILABLE = Account(AccountKind.ORGANIZER_AVAILABLE)
ORGANIZER_RECEIVABLE = Account(AccountKind.ORGANIZER_RECEIVABLE)
_PLATFORM_FEE = Account(AccountKind.PLATFORM_FEE)
_TAX_ON_FEES = Account(AccountKind.TAX_ON_FEES)
_TAX_ON_TICKETS = Account(AccountKind.TAX_ON_TICKETS)


_PROVIDER_FEE = Account(AccountKind.PROVIDER_FEE)


def _earned(event_id: UUID, shares: Shares) -> tuple[Line, ...]:
    return (
        credit(organizer_pending(event_id), shares.organizer),
        credit(_PLATFORM_FEE, shares.platform_fee),
        credit(_TAX_ON_FEES, shares.tax_on_fees),
        credit(_TAX_ON_TICKETS, shares.tax_on_tickets),
        credit(_PROVIDER_FEE, shares.provider_fee),
    )


def _given_back(shares: Shares) -> tuple[Line, ...]:
    return (
        debit(_PLATFORM_FEE, shares.platform_fee),
        debit(_TAX_ON_FEES, shares.tax_on_fees),
        debit(_TAX_ON_TICKETS, shares.tax_on_tickets),
        debit(_PROVIDER_FEE, shares.provider_fee),
    )


def capture(sale: Sale) -> Transaction:
    """A provider confirmed that the buyer paid."""
    key = f"capture:{sale.provider}:{sale.reference}"
    taken = debit(provider_clearing(sale.provider), sale.shares.total)
    lines = lines_of(taken, *_earned(sale.event_id, sale.shares))
    return Transaction(TransactionKind.CAPTURE, key, lines)


def cash_sale(order_id: UUID, event_id: UUID, shares: Shares) -> Transaction:
    """A box office took cash: the organizer keeps it, and owes what is not theirs."""
    lines = _cash_lines(event_id, shares)
    return Transaction(TransactionKind.CASH_SALE, f"cash_sale:{order_id}", lines)


def cash_refund(refund_id: UUID, event_id: UUID, shares: Shares) -> Transaction:
    """A box office gave cash back: what was owed of it is owed no more."""
    lines = tuple(Line(line.account, -line.amount) for line in _cash_lines(event_id, shares))
    return Transaction(TransactionKind.CASH_REFUND, f"cash_refund:{refund_id}", lines)


def _cash_lines(event_id: UUID, shares: Shares) -> tuple[Line, ...]:
    cash = Account(AccountKind.BOX_OFFICE_CASH)
    owed = shares.total - shares.organizer
    return lines_of(
        debit(cash, shares.total),
        *_earned(event_id, shares),
        debit(organizer_pending(event_id), shares.organizer),
        debit(ORGANIZER_RECEIVABLE, owed),
        credit(cash, shares.total),
    )


def provider_fee(provider: str, reference: str, fee: Money) -> Transaction:
    """A statement says what the provider kept; the platform bears it."""
    lines = lines_of(
        debit(Account(AccountKind.PROVIDER_FEE, provider), fee),
        credit(provider_clearing(provider), fee),
    )
    return Transaction(TransactionKind.PROVIDER_FEE, f"provider_fee:{provider}:{reference}", lines)


def provider_fee_borne_by_organizer(
    provider: str, reference: str, fee: Money, event_id: UUID
) -> Transaction:
    lines = lines_of(
        debit(organizer_pending(event_id), fee), credit(provider_clearing(provider), fee)
    )
    return Transaction(TransactionKind.PROVIDER_FEE, f"provider_fee:{provider}:{reference}", lines)


def settlement_key(provider: str, reference: str) -> str:
    """Under which a settlement is posted: a reference is the same in whatever case it is typed."""
    return f"settlement:{provider}:{reference.upper()}"


def key_without_number(key: str) -> str:
    """Under which a transfer was posted first, of whatever number this one is: no provider and no
    reference has a colon.
    """
    return ":".join(key.split(":")[:3])


def settlement(provider: str, reference: str, bank: str, amount: Money) -> Transaction:
    """A provider paid what it held to our bank account."""
    lines = lines_of(
        debit(Account(AccountKind.BANK, bank), amount), credit(provider_clearing(provider), amount)
    )
    return Transaction(TransactionKind.SETTLEMENT, settlement_key(provider, reference), lines)


def release(event_id: UUID, sequence: int, amount: Money) -> Transaction:
    """An event was held: what was pending may be paid out. Counted, since late sales follow."""
    lines = lines_of(
        debit(organizer_pending(event_id), amount), credit(ORGANIZER_AVAILABLE, amount)
    )
    return Transaction(TransactionKind.RELEASE, f"release:{event_id}:{sequence}", lines)


@dataclass(frozen=True, slots=True)
class Payout:
    """Money on its way to an organizer over a rail."""

    id: UUID
    rail: str
    amount: Money

    @property
    def in_transit(self) -> Account:
        return Account(AccountKind.PAYOUT_IN_TRANSIT, self.rail)

    @property
    def source(self) -> Account:
        """What it is paid from: the rail's float, or our account at the bank."""
        if self.rail == "bank":
            return Account(AccountKind.BANK, "payouts")
        return Account(AccountKind.PROVIDER_FLOAT, self.rail)


def payout_requested(payout: Payout) -> Transaction:
    """Before the rail is asked: the database refuses what the organizer does not have."""
    lines = lines_of(
        debit(ORGANIZER_AVAILABLE, payout.amount), credit(payout.in_transit, payout.amount)
    )
    return Transaction(TransactionKind.PAYOUT_REQUESTED, f"payout_requested:{payout.id}", lines)


def payout_confirmed(payout: Payout, source: Account, rail_fee: Money) -> Transaction:
    """The rail said it arrived; `source` is the float or bank account it was paid from."""
    lines = lines_of(
        debit(payout.in_transit, payout.amount),
        debit(Account(AccountKind.PAYOUT_FEE, payout.rail), rail_fee),
        credit(source, payout.amount + rail_fee),
    )
    return Transaction(TransactionKind.PAYOUT_CONFIRMED, f"payout_confirmed:{payout.id}", lines)


def payout_fee(payout: Payout, fee: Money) -> Transaction:
    """A statement says what the rail kept of a payout, beyond what it had told at once."""
    lines = lines_of(
        debit(Account(AccountKind.PAYOUT_FEE, payout.rail), fee), credit(payout.source, fee)
    )
    return Transaction(TransactionKind.PAYOUT_FEE, f"payout_fee:{payout.id}", lines)


def payout_failed(payout: Payout) -> Transaction:
    """The rail refused for good."""
    lines = lines_of(
        debit(payout.in_transit, payout.amount), credit(ORGANIZER_AVAILABLE, payout.amount)
    )
    return Transaction(TransactionKind.PAYOUT_FAILED, f"payout_failed:{payout.id}", lines)


def payout_returned(payout: Payout, source: Account) -> Transaction:
    """It had arrived, and came back days later; the rail's fee is spent."""
    lines = lines_of(debit(source, payout.amount), credit(ORGANIZER_AVAILABLE, payout.amount))
    return Transaction(TransactionKind.PAYOUT_RETURNED, f"payout_returned:{payout.id}", lines)


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to a buyer; `shares` say whose it was."""

    id: UUID
    provider: str
    event_id: UUID
    shares: Shares

    @property
    def in_transit(self) -> Account:
        return Account(AccountKind.REFUND_IN_TRANSIT, self.provider)


def refund_requested(refund: Refund, pending: Money, available: Money) -> Transaction:
    """Before the provider is asked. `pending` and `available` say what the organizer's accounts
    can bear, at most their share; the rest the organizer owes.
    """
    owed = refund.shares.organizer - pending - available
    lines = lines_of(
        debit(organizer_pending(refund.event_id), pending),
        debit(ORGANIZER_AVAILABLE, available),
        debit(ORGANIZER_RECEIVABLE, owed),
        *_given_back(refund.shares),
        credit(refund.in_transit, refund.shares.total),
    )
    return Transaction(TransactionKind.REFUND_REQUESTED, f"refund_requested:{refund.id}", lines)


def refund_confirmed(refund: Refund, source: Account) -> Transaction:
    """The buyer has it; `source` is the clearing account, the float or our bank account that it was
    paid from.
    """
    total = refund.shares.total
    lines = lines_of(debit(refund.in_transit, total), credit(source, total))
    return Transaction(TransactionKind.REFUND_CONFIRMED, f"refund_confirmed:{refund.id}", lines)


def refund_confirmed_in_cash(refund: Refund) -> Transaction:
    """The buyer has it from the organizer's till: what that laid out is the organizer's again."""
    cash, total = Account(AccountKind.BOX_OFFICE_CASH), refund.shares.total
    lines = lines_of(
        debit(refund.in_transit, total),
        credit(cash, total),
        debit(cash, total),
        credit(ORGANIZER_AVAILABLE, total),
    )
    return Transaction(TransactionKind.REFUND_CONFIRMED, f"refund_confirmed:{refund.id}", lines)


def refund_fee(refund_id: UUID, provider: str, fee: Money) -> Transaction:
    """A statement says what the provider kept of a refund; the platform bears it."""
    lines = lines_of(
        debit(Account(AccountKind.PROVIDER_FEE, provider), fee),
        credit(provider_clearing(provider), fee),
    )
    return Transaction(TransactionKind.PROVIDER_FEE, f"refund_fee:{refund_id}", lines)


def refund_failed(requested: Transaction, refund: Refund) -> Transaction:
    """The provider refused for good: the mirror of what was posted when it was asked."""
    lines = tuple(Line(line.account, -line.amount) for line in requested.lines)
    return Transaction(TransactionKind.REFUND_FAILED, f"refund_failed:{refund.id}", lines)


@dataclass(frozen=True, slots=True)
class Dispute:
    """A buyer's bank took a payment back."""

    id: UUID
    provider: str
    shares: Shares

    @property
    def suspense(self) -> Account:
        return Account(AccountKind.DISPUTE_SUSPENSE, self.provider)


def chargeback_opened(dispute: Dispute, fee: Money) -> Transaction:
    total = dispute.shares.total
    lines = lines_of(
        debit(dispute.suspense, total),
        debit(Account(AccountKind.CHARGEBACK_FEE), fee),
        credit(provider_clearing(dispute.provider), total + fee),
    )
    return Transaction(TransactionKind.CHARGEBACK_OPENED, f"chargeback_opened:{dispute.id}", lines)


def chargeback_lost(dispute: Dispute, available: Money) -> Transaction:
    """The organizer bears their share, out of what is available first."""
    owed = dispute.shares.organizer - available
    lines = lines_of(
        debit(ORGANIZER_AVAILABLE, available),
        debit(ORGANIZER_RECEIVABLE, owed),
        *_given_back(dispute.shares),
        credit(dispute.suspense, dispute.shares.total),
    )
    return Transaction(TransactionKind.CHARGEBACK_LOST, f"chargeback_lost:{dispute.id}", lines)


def chargeback_won(dispute: Dispute) -> Transaction:
    total = dispute.shares.total
    lines = lines_of(
        debit(provider_clearing(dispute.provider), total), credit(dispute.suspense, total)
    )
    return Transaction(TransactionKind.CHARGEBACK_WON, f"chargeback_won:{dispute.id}", lines)


def unapplied_receipt(provider: str, reference: str, amount: Money) -> Transaction:
    """Money came that fits no order: too much, too late, or nobody's."""
    lines = lines_of(
        debit(provider_clearing(provider), amount),
        credit(Account(AccountKind.UNAPPLIED_RECEIPTS), amount),
    )
    key = f"unapplied_receipt:{provider}:{reference}"
    return Transaction(TransactionKind.UNAPPLIED_RECEIPT, key, lines)


def float_top_up_key(provider: str, reference: str) -> str:
    return f"float_top_up:{provider}:{reference}"


def receipt_returned(payment_id: UUID, source: Account, amount: Money) -> Transaction:
    """Somebody gave back what fitted no order; `source` is the clearing account or our bank account
    that it was paid from.
    """
    lines = lines_of(debit(Account(AccountKind.UNAPPLIED_RECEIPTS), amount), credit(source, amount))
    return Transaction(TransactionKind.RECEIPT_RETURNED, f"receipt_returned:{payment_id}", lines)


def float_top_up(provider: str, reference: str, bank: str, amount: Money) -> Transaction:
    lines = lines_of(
        debit(Account(AccountKind.PROVIDER_FLOAT, provider), amount),
        credit(Account(AccountKind.BANK, bank), amount),
    )
    return Transaction(TransactionKind.FLOAT_TOP_UP, float_top_up_key(provider, reference), lines)


def suspense(source: str, reference: str, doubtful: Account, amount: Money) -> Transaction:
    """A difference that reconciliation found and nobody explained yet; it must return to zero."""
    lines = lines_of(
        debit(Account(AccountKind.UNRECONCILED, source), amount), credit(doubtful, amount)
    )
    return Transaction(TransactionKind.SUSPENSE, f"suspense:{source}:{reference}", lines)
