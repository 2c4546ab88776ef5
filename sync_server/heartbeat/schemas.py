"""What a device's last heartbeat looks like to an organizer."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from shared.wire.scanners import Health


class HeartbeatShown(BaseModel):
    device_id: UUID
    heard_at: datetime
    queue_length: int
    journal_seq: int
    snapshot_version: int
    camera: Health
    reader: Health
    clock: Health
    clock_uncertainty_ms: int | None
    battery_percent: int | None
    software_version: str
