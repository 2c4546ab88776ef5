"""The two logs and the blocks that seal them; rows are added by the database's own functions."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class _Entry:
    """What both logs say of every row: who, what, on which object, from where, when."""

    id: Mapped[UUID] = mapped_column(primary_key=True)
    xid: Mapped[int]
    happened_at: Mapped[datetime]
    organizer_id: Mapped[UUID | None]
    actor_kind: Mapped[str]
    actor_id: Mapped[UUID | None]
    kind: Mapped[str]
    object_kind: Mapped[str]
    object_id: Mapped[str]
    request_id: Mapped[str | None]
    network_address: Mapped[str | None]


class LoggedAction(_Entry, Base):
    __tablename__ = "admin_action_log"

    before: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    after: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    reason: Mapped[str | None]


class LoggedAccess(_Entry, Base):
    __tablename__ = "access_audit_log"

    outcome: Mapped[str]
    detail: Mapped[str | None]


class AuditBlock(Base):
    """`entries` holds what the block's tree is built of: 48 bytes for each row."""

    __tablename__ = "audit_blocks"

    log: Mapped[str] = mapped_column(primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    first_xid: Mapped[int]
    first_id: Mapped[UUID]
    last_xid: Mapped[int]
    last_id: Mapped[UUID]
    row_count: Mapped[int]
    root: Mapped[bytes]
    previous_hash: Mapped[bytes]
    sealed_at: Mapped[datetime]
    signature: Mapped[bytes]
    entries: Mapped[bytes]
