"""What runs look like over HTTP."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from sync_server.reconciliation.rules import Severity


class RunShown(BaseModel):
    """`counts` says how many items each check found; a run with drifts failed."""

    model_config = ConfigDict(from_attributes=True)

    id: UUID
    source: str
    started_at: datetime
    ended_at: datetime
    counts: dict[str, int]
    drifts: int
    notes: int


class ItemShown(BaseModel):
    """One row that is not as it should be; amounts are minor units."""

    model_config = ConfigDict(from_attributes=True)

    item_no: int
    check_name: str
    finding: str
    severity: Severity
    books_of: UUID | None
    subject: str
    currency: str | None
    expected: int | None
    found: int | None
