"""The inbox: what came, sealed, under the id its source gave it."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class ReceivedWebhook(Base):
    """`conflicting` is another content under an id that was known; it is kept and never handled."""

    __tablename__ = "webhook_inbox"

    source: Mapped[str] = mapped_column(primary_key=True)
    event_id: Mapped[str] = mapped_column(primary_key=True)
    payload_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[UUID]
    received_at: Mapped[datetime]
    scheme: Mapped[str]
    body: Mapped[bytes]
    conflicting: Mapped[bool]
    processed_at: Mapped[datetime | None]
