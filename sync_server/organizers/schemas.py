"""What organizers and members look like over HTTP."""

from datetime import datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
    StringConstraints,
)

from sync_server.identity.addresses import EmailAddress
from sync_server.identity.rules import Language
from sync_server.organizers.rules import FOR_PEOPLE_ONLY, Capability

SERVICE_ACCOUNT_DAYS_MAX: Final = 366
INVITATION_LIFETIME: Final = timedelta(days=7)


def _in_order(capabilities: frozenset[Capability]) -> list[Capability]:
    return [capability for capability in Capability if capability in capabilities]


# A set has no order of its own, and one answer is to be written one way.
Capabilities = Annotated[frozenset[Capability], PlainSerializer(_in_order)]
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
    capabilities: Capabilities
    created_at: datetime


class NewInvitation(BaseModel):
    """`language` is that of the letter, unless the person has an account and so a language."""

    model_config = ConfigDict(extra="forbid")

    address: EmailAddress
    capabilities: frozenset[Capability]
    language: Language = Language.ENGLISH


class InvitationShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    address: str
    capabilities: Capabilities
    invited_by: UUID
    created_at: datetime
    expires_at: datetime
    accepted_by: UUID | None
    accepted_at: datetime | None
    withdrawn_at: datetime | None


class InvitationAnswer(BaseModel):
    """`token` is what follows `#` in the letter's link."""

    model_config = ConfigDict(extra="forbid")

    token: Annotated[SecretStr, Field(max_length=100)]


class MembershipShown(BaseModel):
    organizer_id: UUID
    capabilities: Capabilities


def _for_programs(capabilities: frozenset[Capability]) -> frozenset[Capability]:
    if withheld := capabilities & FOR_PEOPLE_ONLY:
        named = ", ".join(sorted(withheld))
        message = f"{named} is for people only"
        raise ValueError(message)
    return capabilities


ServiceCapabilities = Annotated[
    frozenset[Capability], Field(min_length=1), AfterValidator(_for_programs)
]


class NewServiceAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Name
    capabilities: ServiceCapabilities
    days: int = Field(default=90, ge=1, le=SERVICE_ACCOUNT_DAYS_MAX)


class ServiceAccountShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: UUID
    name: str
    capabilities: Capabilities
    created_by: UUID
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


class ServiceAccountMade(ServiceAccountShown):
    """The token is shown once and kept nowhere."""

    token: str
