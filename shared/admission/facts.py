"""All that a decision may look at, frozen before it is made; no behaviour beyond reading itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.admission.policy import Policy
from shared.ids import DeviceId, GateId, ScanId, TicketId


class Direction(StrEnum):
    """Which way the person walks."""

    ENTRY = "entry"
    EXIT = "exit"


class TicketStatus(StrEnum):
    """The ticket's own state, as the server last said."""

    VALID = "valid"
    REVOKED = "revoked"
    TRANSFERRED = "transferred"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"
    PAYMENT_REVERSED = "payment_reversed"
    UNPAID = "unpaid"
    BLOCKED = "blocked"


class CredentialProblem(StrEnum):
    """What is wrong with the presented code itself."""

    FOREIGN = "foreign"
    FORGED = "forged"
    OTHER_EVENT = "other_event"
    OUTDATED_GENERATION = "outdated_generation"
    """Shown by a holder who has passed the ticket on."""
    UNKNOWN_GENERATION = "unknown_generation"
    """By reference to a generation this gate has not heard of yet."""
    WRONG_HOLDER = "wrong_holder"
    """The holder's signature is not that of the ticket's holder."""


class PresentedForm(StrEnum):
    """How the ticket was shown."""

    ROTATING_REFERENCE = "R"
    ROTATING_SELF_CONTAINED = "E"
    STATIC = "S"
    NFC = "N"
    NONE = "-"
    """Not a ticket code."""


class MediumDemand(StrEnum):
    """What a ticket type asks a visitor to present."""

    QR = "qr"
    NFC = "nfc"
    QR_OR_NFC = "qr_or_nfc"
    QR_AND_NFC = "qr_and_nfc"


@dataclass(frozen=True, slots=True)
class CredentialFacts:
    """What the presented code says, and whether it holds."""

    form: PresentedForm
    problem: CredentialProblem | None = None
    counter: int | None = None
    synced_within_a_day: bool = False
    qr_presented: bool = True
    nfc_presented: bool = False
    medium_invalid: bool = False
    """The tag answered, but its proof or its binding does not hold."""


@dataclass(frozen=True, slots=True)
class TicketFacts:
    """The ticket behind the code, from the snapshot's row or from the issuer's own signed word."""

    ticket_id: TicketId
    generation: int
    tier: int
    zones: int
    valid_from_ms: int
    valid_until_ms: int
    status: TicketStatus = TicketStatus.VALID
    static_allowed: bool = False
    reentry_allowed: bool = False
    identity_bound: bool = False
    attention: bool = False
    staff: bool = False
    medium: MediumDemand = MediumDemand.QR_OR_NFC


@dataclass(frozen=True, slots=True)
class Passage:
    """One time this ticket's holder was let through, here or elsewhere."""

    scan_id: ScanId
    device_id: DeviceId
    gate_id: GateId
    direction: Direction
    at_ms: int


@dataclass(frozen=True, slots=True)
class GateFacts:
    """The gate that decides."""

    gate_id: GateId
    device_id: DeviceId
    zones: int = 0xFFFF
    """The zones this gate leads to; a ticket needs one of them."""
    direction: Direction = Direction.ENTRY
    device_fault: bool = False
    """The journal cannot be written or the snapshot cannot be read."""
    peers_reachable: bool = True


TIME_GRACE_MS: Final = 5_000
TIME_GRACE_CAP_MS: Final = 15_000


@dataclass(frozen=True, slots=True)
class TimeFacts:
    """The gate's own time; `uncertainty_ms` is None when nothing vouches for it."""

    now_ms: int
    uncertainty_ms: int | None
    day_start_ms: int
    """Midnight of the event's day, for limits per day."""
    lease_until_ms: int | None = None
    """None where the deployment sets no limit to offline work."""

    @property
    def grace_ms(self) -> int:
        """Give g = 5 s + u, capped at 15 s."""
        return min(TIME_GRACE_MS + (self.uncertainty_ms or 0), TIME_GRACE_CAP_MS)


@dataclass(frozen=True, slots=True)
class Occupancy:
    """How many people the gate believes are inside the scope that a capacity rule counts."""

    inside: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """One presentation at one gate at one instant; `ticket` is None when nobody knows it."""

    gate: GateFacts
    time: TimeFacts
    credential: CredentialFacts
    ticket: TicketFacts | None
    history: tuple[Passage, ...]
    """Earlier passages of this ticket, oldest first."""
    policy: Policy
    occupancy: Occupancy = Occupancy()
