"""What a gate needs from outside, and the failures it expects there. Protocols and values only."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from shared.admission.facts import MediumDemand, Passage, TicketStatus
from shared.admission.policy import RuleBook
from shared.credentials.keys import HolderKey
from shared.credentials.layout import Core
from shared.credentials.opening import EventKeyring
from shared.errors import ZeraketError
from shared.ids import DeviceId, EventId, GateId, ScanId, StaffId, TicketId
from shared.journal.entry import Cursor, ScanEntry


class GateError(ZeraketError):
    """A failure of the gate's own equipment or store."""

    code = "gate_error"


class JournalUnwritableError(GateError):
    """The scan could not be put on disk, so nobody may be let through on it."""

    code = "journal_unwritable"


class SnapshotUnreadableError(GateError):
    """The snapshot cannot be read: damaged, swapped, or opened with a wrong key."""

    code = "snapshot_unreadable"


@dataclass(frozen=True, slots=True)
class TicketRow:
    """A ticket as the snapshot and the changes since say it is."""

    ticket_id: TicketId
    generation: int
    status: TicketStatus
    core: Core
    holder: HolderKey | None
    medium: MediumDemand | None = None
    attention: bool = False
    holder_name: str | None = None
    seat: str | None = None


@dataclass(frozen=True, slots=True)
class Tier:
    """A ticket type as the gate knows it."""

    tier: int
    name: str
    medium: MediumDemand


@dataclass(frozen=True, slots=True)
class Gate:
    """A gate of the event."""

    gate_id: GateId
    name: str
    zones: int


@dataclass(frozen=True, slots=True)
class EventKnowledge:
    """What a gate knows about the event apart from its tickets; replaced whole when it changes."""

    event_id: EventId
    event_name: str
    base_time_ms: int
    timezone: str
    keyring: EventKeyring
    rule_book: RuleBook
    gates: dict[GateId, Gate]
    tiers: dict[int, Tier]
    snapshot_version: int
    frozen_at_ms: int
    cursor: Cursor


class TicketDirectory(Protocol):
    """Tickets by id."""

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        """Give the ticket, None where it is unknown; raise SnapshotUnreadableError."""
        ...


class PassageRecord(Protocol):
    """Who was let through, here and elsewhere."""

    def passages(self, ticket_id: TicketId) -> tuple[Passage, ...]:
        """List a ticket's passages, oldest first."""
        ...

    def inside_count(self) -> int:
        """Count the tickets whose last passage is an entry."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanDraft:
    """A scan before it has a number: all of a journal entry that the gate decides."""

    scan_id: ScanId
    boot_id: UUID
    monotonic_ns: int
    gate_time_ms: int
    uncertainty_ms: int | None
    gate_id: GateId
    direction: str
    ticket_id: TicketId | None
    foreign_hash: bytes | None
    form: str
    generation: int | None
    counter: int | None
    medium: str
    verdict: str
    reasons: tuple[str, ...]
    snapshot_version: int
    cursor: Cursor
    lease_id: str | None
    online: bool
    admitted: bool
    """Whether this scan lets somebody through, and so becomes a passage."""
    staff_id: StaffId | None = None
    override_reason: str | None = None


class ScanJournal(Protocol):
    """The device's append-only journal."""

    def append(self, draft: ScanDraft) -> ScanEntry:
        """Number and link the scan, and return when it is on disk; raise JournalUnwritableError."""
        ...


@dataclass(frozen=True, slots=True)
class GatePost:
    """Where this kiosk stands, and as which device."""

    device_id: DeviceId
    gate_id: GateId
    boot_id: UUID
