"""Tables of scans, entries put aside, devices' chains, and what the fold says."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import ARRAY, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class Scan(Base):
    """A sound entry; `ticket_id` is folded into signed 64 bits."""

    __tablename__ = "scans"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    deployment_id: Mapped[UUID]
    scan_id: Mapped[UUID]
    entry_hash: Mapped[bytes]
    prev_hash: Mapped[bytes]
    entry: Mapped[bytes]
    gate_id: Mapped[UUID]
    direction: Mapped[str]
    ticket_id: Mapped[int | None]
    verdict: Mapped[str]
    admitted: Mapped[bool]
    gate_time_ms: Mapped[int]
    earliest_ms: Mapped[int]
    latest_ms: Mapped[int]
    received_at: Mapped[datetime]


class QuarantinedEntry(Base):
    """An entry that cannot be read or contradicts another, kept as it came."""

    __tablename__ = "quarantined_entries"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entry_hash: Mapped[bytes] = mapped_column(primary_key=True)
    entry: Mapped[bytes]
    finding: Mapped[str]
    received_at: Mapped[datetime]


class DeviceChain(Base):
    __tablename__ = "device_chains"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    contiguous_seq: Mapped[int]
    head_hash: Mapped[bytes]


class TicketAdmission(Base):
    """Where a ticket's holder stands, as the fold reads all scans."""

    __tablename__ = "ticket_admissions"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    ticket_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    inside: Mapped[bool]
    entries: Mapped[int]
    last_at_ms: Mapped[int | None]
    updated_at: Mapped[datetime]


class StoredConflict(Base):
    """Identified by kind and subject; `withdrawn_at` when later scans explained it away."""

    __tablename__ = "conflicts"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subject: Mapped[str]
    scan_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    concurrent: Mapped[bool]
    found_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    withdrawn_at: Mapped[datetime | None]
    resolved_at: Mapped[datetime | None]
    resolved_by: Mapped[UUID | None]
    resolution: Mapped[str | None]
