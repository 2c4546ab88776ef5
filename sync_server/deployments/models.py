"""Tables of deployments, their enrolment codes, devices and scanner sessions, and used proofs."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class Deployment(Base):
    __tablename__ = "deployments"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str]
    gate_ids: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    rules: Mapped[dict[str, Any]] = mapped_column(JSONB)
    stale_after_seconds: Mapped[int]
    travel_seconds: Mapped[int]
    confirm_devices: Mapped[bool]
    created_at: Mapped[datetime]


class StoredEnrolmentCode(Base):
    __tablename__ = "enrolment_codes"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    gate_id: Mapped[UUID]
    code_hash: Mapped[bytes] = mapped_column(deferred=True)
    created_by: Mapped[UUID]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    device_id: Mapped[UUID | None]


class Device(Base):
    __tablename__ = "devices"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    gate_id: Mapped[UUID]
    name: Mapped[str]
    state: Mapped[str]
    signing_key: Mapped[bytes]
    sealing_key: Mapped[bytes]
    digits: Mapped[str]
    software_version: Mapped[str]
    enrolled_at: Mapped[datetime]


class ScannerSession(Base):
    __tablename__ = "scanner_sessions"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID]
    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[bytes] = mapped_column(deferred=True)
    time_seq: Mapped[int]
    started_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    end_reason: Mapped[str | None]


class ProofUse(Base):
    """A proof that was presented, as the hash of its key's thumbprint and `jti`."""

    __tablename__ = "proof_uses"

    digest: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime]
