"""Tables of events, their entrances, ticket types and keys; every key begins with the organizer."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Integer, SmallInteger
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class Event(Base):
    __tablename__ = "events"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    base_time: Mapped[datetime]
    timezone: Mapped[str]
    venue: Mapped[str]
    status: Mapped[str]
    created_at: Mapped[datetime]


class Gate(Base):
    __tablename__ = "gates"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    number: Mapped[int]
    name: Mapped[str]
    zones: Mapped[int] = mapped_column(Integer)


class Zone(Base):
    __tablename__ = "zones"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    bit: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]


class TicketType(Base):
    __tablename__ = "ticket_types"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    tier: Mapped[int] = mapped_column(SmallInteger)
    name: Mapped[str]
    zones: Mapped[int] = mapped_column(Integer)
    flags: Mapped[int] = mapped_column(SmallInteger)
    medium: Mapped[str]


class StoredKeySet(Base):
    __tablename__ = "event_key_sets"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kid: Mapped[int] = mapped_column(SmallInteger)
    sealed_event_key: Mapped[bytes] = mapped_column(deferred=True)
    created_at: Mapped[datetime]


class StoredIssuerKey(Base):
    __tablename__ = "issuer_keys"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    ikid: Mapped[int] = mapped_column(SmallInteger)
    public_key: Mapped[bytes]
    sealed_private_key: Mapped[bytes] = mapped_column(deferred=True)
    active: Mapped[bool]
    created_at: Mapped[datetime]
