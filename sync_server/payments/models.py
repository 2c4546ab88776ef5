"""Tables of payments, refunds and the accounts they go to, what providers said of them, and what a
bank's files said.
"""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, FetchedValue, LargeBinary, Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base
from sync_server.ledger.shares import SharedAmount


class Payment(SharedAmount, Base):
    """`sealed_request` holds what a provider is told of the payer, for sending it again."""

    __tablename__ = "payments"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    order_id: Mapped[UUID]
    provider: Mapped[str]
    state: Mapped[str]
    reference: Mapped[UUID]
    provider_reference: Mapped[str | None]
    redirect_url: Mapped[str | None]
    currency: Mapped[str]
    received_amount: Mapped[int | None]
    received_currency: Mapped[str | None]
    refunded_amount: Mapped[int] = mapped_column(server_default=FetchedValue())
    sealed_request: Mapped[bytes]
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    reason: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    state_changed_at: Mapped[datetime]
    next_read_at: Mapped[datetime | None]
    repeat_hash: Mapped[bytes | None] = mapped_column(deferred=True)
    request_hash: Mapped[bytes | None] = mapped_column(deferred=True)


class StoredRefund(SharedAmount, Base):
    """`lines` are the tickets of its order whose money it gives back; one that was refused may be
    asked for once more, by a row whose `retry_of` names it. `paid_from` says where the money came
    from where no provider gave it back.
    """

    __tablename__ = "refunds"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID]
    state: Mapped[str]
    reference: Mapped[UUID]
    provider_reference: Mapped[str | None]
    reason: Mapped[str]
    refusal: Mapped[str | None]
    requested_by: Mapped[UUID | None]
    requested_at: Mapped[datetime]
    state_changed_at: Mapped[datetime]
    next_read_at: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(server_default=FetchedValue())
    repeat_hash: Mapped[bytes | None] = mapped_column(deferred=True)
    request_hash: Mapped[bytes | None] = mapped_column(deferred=True)
    lines: Mapped[list[int]] = mapped_column(ARRAY(BigInteger))
    retry_of: Mapped[UUID | None]
    account_id: Mapped[UUID | None]
    paid_from: Mapped[str | None]


class RefundAccount(Base):
    """Only ever added to: the newest of an order is where its money goes back to."""

    __tablename__ = "refund_accounts"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID]
    number: Mapped[int]
    account_ending: Mapped[str]
    sealed_account: Mapped[bytes]
    named_by: Mapped[UUID | None]
    named_at: Mapped[datetime]


class ReturnedReceipt(Base):
    """Only ever added to: a payment that did not fit, and that somebody gave back by hand."""

    __tablename__ = "returned_receipts"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    paid_from: Mapped[str]
    reference: Mapped[str]
    received_at: Mapped[datetime]
    returned_at: Mapped[datetime]
    repeat_hash: Mapped[bytes]
    request_hash: Mapped[bytes]


class PaymentReading(Base):
    """Only ever added to."""

    __tablename__ = "payment_readings"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    payment_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    refund_id: Mapped[UUID | None]
    source: Mapped[str]
    finding: Mapped[str]
    reason: Mapped[str | None]
    amount: Mapped[int | None]
    currency: Mapped[str | None]
    milliseconds: Mapped[int]
    read_at: Mapped[datetime]


class StoredBankMovement(Base):
    """Only ever added to, as all that a bank's files say."""

    __tablename__ = "bank_movements"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    arrival_no: Mapped[int] = mapped_column(server_default=FetchedValue())
    account: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    side: Mapped[str]
    is_return: Mapped[bool]
    booked_on: Mapped[date | None]
    bank_reference: Mapped[str]
    end_to_end_id: Mapped[str]
    payment_reference: Mapped[str]
    return_reason: Mapped[str]
    charges: Mapped[int | None]
    charges_currency: Mapped[str | None]
    other_keys: Mapped[list[bytes] | None] = mapped_column(postgresql.ARRAY(LargeBinary))


class StoredTransferStatus(Base):
    __tablename__ = "bank_transfer_statuses"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    arrival_no: Mapped[int] = mapped_column(server_default=FetchedValue())
    report_id: Mapped[str]
    message_id: Mapped[str]
    payment_id: Mapped[str]
    end_to_end_id: Mapped[str]
    status: Mapped[str]
    reasons: Mapped[list[str]] = mapped_column(ARRAY(Text))
    bank_reference: Mapped[str]


class StoredBankBalance(Base):
    __tablename__ = "bank_balances"

    key: Mapped[bytes] = mapped_column(primary_key=True)
    arrival_no: Mapped[int] = mapped_column(server_default=FetchedValue())
    account: Mapped[str]
    statement_id: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    balance_on: Mapped[date]
