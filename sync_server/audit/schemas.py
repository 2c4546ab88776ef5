"""What an organizer is shown of the log, and what a proof consists of."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from sync_server.audit.rules import AccessOutcome


class EntryShown(BaseModel):
    """Who, what kind, on which object, from where, when."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    happened_at: datetime
    organizer_id: UUID | None
    actor_kind: str
    actor_id: UUID | None
    kind: str
    object_kind: str
    object_id: str
    request_id: str | None
    network_address: str | None


class ActionShown(EntryShown):
    """One change: why, and how it was before and after."""

    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reason: str | None


class AccessShown(EntryShown):
    """One look; `detail` is the code of the problem that was answered."""

    outcome: AccessOutcome
    detail: str | None


class InclusionProof(BaseModel):
    """A row, the block that seals it, and the hashes that lead from one to the other."""

    model_config = ConfigDict(extra="forbid")

    format: str
    row: dict[str, Any]
    block: dict[str, Any]
    index: int
    path: list[str]
    public_key: str
