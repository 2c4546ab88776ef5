"""Tables of payouts, where they go, and what rails said of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class HoldRule(Base):
    """Only ever added to: the newest version counts."""

    __tablename__ = "payout_hold_rules"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    hold_days: Mapped[int]
    reason: Mapped[str]
    set_by: Mapped[UUID]
    set_at: Mapped[datetime]


class PayoutDestination(Base):
    """`sealed_account` says whose account it is and its number, `sealed_told_name` whose the rail
    says it is.
    """

    __tablename__ = "payout_destinations"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    rail: Mapped[str]
    currency: Mapped[str]
    label: Mapped[str]
    account_ending: Mapped[str]
    sealed_account: Mapped[bytes] = mapped_column(deferred=True)
    sealed_told_name: Mapped[bytes | None] = mapped_column(deferred=True)
    name_check: Mapped[str]
    name_checked_at: Mapped[datetime | None]
    added_by: Mapped[UUID]
    added_at: Mapped[datetime]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    withdrawn_by: Mapped[UUID | None]
    withdrawn_at: Mapped[datetime | None]


class Payout(Base):
    """`reference` is ours, stored before the rail hears of it, and `number` what people quote."""

    __tablename__ = "payouts"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[str]
    destination_id: Mapped[UUID]
    rail: Mapped[str]
    state: Mapped[str]
    reference: Mapped[UUID]
    provider_reference: Mapped[str | None]
    currency: Mapped[str]
    amount: Mapped[int]
    rail_fee: Mapped[int]
    reason: Mapped[str | None]
    requested_by: Mapped[UUID]
    requested_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_at: Mapped[datetime | None]
    accepts_name: Mapped[bool]
    attempts: Mapped[int]
    sent_at: Mapped[datetime | None]
    state_changed_at: Mapped[datetime]
    next_read_at: Mapped[datetime | None]


class PayoutAttempt(Base):
    """Only ever added to; `sealed_answers` is what the rail sent, byte for byte."""

    __tablename__ = "payout_attempts"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    payout_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    finding: Mapped[str]
    code: Mapped[str | None]
    sealed_answers: Mapped[bytes | None] = mapped_column(deferred=True)
    milliseconds: Mapped[int]
    started_at: Mapped[datetime]
