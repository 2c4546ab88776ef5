"""Admission rules as an organizer writes and stores them: JSON, validated on save."""

from collections.abc import Iterable
from typing import Annotated, Final, Literal, Self
from uuid import UUID

from pydantic import ConfigDict, Field, model_validator

from shared.admission.policy import Rule, RuleBook, TimeWindow, check_rule_book
from shared.ids import GateId
from shared.wire.base import WireModel

EntryLimit = Annotated[int, Field(ge=1, le=10_000)]

LIMITS: Final = frozenset(
    {
        "windows",
        "entries_max",
        "reentries_max",
        "entries_per_day_max",
        "gates",
        "tiers",
        "capacity",
    }
)
"""Settings that an explicit null lifts."""


class TimeWindowDocument(WireModel):
    """From the first instant to the one that is too late, Unix milliseconds."""

    from_ms: int
    until_ms: int


class PolicyChanges(WireModel):
    """The settings a rule changes; what is left out stays as a more general rule set it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    windows: tuple[TimeWindowDocument, ...] | None = None
    entry_open: bool | None = None
    exit_open: bool | None = None
    reentry_open: bool | None = None
    inside_until_exit: bool | None = None
    entries_max: EntryLimit | None = None
    reentries_max: EntryLimit | None = None
    entries_per_day_max: EntryLimit | None = None
    minutes_between: Annotated[int, Field(ge=0, le=10_000)] | None = None
    gates: frozenset[UUID] | None = None
    tiers: frozenset[int] | None = None
    capacity: Annotated[int, Field(ge=0)] | None = None
    capacity_reserve: Annotated[int, Field(ge=0)] | None = None
    static_open: bool | None = None
    check_identity: bool | None = None
    provisional_open: bool | None = None

    @model_validator(mode="after")
    def _null_only_lifts_limits(self) -> Self:
        meaningless = [name for name in self._nulls() if name not in LIMITS]
        if meaningless:
            message = f"{', '.join(meaningless)} cannot be null"
            raise ValueError(message)
        return self

    def _nulls(self) -> list[str]:
        return [name for name in sorted(self.model_fields_set) if getattr(self, name) is None]

    def to_changes(self) -> tuple[tuple[str, object], ...]:
        """List what was set, as fields of the policy; an explicit null lifts a limit."""
        changes = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        if "windows" in changes:
            changes["windows"] = tuple(
                TimeWindow(window.from_ms, window.until_ms) for window in self.windows or ()
            )
        return tuple(changes.items())


class RuleScope(WireModel):
    """Whom a rule speaks about; left out means all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gates: frozenset[UUID] | None = None
    tiers: frozenset[int] | None = None


class RuleDocument(WireModel):
    """One rule."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    scope: RuleScope = RuleScope()
    set: PolicyChanges


class RuleBookDocument(WireModel):
    """All rules of a deployment."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    rules: tuple[RuleDocument, ...] = ()

    def to_rule_book(self) -> RuleBook:
        """Turn the document into the engine's form; AdmissionPolicyError on contradictions."""
        return RuleBook(tuple(_rule(document) for document in self.rules))

    def check(self, gates: Iterable[GateId], tiers: Iterable[int]) -> None:
        """Raise AdmissionPolicyError where the rules contradict themselves for a gate and tier."""
        check_rule_book(self.to_rule_book(), gates, tiers)


def _rule(document: RuleDocument) -> Rule:
    scope = document.scope
    return Rule(
        changes=document.set.to_changes(),
        gates=None if scope.gates is None else frozenset(GateId(gate) for gate in scope.gates),
        tiers=scope.tiers,
    )
