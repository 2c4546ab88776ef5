"""Reads a whole log with its blocks and the second place, and gives what does not fit."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sync_server.audit import repository
from sync_server.audit.blocks import BEFORE_ALL, Place, SealedBlock, entry_of, row_document
from sync_server.audit.rules import Log
from sync_server.audit.sealing import Sealer
from sync_server.audit.verification import (
    Fault,
    Finding,
    StoredBlock,
    anchor_findings,
    block_findings,
)
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import unix_ms

ANCHORING_MS_MAX: Final = 60_000
_BLOCKS_AT_ONCE: Final = 20


@dataclass(frozen=True, slots=True)
class Inspected:
    """How much of a log is sealed, what waits for its seal, and every fault that was found."""

    log: Log
    blocks: int
    rows: int
    findings: tuple[Finding, ...]
    waiting: int = 0
    waiting_since: datetime | None = None

    def __str__(self) -> str:
        sealed = f"{self.log}: {self.rows} rows sealed in {self.blocks} blocks"
        if self.waiting_since is None:
            return sealed
        since = self.waiting_since.isoformat(timespec="seconds")
        return f"{sealed}, {self.waiting} waiting for a seal since {since}"


async def inspect(sealer: Sealer, log: Log) -> Inspected:
    """Compare everything; a second place that runs a few seconds behind is none to worry about."""
    public_key = sealer.keys.audit_key.public_key()
    # Read before the blocks: one that is sealed meanwhile must not look like one that is gone.
    anchors = list(sealer.anchors.read(log))
    blocks: dict[int, SealedBlock] = {}
    findings: list[Finding] = []
    previous: SealedBlock | None = None
    while stored := await _next_blocks(sealer, log, previous):
        for block in stored:
            findings += block_findings(previous, block, public_key)
            previous = block.sealed
            blocks[previous.header.number] = previous
    for finding in anchor_findings(log, blocks, anchors, public_key):
        if not _is_on_its_way(sealer, finding, blocks):
            findings.append(finding)
    rows = sum(block.header.count for block in blocks.values())
    end = BEFORE_ALL if previous is None else previous.header.last
    async with sealer.services.database.reading(WORKER) as session:
        waiting = await repository.waiting_rows(session, log, end)
    return Inspected(log, len(blocks), rows, tuple(findings), *waiting)


async def _next_blocks(sealer: Sealer, log: Log, previous: SealedBlock | None) -> list[StoredBlock]:
    number = 0 if previous is None else previous.header.number
    after = BEFORE_ALL if previous is None else previous.header.last
    stored: list[StoredBlock] = []
    async with sealer.services.database.reading(WORKER) as session:
        for block, entries in await repository.blocks_after(session, log, number, _BLOCKS_AT_ONCE):
            rows = await repository.rows_between(session, log, after, block.header.last)
            # Where a block is missing, what it held is not the next one's to judge.
            begins = after if block.header.number == number + 1 else block.header.first
            now = [
                entry_of(log, row_document(log, dict(row)))
                for row in rows
                if Place(row["xid"], row["id"]) >= begins
            ]
            stored.append(StoredBlock(block, entries, now))
            number, after = block.header.number, block.header.last
    return stored


def _is_on_its_way(sealer: Sealer, finding: Finding, blocks: dict[int, SealedBlock]) -> bool:
    if finding.fault is not Fault.ANCHOR_MISSING or not isinstance(finding.place, int):
        return False
    sealed_at = blocks[finding.place].header.sealed_at
    return sealer.services.clock.now_ms() - unix_ms(sealed_at) <= ANCHORING_MS_MAX
