"""Which versions of which rules are in force for an order; pure.

A rule is known by its name. That of an event comes before its organizer's, and that before the
platform's; one in the order's own currency before one for all. Of a rule's versions the newest that
has begun counts. A version without rate and amount takes the rule away.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sync_server.orders.rules import FeeRule


@dataclass(frozen=True, slots=True)
class FeeRuleVersion:
    """A version of a rule as it is kept; without a currency it holds for every one."""

    rule: FeeRule
    name: str
    organizer_id: UUID | None
    event_id: UUID | None
    currency: str | None
    valid_from: datetime

    @property
    def rank(self) -> tuple[bool, bool, bool, datetime, int]:
        """What comes before what, the least first."""
        return (
            self.event_id is not None,
            self.organizer_id is not None,
            self.currency is not None,
            self.valid_from,
            self.rule.version,
        )


def rules_in_force(
    versions: Iterable[FeeRuleVersion], currency: str, moment: datetime
) -> tuple[FeeRule, ...]:
    """Give one rule of each name, in the order of their names."""
    chosen: dict[str, FeeRuleVersion] = {}
    for version in versions:
        if version.valid_from > moment or version.currency not in {None, currency}:
            continue
        known = chosen.get(version.name)
        if known is None or known.rank < version.rank:
            chosen[version.name] = version
    rules = (chosen[name].rule for name in sorted(chosen))
    return tuple(rule for rule in rules if rule.basis_points or rule.fixed_minor_units)
