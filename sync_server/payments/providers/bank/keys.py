"""What a line of an account is known by, so that it is one line in a notice, in the statement that
follows and in a file that comes again; pure.

The bank's own name of the transaction comes first, then its name of the entry, then what the payer
sent along: UETR, end-to-end id, our reference. Each holds for one day, one amount and one side. A
running number names nothing: another file counts otherwise.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

_RUNNING_NUMBER_MAX: Final = 99_999
_NO_NAMES: Final = frozenset({"", "NONREF", "NOTPROVIDED"})


@dataclass(frozen=True, slots=True)
class LineKeys:
    """`key` is what a line is called first, `others` whatever else; `former` is the key that an
    earlier version kept it under.
    """

    key: str
    others: tuple[str, ...]
    former: str


@dataclass(frozen=True, slots=True)
class Called:
    """A transaction with its names, the best first. `theirs` are a bank's own, under which the
    same line twice in a file is one line; under `payers` two that look alike are two.
    """

    account: str
    booked: tuple[str, str, str]
    """Day, side and amount."""
    theirs: Sequence[str]
    payers: Sequence[str]
    told: str
    """The reference of its entry, though it may only count."""
    place: str
    """Which line of which file it is."""
    sent: tuple[str, str]
    """End-to-end id and our reference."""

    def line(self, name: str, number: int) -> str:
        """Give the key of a line whose names, if it has any, do not count."""
        return _digest(self.account, name, str(number), *self.booked, *self.sent)


@dataclass(slots=True)
class Numbering:
    """Counts the lines of one file that have one name, as those of a batch have."""

    _seen: dict[tuple[str, ...], dict[Hashable, int]] = field(default_factory=dict)
    _entries: dict[Hashable, int] = field(default_factory=dict)
    _places: int = 0

    def entry(self, entry: Hashable) -> int:
        """Give the number of an entry: the same one again has the same."""
        return self._entries.setdefault(entry, len(self._entries))

    def keys(self, called: Called, entry_number: int, number: int) -> LineKeys:
        """Name the transaction `number` of an entry. One without any name is a line of its own."""
        self._places += 1
        names: list[tuple[str, str, Hashable]] = [
            *(("theirs", name, (entry_number, number)) for name in called.theirs),
            *(("payers", name, self._places) for name in called.payers),
        ]
        found: list[str] = []
        for sort, name, line in names:
            named = (called.account, sort, name, *called.booked)
            lines = self._seen.setdefault(named, {})
            found.append(_digest(*named, str(lines.setdefault(line, len(lines)))))
        key, *others = dict.fromkeys(found or [called.line(called.place, number)])
        return LineKeys(key, tuple(others), called.line(called.told or called.place, number))


def bank_name(*references: str) -> str:
    """Give the first reference that names something."""
    return next((each for each in references if each not in _NO_NAMES), "")


def is_running_number(reference: str) -> bool:
    return reference.isdecimal() and int(reference) <= _RUNNING_NUMBER_MAX


def _digest(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()
