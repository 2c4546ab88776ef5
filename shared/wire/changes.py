"""What happened since a cursor: ticket states, admissions elsewhere, rules.

A kiosk applies a page in one transaction.
"""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from shared.admission.facts import Direction, TicketStatus
from shared.wire.base import Base64Bytes, TicketIdText, WireModel
from shared.wire.rules import RuleBookDocument

CHANGES_PER_PAGE_MAX = 1_000


class TicketChanged(WireModel):
    """A ticket as it now stands; it replaces the snapshot's row."""

    kind: Literal["ticket"] = "ticket"
    ticket_id: TicketIdText
    generation: Annotated[int, Field(ge=0, le=255)]
    status: TicketStatus
    holder_algorithm: Annotated[int, Field(ge=0, le=1)] | None = None
    holder_key: Base64Bytes | None = None
    core: Base64Bytes
    medium: str | None = None
    attention: bool = False
    holder_name: str | None = None
    seat: str | None = None


class PassageHeard(WireModel):
    """Somebody was let through at some gate, this one included."""

    kind: Literal["passage"] = "passage"
    scan_id: UUID
    ticket_id: TicketIdText
    device_id: UUID
    gate_id: UUID
    direction: Direction
    at_ms: int


class RulesChanged(WireModel):
    """The rules of the deployment, whole."""

    kind: Literal["rules"] = "rules"
    rules: RuleBookDocument


Change = Annotated[TicketChanged | PassageHeard | RulesChanged, Field(discriminator="kind")]


class ChangesPage(WireModel):
    """Changes after a cursor, in order; `cursor` is where the next page begins."""

    changes: tuple[Change, ...]
    cursor: tuple[int, int]
    more: bool
