"""What events, gates, zones and ticket types look like over HTTP."""

from datetime import datetime
from typing import Annotated
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from sync_server.catalog.rules import EventStatus, Medium

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
ZoneBits = frozenset[Annotated[int, Field(ge=0, le=15)]]
_TIMEZONES = frozenset(available_timezones())


def _known_timezone(name: str) -> str:
    if name not in _TIMEZONES:
        message = "not a time zone of the IANA database, such as Africa/Kampala"
        raise ValueError(message)
    return name


class _New(BaseModel):
    """`id` may be made by the caller (UUIDv7), so a repeated request makes nothing twice."""

    model_config = ConfigDict(extra="forbid")

    id: UUID | None = None
    name: Name


class _Shown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str


class NewEvent(_New):
    """`base_time` is what validity in codes counts from: the day's start, never changed."""

    base_time: AwareDatetime
    timezone: Annotated[str, AfterValidator(_known_timezone)]
    venue: Name


class EventShown(_Shown):
    base_time: datetime
    timezone: str
    venue: str
    status: EventStatus
    created_at: datetime


class NewGate(_New):
    """Without a number the gate gets the lowest free one; without `zones` it leads to every zone,
    else to the zones with these bits, which must exist.
    """

    number: int | None = Field(default=None, ge=1, le=0xFFFF_FFFF)
    zones: ZoneBits = frozenset()


class GateShown(_Shown):
    """`zones` is null where the gate leads to every zone."""

    number: int
    zones: list[int] | None


class NewZone(_New):
    """Without a bit the zone gets the lowest free one."""

    bit: int | None = Field(default=None, ge=0, le=15)


class ZoneShown(_Shown):
    bit: int


class NewTicketType(_New):
    """Without a tier the type gets the lowest free one; without `zones` it opens every zone, else
    the zones with these bits, which must exist.
    """

    tier: int | None = Field(default=None, ge=0, le=255)
    zones: ZoneBits = frozenset()
    identity_bound: bool = False
    static_allowed: bool = False
    reentry_allowed: bool = False
    staff: bool = False
    companion: bool = False
    medium: Medium = Medium.QR


class TicketTypeShown(BaseModel):
    """`zones` is null where tickets of this type open every zone."""

    id: UUID
    name: str
    tier: int
    zones: list[int] | None
    identity_bound: bool
    static_allowed: bool
    reentry_allowed: bool
    staff: bool
    companion: bool
    medium: Medium
