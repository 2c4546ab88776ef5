"""The hash chain of one device's journal: linking entries and naming the first broken one. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from shared.journal.entry import GENESIS_HASH, ScanEntry


class ChainFault(StrEnum):
    """What is wrong with the first broken entry."""

    GAP = "gap"
    """Its number does not follow: an entry is missing or stands twice."""
    BROKEN_LINK = "broken_link"
    """It does not carry the hash of the entry before it."""
    ALTERED = "altered"
    """Its content is not what its hash says."""
    OTHER_DEVICE = "other_device"


@dataclass(frozen=True, slots=True)
class ChainedEntry:
    """An entry with the hash that was stored for it."""

    entry: ScanEntry
    entry_hash: bytes

    @property
    def unaltered(self) -> bool:
        """Whether the stored hash is that of the content."""
        return self.entry.entry_hash() == self.entry_hash


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: the last number used and that entry's hash."""

    seq: int = 0
    entry_hash: bytes = GENESIS_HASH


@dataclass(frozen=True, slots=True)
class ChainBreak:
    """The first entry that does not hold."""

    seq: int
    fault: ChainFault


def verify_chain(entries: Iterable[ChainedEntry], after: Head = Head()) -> Head | ChainBreak:
    """Walk a chain from `after`; give its new head, or name the first broken entry."""
    head = after
    device_id = None
    for chained in entries:
        entry = chained.entry
        device_id = device_id or entry.device_id
        fault = _fault(chained, head)
        if entry.device_id != device_id:
            fault = ChainFault.OTHER_DEVICE
        if fault is not None:
            return ChainBreak(entry.seq, fault)
        head = Head(entry.seq, chained.entry_hash)
    return head


def _fault(chained: ChainedEntry, head: Head) -> ChainFault | None:
    if chained.entry.seq != head.seq + 1:
        return ChainFault.GAP
    if chained.entry.prev_hash != head.entry_hash:
        return ChainFault.BROKEN_LINK
    return None if chained.unaltered else ChainFault.ALTERED
