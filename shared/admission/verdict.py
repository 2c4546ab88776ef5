"""What a decision can be: admitted in one of five ways, or refused with every reason."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.ids import GateId, ScanId


class Outcome(StrEnum):
    """The ways to say yes; the value is the wire code."""

    ADMIT = "ADMIT"
    ADMIT_REENTRY = "ADMIT_REENTRY"
    EXIT = "EXIT"
    ADMIT_ATTENTION = "ADMIT_ATTENTION"
    ADMIT_PROVISIONAL = "ADMIT_PROVISIONAL"


class Refusal(StrEnum):
    """The ways to say no, in order of precedence: the first that applies is shown.

    The value is the wire code.
    """

    DEVICE_ERROR = "DEVICE_ERROR"
    LEASE_EXPIRED = "LEASE_EXPIRED"
    TIME_UNTRUSTED = "TIME_UNTRUSTED"
    NOT_A_TICKET = "NOT_A_TICKET"
    BAD_SIGNATURE = "BAD_SIGNATURE"
    UNKNOWN_TICKET = "UNKNOWN_TICKET"
    WRONG_EVENT = "WRONG_EVENT"
    REVOKED = "REVOKED"
    TRANSFERRED = "TRANSFERRED"
    CANCELLED = "CANCELLED"
    REFUNDED = "REFUNDED"
    PAYMENT_REVERSED = "PAYMENT_REVERSED"
    UNPAID = "UNPAID"
    BLOCKED = "BLOCKED"
    STALE_CODE = "STALE_CODE"
    PHONE_CLOCK = "PHONE_CLOCK"
    STATIC_NOT_ALLOWED = "STATIC_NOT_ALLOWED"
    NFC_REQUIRED = "NFC_REQUIRED"
    QR_REQUIRED = "QR_REQUIRED"
    MEDIUM_INVALID = "MEDIUM_INVALID"
    TOO_EARLY = "TOO_EARLY"
    TOO_LATE = "TOO_LATE"
    WRONG_GATE = "WRONG_GATE"
    WRONG_ZONE = "WRONG_ZONE"
    WRONG_TIER = "WRONG_TIER"
    RULE_REFUSED = "RULE_REFUSED"
    ALREADY_INSIDE_HERE = "ALREADY_INSIDE_HERE"
    ALREADY_INSIDE_OTHER_GATE = "ALREADY_INSIDE_OTHER_GATE"
    NOT_INSIDE = "NOT_INSIDE"
    MAX_ENTRIES = "MAX_ENTRIES"
    CAPACITY_REACHED = "CAPACITY_REACHED"


SUPERVISOR_MAY_OVERRIDE: Final = frozenset(
    {
        Refusal.UNKNOWN_TICKET,
        Refusal.UNPAID,
        Refusal.PHONE_CLOCK,
        Refusal.STATIC_NOT_ALLOWED,
        Refusal.NFC_REQUIRED,
        Refusal.QR_REQUIRED,
        Refusal.MEDIUM_INVALID,
        Refusal.TOO_EARLY,
        Refusal.TOO_LATE,
        Refusal.WRONG_GATE,
        Refusal.WRONG_ZONE,
        Refusal.WRONG_TIER,
        Refusal.RULE_REFUSED,
        Refusal.ALREADY_INSIDE_HERE,
        Refusal.ALREADY_INSIDE_OTHER_GATE,
        Refusal.NOT_INSIDE,
        Refusal.MAX_ENTRIES,
        Refusal.CAPACITY_REACHED,
    }
)
"""What a person may decide otherwise.

Forgeries, revocations and a gate that may not decide stay refused.
"""


class Explanation(StrEnum):
    """Which rule of the organizer said no, to be put in words beside RULE_REFUSED and its kin."""

    TICKET_VALIDITY = "ticket_validity"
    TIME_WINDOW = "time_window"
    ENTRY_CLOSED = "entry_closed"
    EXIT_CLOSED = "exit_closed"
    REENTRY_CLOSED = "reentry_closed"
    ENTRIES_TOTAL = "entries_total"
    ENTRIES_PER_DAY = "entries_per_day"
    MINUTES_BETWEEN = "minutes_between"
    CAPACITY = "capacity"
    CAPACITY_RESERVE = "capacity_reserve"
    PROVISIONAL_CLOSED = "provisional_closed"


@dataclass(frozen=True, slots=True)
class Reason:
    """One failing rule, with what a person needs to hear about it."""

    refusal: Refusal
    explanation: Explanation | None = None
    at_ms: int | None = None
    """When it happened (an earlier entry) or would be allowed (too early), Unix milliseconds."""
    gate_id: GateId | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Admit:
    """Let the person pass.

    `repeat_of` names the scan this one merely repeats, which is not journaled again.
    """

    outcome: Outcome
    check_identity: bool = False
    repeat_of: ScanId | None = None

    @property
    def code(self) -> str:
        """The wire code."""
        return self.outcome.value


@dataclass(frozen=True, slots=True)
class Refuse:
    """Do not let the person pass; reasons stand in order of precedence and are never empty."""

    reasons: tuple[Reason, ...]

    @property
    def first(self) -> Reason:
        """The reason to show."""
        return self.reasons[0]

    @property
    def code(self) -> str:
        """The wire code."""
        return self.first.refusal.value

    @property
    def supervisor_may_override(self) -> bool:
        """Whether every reason is one that a person may decide otherwise."""
        return all(reason.refusal in SUPERVISOR_MAY_OVERRIDE for reason in self.reasons)


Verdict = Admit | Refuse


def reason_codes(verdict: Verdict) -> tuple[str, ...]:
    """List the wire codes of all failing rules, in order of precedence; empty for an admission."""
    reasons = () if isinstance(verdict, Admit) else verdict.reasons
    return tuple(reason.refusal.value for reason in reasons)
