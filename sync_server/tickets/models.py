"""Tables of tickets, the keys they were bound to, and what gates' snapshots know."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import FetchedValue, Identity, SmallInteger
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class Ticket(Base):
    """`id` is the ticket's id folded into signed 64 bits; `bound_xid` says since when gates can
    know the holder.
    """

    __tablename__ = "tickets"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    ticket_type_id: Mapped[UUID]
    generation: Mapped[int] = mapped_column(SmallInteger)
    status: Mapped[str]
    status_reason: Mapped[str | None]
    status_changed_at: Mapped[datetime]
    core: Mapped[bytes]
    medium: Mapped[str | None]
    attention: Mapped[bool]
    holder_algorithm: Mapped[int | None] = mapped_column(SmallInteger)
    holder_key: Mapped[bytes | None]
    bound_xid: Mapped[int] = mapped_column(server_default=FetchedValue())
    holder_name: Mapped[str | None]
    seat: Mapped[str | None]
    claim_token_hash: Mapped[bytes] = mapped_column(deferred=True)
    created_at: Mapped[datetime]


class TicketBinding(Base):
    __tablename__ = "ticket_bindings"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    generation: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    holder_algorithm: Mapped[int] = mapped_column(SmallInteger)
    bound_at: Mapped[datetime]
    claim_token_hash: Mapped[bytes] = mapped_column(deferred=True)


class EventFreeze(Base):
    """What one deployment's newest snapshot knows: every transaction below `cursor_xid`."""

    __tablename__ = "event_freezes"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    cursor_xid: Mapped[int]
    frozen_at: Mapped[datetime]


class StoredChange(Base):
    __tablename__ = "changes"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    xid: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, server_default=FetchedValue()
    )
    id: Mapped[int] = mapped_column(Identity(), primary_key=True)
    kind: Mapped[str]
    ticket_id: Mapped[int | None]
    deployment_id: Mapped[UUID | None]
    payload: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
