"""What an alarm looks like over HTTP."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict


class AlarmShown(BaseModel):
    """`kind` and `subject` say what is wrong with what, `detail` in ids and numbers how much.

    An alarm without `cleared_at` is open: it was true at `last_seen_at`.
    """

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    kind: str
    subject: str
    detail: dict[str, Any]
    raised_at: datetime
    last_seen_at: datetime
    cleared_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
