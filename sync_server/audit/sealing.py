"""The job that seals: every few seconds all rows below the oldest open transaction become a signed
block, whose header goes to the second place. Any number of processes may run it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit import repository
from sync_server.audit.anchors import FileAnchors, file_anchors
from sync_server.audit.blocks import (
    BEFORE_ALL,
    FIRST_NUMBER,
    NO_BLOCK_HASH,
    Header,
    Place,
    SealedBlock,
    entry_of,
    root_of,
    row_document,
    sign_block,
)
from sync_server.audit.rules import Log
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.keys import SealBrokenError
from sync_server.kit.server_keys import ServerKeys, open_server_keys
from sync_server.kit.services import Services

SEALING_INTERVAL_SECONDS: Final = 5.0
BLOCK_ROWS_MAX: Final = 1_000
_ANCHORS_AT_ONCE: Final = 100
_LOCK_NUMBERS: Final = {Log.ACTIONS: 0x5A45_5241_4B45_5409, Log.ACCESSES: 0x5A45_5241_4B45_540A}
_LOG: Final = structlog.get_logger(__name__)


class AnchorsDisagreeError(Exception):
    """The second place holds blocks that this database does not: it was changed, or restored from
    an older backup.
    """


@dataclass(frozen=True, slots=True)
class Sealer:
    """What sealing needs; the key comes from a file and never meets the database."""

    services: Services
    keys: ServerKeys
    anchors: FileAnchors


def open_sealer(services: Services) -> Sealer:
    return Sealer(services, open_server_keys(services), file_anchors(services))


async def seal(sealer: Sealer, log: Log) -> SealedBlock | None:
    """Seal what there is, and catch up with the second place; None where there is nothing or
    another process is at it.
    """
    async with sealer.services.database.transaction(WORKER) as session:
        if not await repository.try_lock(session, _LOCK_NUMBERS[log]):
            return None
        last = await repository.last_block(session, log)
        await _require_agreement(session, sealer.anchors, log)
        block = await _seal_rows(session, sealer, log, last)
    await _anchor(sealer, log)
    return block


async def _seal_rows(
    session: AsyncSession, sealer: Sealer, log: Log, last: SealedBlock | None
) -> SealedBlock | None:
    after = BEFORE_ALL if last is None else last.header.last
    rows = await repository.rows_to_seal(session, log, after, BLOCK_ROWS_MAX)
    if not rows:
        return None
    entries = [entry_of(log, row_document(log, dict(row))) for row in rows]
    sealed_at = instant(sealer.services.clock.now_ms())
    header = Header(
        log=log,
        number=FIRST_NUMBER if last is None else last.header.number + 1,
        first=_place(rows[0]),
        last=_place(rows[-1]),
        count=len(rows),
        root=root_of(entries),
        previous_hash=NO_BLOCK_HASH if last is None else last.header.hash,
        sealed_at=sealed_at,
    )
    block = sign_block(header, sealer.keys.audit_key)
    await repository.add_block(session, block, b"".join(entries))
    return block


def _place(row: Any) -> Place:  # noqa: ANN401 - a row of either log
    return Place(row["xid"], row["id"])


async def _require_agreement(session: AsyncSession, anchors: FileAnchors, log: Log) -> None:
    """Never sign a second history: what was anchored last must be in the database."""
    anchored = anchors.last(log)
    if anchored is None:
        return
    number = anchored.header.number
    found = await repository.blocks_after(session, log, number - 1, 1)
    if [block for block, _ in found] != [anchored]:
        raise AnchorsDisagreeError(log.value)


async def _anchor(sealer: Sealer, log: Log) -> None:
    """Write every block the second place lacks: whoever sealed one may have been stopped before."""
    while True:
        last = sealer.anchors.last(log)
        known = 0 if last is None else last.header.number
        async with sealer.services.database.reading(WORKER) as session:
            found = await repository.blocks_after(session, log, known, _ANCHORS_AT_ONCE)
        if not found:
            return
        blocks = [block for block, _ in found]
        _require_signed(blocks, sealer.keys)
        await asyncio.to_thread(sealer.anchors.append, log, blocks)


def _require_signed(blocks: Sequence[SealedBlock], keys: ServerKeys) -> None:
    public_key = keys.audit_key.public_key()
    for block in blocks:
        if not block.is_signed_by(public_key):
            raise AnchorsDisagreeError(block.header.log.value)


async def keep_sealing(services: Services) -> None:
    """Seal again and again until cancelled."""
    while True:
        await seal_every_log(services)
        await asyncio.sleep(SEALING_INTERVAL_SECONDS)


async def seal_every_log(services: Services) -> None:
    """What goes wrong with a log is said, and tried again in the next round."""
    for log in Log:
        await _seal_or_complain(services, log)


async def _seal_or_complain(services: Services, log: Log) -> None:
    try:
        sealer = open_sealer(services)
        # A full block says that more is waiting.
        while (block := await seal(sealer, log)) and block.header.count == BLOCK_ROWS_MAX:
            continue
    except AnchorsDisagreeError:
        _LOG.error("audit.anchors_disagree", log=log.value)
    except (DBAPIError, OSError, SealBrokenError) as error:
        _LOG.warning("audit.sealing_failed", log=log.value, reason=type(error).__name__)
