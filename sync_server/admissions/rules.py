"""Reading a batch of journal entries without trusting it: what is sound, what is not, how the
chain goes on. Pure.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from shared.admission.facts import Direction
from shared.admission.fold import FoldContext
from shared.admission.verdict import Outcome
from shared.errors import JournalError
from shared.ids import DeviceId, TicketId
from shared.journal.chain import ChainFault, Head
from shared.journal.entry import ScanEntry
from sync_server.deployments.rules import FoldRules

STORED_NUMBER_MAX: Final = (1 << 63) - 1
MISSING_RANGES_MAX: Final = 100
_ADMITTED: Final = frozenset(outcome.value for outcome in Outcome)
_DIRECTIONS: Final = frozenset(direction.value for direction in Direction)


class EntryFinding(StrEnum):
    """Why an entry was put aside."""

    MALFORMED = "malformed_entry"
    ALTERED = "altered"
    OTHER_DEVICE = "other_device"
    OTHER_NUMBER = "other_number"
    DEVICE_FORK = "device_fork"
    """The device used this number before, for something else."""


@dataclass(frozen=True, slots=True)
class ReadEntry:
    """An entry as it came, with what it says or why it says nothing."""

    seq: int
    raw: bytes
    entry_hash: bytes
    entry: ScanEntry | None
    finding: EntryFinding | None = None


@dataclass(frozen=True, slots=True)
class Interval:
    """When a scan happened, Unix milliseconds: between these two."""

    earliest_ms: int
    latest_ms: int


@dataclass(frozen=True, slots=True)
class Link:
    """One entry's place in a chain; `prev_hash` is None where nobody can read it."""

    seq: int
    prev_hash: bytes | None
    entry_hash: bytes


@dataclass(frozen=True, slots=True)
class ChainProgress:
    """How far a chain reaches without a gap, which gaps follow, and whether a link is broken."""

    head: Head
    missing: tuple[tuple[int, int], ...]
    broken_at: int | None


def fold_context(
    deployments: Sequence[FoldRules], revoked_at_ms: Mapping[TicketId, int]
) -> FoldContext:
    """Give what an event's scans are judged by; where its deployments differ, the mildest counts.

    A ticket enters by one deployment and leaves by another, so who uploads must not matter.
    """
    capacities = [rules.capacity for rules in deployments]
    limits = [capacity for capacity in capacities if capacity is not None]
    return FoldContext(
        revoked_at_ms=revoked_at_ms,
        travel_ms=1_000 * min((rules.travel_seconds for rules in deployments), default=0),
        capacity=max(limits) if limits and len(limits) == len(capacities) else None,
        exits_scanned=all(rules.exits_scanned for rules in deployments),
    )


def read_entry(seq: int, raw: bytes, entry_hash: bytes, device_id: DeviceId) -> ReadEntry:
    """Take one uploaded entry apart; whatever is wrong with it is a finding, never an error."""
    try:
        entry = ScanEntry.from_canonical_bytes(raw)
    except (JournalError, ValueError):
        return ReadEntry(seq, raw, entry_hash, None, EntryFinding.MALFORMED)
    finding = _fault(entry, seq, device_id)
    # Canonical bytes were just proved to be the entry's own, so hashing them is hashing it.
    if finding is None and sha256(raw).digest() != entry_hash:
        finding = EntryFinding.ALTERED
    return ReadEntry(seq, raw, entry_hash, entry if finding is None else None, finding)


def _fault(entry: ScanEntry, seq: int, device_id: DeviceId) -> EntryFinding | None:
    if entry.device_id != device_id:
        return EntryFinding.OTHER_DEVICE
    if entry.seq != seq:
        return EntryFinding.OTHER_NUMBER
    numbers = (entry.seq, entry.gate_time_ms, entry.uncertainty_ms or 0)
    storable = sum(numbers) <= STORED_NUMBER_MAX and entry.direction in _DIRECTIONS
    return None if storable else EntryFinding.MALFORMED


def is_admission(entry: ScanEntry) -> bool:
    """Say whether somebody was let through."""
    return entry.verdict in _ADMITTED


def interval(entry: ScanEntry, enrolled_at_ms: int, received_at_ms: int) -> Interval:
    """Give when a scan happened; a gate that did not trust its clock leaves only the widest
    bounds.
    """
    if entry.uncertainty_ms is None:
        return Interval(min(enrolled_at_ms, received_at_ms), received_at_ms)
    return Interval(
        entry.gate_time_ms - entry.uncertainty_ms, entry.gate_time_ms + entry.uncertainty_ms
    )


def sort_out(
    read: Sequence[ReadEntry],
    stored: Mapping[int, bytes],
    put_aside: frozenset[tuple[int, bytes]],
) -> list[ReadEntry | None]:
    """Mark forks among entries, and give None for each that is known already."""
    known = dict(stored)
    sorted_out: list[ReadEntry | None] = []
    for item in read:
        if item.finding is None and known.setdefault(item.seq, item.entry_hash) != item.entry_hash:
            fork = EntryFinding.DEVICE_FORK
            sorted_out.append(ReadEntry(item.seq, item.raw, item.entry_hash, item.entry, fork))
        elif item.finding is None and stored.get(item.seq) == item.entry_hash:
            sorted_out.append(None)
        else:
            sorted_out.append(item)
    return [
        None if item is not None and _repeated(item, put_aside) else item for item in sorted_out
    ]


def _repeated(item: ReadEntry, put_aside: frozenset[tuple[int, bytes]]) -> bool:
    return item.finding is not None and (item.seq, item.entry_hash) in put_aside


def follow_chain(head: Head, links: Iterable[Link]) -> ChainProgress:
    """Walk the links that follow a head, in order of number; the first of each number counts."""
    broken_at: int | None = None
    missing: list[tuple[int, int]] = []
    last_seq = head.seq
    for link in sorted(links, key=lambda item: item.seq):
        if link.seq <= last_seq:
            continue
        if link.seq > last_seq + 1:
            missing.append((last_seq + 1, link.seq - 1))
        if not missing:
            breaks = link.prev_hash is not None and link.prev_hash != head.entry_hash
            broken_at = link.seq if breaks and broken_at is None else broken_at
            head = Head(link.seq, link.entry_hash)
        last_seq = link.seq
    return ChainProgress(head, tuple(missing[:MISSING_RANGES_MAX]), broken_at)


BROKEN_CHAIN: Final = ChainFault.BROKEN_LINK.value
