"""Tables of offers, orders and their lines, rules of fees, and promo codes."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base
from sync_server.ledger.shares import SharedAmount


class StoredFeeRule(Base):
    """A version of a rule; only ever added to. Without an organizer it is the platform's."""

    __tablename__ = "fee_rules"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str]
    for_organizer_id: Mapped[UUID | None]
    for_event_id: Mapped[UUID | None]
    kind: Mapped[str]
    bearer: Mapped[str]
    basis_points: Mapped[int]
    currency: Mapped[str | None]
    fixed_minor_units: Mapped[int]
    cap_minor_units: Mapped[int | None]
    valid_from: Mapped[datetime]
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]


class TicketOffer(Base):
    """A ticket type on sale; `taken` is what is held and sold of `quantity`."""

    __tablename__ = "ticket_offers"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    ticket_type_id: Mapped[UUID] = mapped_column(primary_key=True)
    currency: Mapped[str]
    price: Mapped[int]
    quantity: Mapped[int]
    taken: Mapped[int] = mapped_column(server_default=FetchedValue())
    sales_from: Mapped[datetime | None]
    sales_until: Mapped[datetime | None]
    per_buyer_max: Mapped[int | None]
    changed_at: Mapped[datetime]


class PromoCode(Base):
    __tablename__ = "promo_codes"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    code: Mapped[str]
    basis_points: Mapped[int | None]
    currency: Mapped[str | None]
    fixed_minor_units: Mapped[int | None]
    uses_max: Mapped[int]
    uses: Mapped[int] = mapped_column(server_default=FetchedValue())
    valid_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]


class Order(SharedAmount, Base):
    """`charges` say which version of which rule made what; who buys is sealed."""

    __tablename__ = "orders"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID]
    number: Mapped[str]
    channel: Mapped[str]
    state: Mapped[str]
    currency: Mapped[str]
    price: Mapped[int]
    discount: Mapped[int]
    charges: Mapped[list[dict[str, Any]]] = mapped_column(JSONB)
    promo_code_id: Mapped[UUID | None]
    buyer_hash: Mapped[bytes] = mapped_column(deferred=True)
    sealed_buyer: Mapped[bytes] = mapped_column(deferred=True)
    token_hash: Mapped[bytes] = mapped_column(deferred=True)
    sealed_token: Mapped[bytes] = mapped_column(deferred=True)
    repeat_hash: Mapped[bytes] = mapped_column(deferred=True)
    request_hash: Mapped[bytes] = mapped_column(deferred=True)
    payment_id: Mapped[UUID | None]
    sold_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    hold_expires_at: Mapped[datetime]
    state_changed_at: Mapped[datetime]


class OrderLine(SharedAmount, Base):
    """One ticket; `refund_id` is the refund that takes, or took, it back. A refund in cash has no
    other row: what was asked for it is kept here.
    """

    __tablename__ = "order_lines"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    order_id: Mapped[UUID] = mapped_column(primary_key=True)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ticket_type_id: Mapped[UUID]
    price: Mapped[int]
    ticket_id: Mapped[int | None]
    sealed_claim: Mapped[bytes | None] = mapped_column(deferred=True)
    refund_id: Mapped[UUID | None]
    refund_request_hash: Mapped[bytes | None] = mapped_column(deferred=True)
    returned_at: Mapped[datetime | None]
