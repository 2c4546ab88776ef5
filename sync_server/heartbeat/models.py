"""The table of what devices last said of themselves."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class DeviceHeartbeat(Base):
    __tablename__ = "device_heartbeats"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    event_id: Mapped[UUID] = mapped_column(primary_key=True)
    deployment_id: Mapped[UUID] = mapped_column(primary_key=True)
    device_id: Mapped[UUID] = mapped_column(primary_key=True)
    heard_at: Mapped[datetime]
    state: Mapped[dict[str, Any]] = mapped_column(JSONB)
