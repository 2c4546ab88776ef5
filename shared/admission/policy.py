"""The rules an organizer can set, as data, and how those for one gate and tier are found. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from shared.errors import AdmissionPolicyError
from shared.ids import GateId


class ContradictoryPolicyError(AdmissionPolicyError):
    """A rule that nothing could ever satisfy, or that contradicts itself."""

    code = "contradictory_policy"


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """From the first instant to the one that is too late, Unix milliseconds."""

    from_ms: int
    until_ms: int

    def __post_init__(self) -> None:
        """Refuse a window that never opens."""
        if self.until_ms <= self.from_ms:
            message = "a time window must end after it begins"
            raise ContradictoryPolicyError(message)


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules in force for one ticket at one gate; the defaults let a ticket in once."""

    windows: tuple[TimeWindow, ...] = ()
    """No window means always."""
    entry_open: bool = True
    exit_open: bool = True
    reentry_open: bool = True
    """Whether tickets that allow it may come back after an exit."""
    inside_until_exit: bool = True
    """Whether a holder counts as inside until an exit is scanned; False where none are."""
    entries_max: int | None = 1
    """Entries in all, for tickets without re-entry; None is no limit."""
    reentries_max: int | None = None
    """Entries in all, for tickets with re-entry; None is no limit."""
    entries_per_day_max: int | None = None
    minutes_between: int = 0
    gates: frozenset[GateId] | None = None
    """Gates that may be used; None is every gate."""
    tiers: frozenset[int] | None = None
    """Tiers that may pass; None is every tier."""
    capacity: int | None = None
    capacity_reserve: int = 0
    """Places kept back for staff tickets."""
    static_open: bool = True
    """Whether tickets that allow the printed form may use it here."""
    check_identity: bool = False
    provisional_open: bool = True
    """Whether to admit, marked as unconfirmed, while the other gates cannot be reached."""

    def __post_init__(self) -> None:
        """Refuse numbers that cannot mean anything."""
        counts = (self.entries_max, self.reentries_max, self.entries_per_day_max)
        if any(count is not None and count < 1 for count in counts):
            message = "an entry limit is at least 1; close the entry to admit nobody"
            raise ContradictoryPolicyError(message)
        if self.minutes_between < 0 or self.capacity_reserve < 0:
            message = "minutes between entries and reserves are not negative"
            raise ContradictoryPolicyError(message)
        if self.capacity is not None and self.capacity < self.capacity_reserve:
            message = "the reserve is larger than the capacity"
            raise ContradictoryPolicyError(message)


@dataclass(frozen=True, slots=True)
class Rule:
    """Changes to the policy for some gates and tiers; None in the scope means all of them."""

    changes: tuple[tuple[str, object], ...]
    gates: frozenset[GateId] | None = None
    tiers: frozenset[int] | None = None

    def covers(self, gate_id: GateId, tier: int | None) -> bool:
        """Say whether this rule speaks about the gate and the tier."""
        gate_fits = self.gates is None or gate_id in self.gates
        return gate_fits and (self.tiers is None or tier in self.tiers)

    @property
    def specificity(self) -> int:
        """Order rules from the deployment's to a gate's to a tier's to one for both."""
        return (self.gates is not None) + 2 * (self.tiers is not None)


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All rules of a deployment, the general ones first.

    Equally specific rules keep the organizer's order.
    """

    rules: tuple[Rule, ...] = ()

    def policy_for(self, gate_id: GateId, tier: int | None) -> Policy:
        """Lay the rules that cover a gate and tier over each other, the most specific last."""
        policy = Policy()
        for rule in sorted(self.rules, key=lambda rule: rule.specificity):
            if rule.covers(gate_id, tier):
                policy = replace(policy, **dict(rule.changes))  # type: ignore[arg-type]
        return policy


POLICY_FIELDS = frozenset(field.name for field in fields(Policy))


def check_rule_book(
    book: RuleBook, gates: Iterable[GateId], tiers: Iterable[int]
) -> tuple[Policy, ...]:
    """Resolve every gate and tier once, so that a contradiction is found when rules are saved."""
    tier_list = tuple(tiers)
    return tuple(book.policy_for(gate, tier) for gate in gates for tier in tier_list)
