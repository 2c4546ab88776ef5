"""What scans and conflicts look like to an organizer; kiosks speak `shared.wire`."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from shared.wire.base import TicketIdText


class ScanShown(BaseModel):
    """One scan; it happened between `earliest_ms` and `latest_ms`, Unix milliseconds."""

    scan_id: UUID
    device_id: UUID
    seq: int
    gate_id: UUID
    direction: str
    ticket_id: TicketIdText | None
    verdict: str
    admitted: bool
    gate_time_ms: int
    earliest_ms: int
    latest_ms: int
    received_at: datetime


class ConflictShown(BaseModel):
    """`withdrawn`: later scans explained it away. `concurrent`: nobody knows which came first."""

    id: UUID
    kind: str
    subject: str
    scan_ids: list[UUID]
    concurrent: bool
    state: Literal["open", "resolved", "withdrawn"]
    found_at: datetime
    changed_at: datetime
    resolved_at: datetime | None
    resolved_by: UUID | None
    resolution: str | None


class Resolution(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=1_000)]
