"""What organizers and members look like over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, StringConstraints

from sync_server.organizers.rules import Capability

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class NewOrganizer(BaseModel):
    """`id` may be made by the caller (UUIDv7), so that a repeated request cannot found a second
    organizer.
    """

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    name: Name


class OrganizerShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    created_at: datetime


class NewMember(BaseModel):
    model_config = ConfigDict(extra="forbid")

    user_id: UUID
    capabilities: frozenset[Capability]


class MemberCapabilities(BaseModel):
    model_config = ConfigDict(extra="forbid")

    capabilities: frozenset[Capability]


class MemberShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    user_id: UUID
    capabilities: frozenset[Capability]
    created_at: datetime
