"""What a snapshot looks like to an organizer."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict


class SnapshotShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    version: int
    sha256: str
    size_bytes: int
    ticket_count: int
    frozen_at: datetime
