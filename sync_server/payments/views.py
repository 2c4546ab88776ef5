"""What other domains are told of a payment; no row of a table leaves this domain."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from shared.ids import EventId, OrganizerId
from shared.money import Money
from sync_server.ledger.postings import Shares
from sync_server.ledger.shares import shares_of_row
from sync_server.payments.models import Payment, StoredRefund
from sync_server.payments.rules import Expected, PaidFrom, PaymentState, Provider, RefundState


@dataclass(frozen=True, slots=True)
class PaymentFacts:
    """A payment as it stands; `redirect_url` is where the payer goes, if anywhere, and
    `provider_reference` what the provider calls it.
    """

    organizer_id: OrganizerId
    id: UUID
    event_id: EventId
    order_id: UUID
    provider: Provider
    state: PaymentState
    amount: Money
    shares: Shares
    provider_reference: str | None
    redirect_url: str | None
    reason: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefundFacts:
    """Money on its way back to a buyer; `refusal` is the provider's word for why it is not, and
    `account_id` the account that it goes to where it does not go back the way it came. With
    `paid_from` no provider gave it back: it was settled outside.
    """

    organizer_id: OrganizerId
    id: UUID
    payment_id: UUID
    event_id: EventId
    order_id: UUID
    provider: Provider
    state: RefundState
    shares: Shares
    lines: frozenset[int]
    reason: str
    refusal: str | None
    account_id: UUID | None
    retry_of: UUID | None
    paid_from: PaidFrom | None
    requested_at: datetime

    @property
    def amount(self) -> Money:
        return self.shares.total


def refund_facts_of(row: StoredRefund, payment: Payment) -> RefundFacts:
    return RefundFacts(
        organizer_id=OrganizerId(row.organizer_id),
        id=row.id,
        payment_id=row.payment_id,
        event_id=EventId(payment.event_id),
        order_id=payment.order_id,
        provider=Provider(payment.provider),
        state=RefundState(row.state),
        shares=shares_of_row(row, payment.currency),
        lines=frozenset(row.lines),
        reason=row.reason,
        refusal=row.refusal,
        account_id=row.account_id,
        retry_of=row.retry_of,
        paid_from=None if row.paid_from is None else PaidFrom(row.paid_from),
        requested_at=row.requested_at,
    )


def facts_of(row: Payment) -> PaymentFacts:
    return PaymentFacts(
        organizer_id=OrganizerId(row.organizer_id),
        id=row.id,
        event_id=EventId(row.event_id),
        order_id=row.order_id,
        provider=Provider(row.provider),
        state=PaymentState(row.state),
        amount=Money(row.amount, row.currency),
        shares=shares_of_row(row, row.currency),
        provider_reference=row.provider_reference,
        redirect_url=row.redirect_url,
        reason=row.reason,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )


def expected_of(row: Payment) -> Expected:
    return Expected(str(row.reference), Money(row.amount, row.currency))


def about_money(facts: PaymentFacts | RefundFacts) -> dict[str, Any]:
    """What an alarm says of money: whose it is, of which order, and how much."""
    return {
        "organizer_id": str(facts.organizer_id),
        "order_id": str(facts.order_id),
        "provider": facts.provider.value,
        "currency": facts.amount.currency,
        "amount": facts.amount.minor_units,
    }
