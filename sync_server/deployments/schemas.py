"""What deployments, devices and sessions look like to an organizer; kiosks speak `shared.wire`."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from shared.wire.rules import RuleBookDocument
from sync_server.deployments.rules import DeviceState, EndReason

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
STALE_AFTER_SECONDS_DEFAULT = 4 * 3_600


class NewDeployment(BaseModel):
    """`stale_after_seconds` is how long a kiosk may stay silent before its session is revoked;
    `travel_seconds` the least time between two different gates, 0 for any.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    name: Name
    gate_ids: Annotated[list[UUID], Field(min_length=1, max_length=1_000)]
    rules: RuleBookDocument = RuleBookDocument()
    stale_after_seconds: Annotated[int, Field(ge=60, le=604_800)] = STALE_AFTER_SECONDS_DEFAULT
    travel_seconds: Annotated[int, Field(ge=0, le=86_400)] = 0
    confirm_devices: bool = False


class DeploymentShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    gate_ids: list[UUID]
    rules: RuleBookDocument
    stale_after_seconds: int
    travel_seconds: int
    confirm_devices: bool
    created_at: datetime


class NewEnrolmentCode(BaseModel):
    model_config = ConfigDict(extra="forbid")

    gate_id: UUID


class EnrolmentCodeShown(BaseModel):
    """Shown once: as a QR text, or as an address and letters to type."""

    text: str
    server_address: str
    letters: str
    gate_id: UUID
    expires_at: datetime


class DeviceShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    gate_id: UUID
    state: DeviceState
    digits: str
    software_version: str
    enrolled_at: datetime


class SessionShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    device_id: UUID
    started_at: datetime
    last_seen_at: datetime
    ended_at: datetime | None
    end_reason: EndReason | None
