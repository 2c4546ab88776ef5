"""Says what of a log does not fit its seals: rows, blocks and second place, compared; pure.

What was taken out within the seconds before a seal, or together with every copy of the second
place, cannot be known.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from sync_server.audit.anchors import UnreadableAnchor
from sync_server.audit.blocks import (
    ENTRY_BYTES,
    FIRST_NUMBER,
    NO_BLOCK_HASH,
    SealedBlock,
    entry_id,
    root_of,
    split_entries,
)
from sync_server.audit.rules import Log


class Fault(StrEnum):
    """What was found, in words that finish the sentence begun by its object."""

    ROW_ALTERED = "was altered after it was sealed"
    ROW_MISSING = "was sealed and is gone"
    ROW_ADDED = "was put behind the seal"
    BLOCK_ALTERED = "was altered: its signature, tree or chain does not fit"
    BLOCK_MISSING = "is missing between its neighbours"
    CUT_OFF = "was anchored and is gone: the end was cut off, or an older backup restored"
    ANCHOR_DIFFERS = "is another one in the second place"
    ANCHOR_MISSING = "never reached the second place"
    ANCHOR_ALTERED = "has a false signature in the second place"
    ANCHOR_UNREADABLE = "cannot be read in the second place"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault; `place` is a row's id, a block's number or a line's number."""

    log: Log
    fault: Fault
    place: UUID | int

    def __str__(self) -> str:
        noun = "row" if isinstance(self.place, UUID) else "block"
        if self.fault is Fault.ANCHOR_UNREADABLE:
            noun = "line"
        return f"{self.log}: {noun} {self.place} {self.fault}"


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """A block, what its tree was built of, and the entries its rows give now."""

    sealed: SealedBlock
    entries: bytes
    rows: Sequence[bytes]


def block_findings(
    previous: SealedBlock | None, stored: StoredBlock, public_key: Ed25519PublicKey
) -> Iterator[Finding]:
    """Compare one block with the block before it and with its rows."""
    header = stored.sealed.header
    expected = FIRST_NUMBER if previous is None else previous.header.number + 1
    for number in range(expected, header.number):
        yield Finding(header.log, Fault.BLOCK_MISSING, number)
    before = NO_BLOCK_HASH if previous is None else previous.header.hash
    entries = split_entries(stored.entries)
    sound = (
        stored.sealed.is_signed_by(public_key)
        and (header.number != expected or header.previous_hash == before)
        and len(stored.entries) == header.count * ENTRY_BYTES
        and root_of(entries) == header.root
    )
    if not sound:
        yield Finding(header.log, Fault.BLOCK_ALTERED, header.number)
    yield from _row_findings(header.log, entries, stored.rows)


def _row_findings(log: Log, sealed: Sequence[bytes], found: Sequence[bytes]) -> Iterator[Finding]:
    then = {entry_id(entry): entry for entry in sealed}
    now = {entry_id(entry): entry for entry in found}
    for row_id, entry in then.items():
        if row_id not in now:
            yield Finding(log, Fault.ROW_MISSING, row_id)
        elif now[row_id] != entry:
            yield Finding(log, Fault.ROW_ALTERED, row_id)
    for row_id in now.keys() - then.keys():
        yield Finding(log, Fault.ROW_ADDED, row_id)


def anchor_findings(
    log: Log,
    blocks: Mapping[int, SealedBlock],
    anchors: Sequence[SealedBlock | UnreadableAnchor],
    public_key: Ed25519PublicKey,
) -> Iterator[Finding]:
    """Compare the database's blocks with the second place.

    Blocks newer than the newest anchor are on their way there; whoever asks says when that is too
    long ago.
    """
    anchored: set[int] = set()
    last = max(blocks, default=0)
    for anchor in anchors:
        if isinstance(anchor, UnreadableAnchor):
            yield Finding(log, Fault.ANCHOR_UNREADABLE, anchor.line)
            continue
        number = anchor.header.number
        anchored.add(number)
        if not anchor.is_signed_by(public_key):
            yield Finding(log, Fault.ANCHOR_ALTERED, number)
        elif number > last:
            yield Finding(log, Fault.CUT_OFF, number)
        elif number in blocks and blocks[number] != anchor:
            yield Finding(log, Fault.ANCHOR_DIFFERS, number)
    for number in sorted(blocks.keys() - anchored):
        yield Finding(log, Fault.ANCHOR_MISSING, number)
