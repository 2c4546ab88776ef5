"""The table of snapshots; their files lie beside the database, named by content."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class Snapshot(Base):
    __tablename__ = "snapshots"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id: Mapped[UUID]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    ticket_count: Mapped[int]
    cursor_xid: Mapped[int]
    cursor_id: Mapped[int]
    frozen_at: Mapped[datetime]
    content_digest: Mapped[bytes]
    sealed_file_key: Mapped[bytes] = mapped_column(deferred=True)
    manifest: Mapped[bytes]
    signature: Mapped[bytes]
