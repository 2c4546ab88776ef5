"""What every provider's statement comes down to, whatever file it came as; pure.

The readers of files (CSV of the mobile networks and card acquirers, ISO 20022 of a bank) give
these, and reconciliation holds them against the books.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Generic, Protocol, TypeVar

from shared.money import Money


class LineKind(StrEnum):
    """What moved: money from a buyer, back to one, to an organizer, to us, or to the provider; what
    was taken back of a payment against our will is a reversal.
    """

    COLLECTION = "collection"
    REFUND = "refund"
    DISBURSEMENT = "disbursement"
    FEE = "fee"
    SETTLEMENT = "settlement"
    REVERSAL = "reversal"
    OTHER = "other"


class Direction(StrEnum):
    """Whether our account with the provider had more after a line, or less."""

    CREDIT = "credit"
    DEBIT = "debit"


@dataclass(frozen=True, slots=True)
class StatementLine:
    """One movement as a provider booked it. `key` is unique among the lines of one account, and
    the other keys are for when it comes again; `reference` is ours where the provider repeats it,
    `provider_reference` its own. `amount` is what the payer paid or the payee got, above zero, and
    `fee` what the provider kept beside it.
    """

    key: str
    kind: LineKind
    reference: str | None
    provider_reference: str | None
    amount: Money
    fee: Money
    booked_at: datetime
    direction: Direction | None = None
    """None where the provider does not tell."""
    other_keys: tuple[str, ...] = field(default=(), compare=False)
    former_key: str = field(default="", compare=False)


class Keyed(Protocol):
    """A line with all that it is known by: `former_key` is what an earlier version called it."""

    @property
    def key(self) -> str: ...

    @property
    def other_keys(self) -> tuple[str, ...]: ...

    @property
    def former_key(self) -> str: ...


Line = TypeVar("Line", bound=Keyed)


@dataclass(slots=True)
class KnownLines(Generic[Line]):
    """Finds what was kept of a line that comes again. What it is called first may be any name of
    the kept one; by another name it is found only where the kept one has no better, since two
    transfers of one batch share the name of the batch.
    """

    _by_key: dict[str, Line] = field(default_factory=dict)
    _by_other_key: dict[str, Line] = field(default_factory=dict)

    def add(self, line: Line) -> None:
        self._by_key.setdefault(line.key, line)
        for key in line.other_keys:
            self._by_other_key.setdefault(key, line)

    def find(self, line: Keyed) -> Line | None:
        if line.key in self._by_other_key:
            return self._by_other_key[line.key]
        names = (line.key, *line.other_keys, line.former_key)
        return next((self._by_key[name] for name in names if name in self._by_key), None)
