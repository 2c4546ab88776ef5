"""Statements on the two logs and their blocks."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import RowMapping, Select, Table, func, insert, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.audit.blocks import Header, Place, SealedBlock
from sync_server.audit.models import AuditBlock, LoggedAccess, LoggedAction
from sync_server.audit.rules import Log
from sync_server.kit.horizon import HORIZON
from sync_server.kit.pagination import PageRequest

_TABLES: Final[dict[Log, Table]] = {
    Log.ACTIONS: LoggedAction.metadata.tables[Log.ACTIONS.value],
    Log.ACCESSES: LoggedAccess.metadata.tables[Log.ACCESSES.value],
}
_RECORDERS: Final = {
    Log.ACTIONS: text("SELECT private.record_action(CAST(:entry AS jsonb))"),
    Log.ACCESSES: text("SELECT private.record_access(CAST(:entry AS jsonb))"),
}


async def record(session: AsyncSession, log: Log, entry: Mapping[str, Any]) -> None:
    await session.execute(_RECORDERS[log], {"entry": json.dumps(entry)})


async def try_lock(session: AsyncSession, number: int) -> bool:
    """Take a lock that ends with the transaction, unless another process holds it."""
    return bool(await session.scalar(select(func.pg_try_advisory_xact_lock(number))))


async def list_actions(
    session: AsyncSession, organizer_id: UUID | None, page: PageRequest
) -> Sequence[LoggedAction]:
    query = select(LoggedAction)
    if organizer_id is not None:
        query = query.where(LoggedAction.organizer_id == organizer_id)
    if page.after is not None:
        query = query.where(LoggedAction.id > page.after)
    return (await session.scalars(query.order_by(LoggedAction.id).limit(page.limit + 1))).all()


async def list_accesses(
    session: AsyncSession, organizer_id: UUID | None, page: PageRequest
) -> Sequence[LoggedAccess]:
    query = select(LoggedAccess)
    if organizer_id is not None:
        query = query.where(LoggedAccess.organizer_id == organizer_id)
    if page.after is not None:
        query = query.where(LoggedAccess.id > page.after)
    return (await session.scalars(query.order_by(LoggedAccess.id).limit(page.limit + 1))).all()


async def find_row(
    session: AsyncSession, log: Log, row_id: UUID, organizer_id: UUID | None = None
) -> RowMapping | None:
    """Find a row as it is stored; one of another organizer is as good as none."""
    table = _TABLES[log]
    query = select(table).where(table.c.id == row_id)
    if organizer_id is not None:
        query = query.where(table.c.organizer_id == organizer_id)
    return (await session.execute(query)).mappings().one_or_none()


async def rows_to_seal(
    session: AsyncSession, log: Log, after: Place, limit: int
) -> list[RowMapping]:
    """Read what follows a place below the oldest transaction that is still open."""
    query = _rows_after(log, after).where(_TABLES[log].c.xid < text(HORIZON)).limit(limit)
    return list((await session.execute(query)).mappings())


async def waiting_rows(
    session: AsyncSession, log: Log, after: Place
) -> tuple[int, datetime | None]:
    """Count what follows a place, and say when the oldest of it happened."""
    table = _TABLES[log]
    place = tuple_(table.c.xid, table.c.id)
    query = select(func.count(), func.min(table.c.happened_at)).where(place > (after.xid, after.id))
    count, oldest = (await session.execute(query)).one()
    return count, oldest


async def rows_between(
    session: AsyncSession, log: Log, after: Place, last: Place
) -> list[RowMapping]:
    """Read what follows one place up to and with another."""
    place = tuple_(_TABLES[log].c.xid, _TABLES[log].c.id)
    query = _rows_after(log, after).where(place <= (last.xid, last.id))
    return list((await session.execute(query)).mappings())


def _rows_after(log: Log, after: Place) -> Select[tuple[Any, ...]]:
    table = _TABLES[log]
    place = tuple_(table.c.xid, table.c.id)
    return select(table).where(place > (after.xid, after.id)).order_by(table.c.xid, table.c.id)


async def add_block(session: AsyncSession, block: SealedBlock, entries: bytes) -> None:
    header = block.header
    await session.execute(
        insert(AuditBlock).values(
            log=header.log.value,
            number=header.number,
            first_xid=header.first.xid,
            first_id=header.first.id,
            last_xid=header.last.xid,
            last_id=header.last.id,
            row_count=header.count,
            root=header.root,
            previous_hash=header.previous_hash,
            sealed_at=header.sealed_at,
            signature=block.signature,
            entries=entries,
        )
    )


async def last_block(session: AsyncSession, log: Log) -> SealedBlock | None:
    query = select(AuditBlock).where(AuditBlock.log == log).order_by(AuditBlock.number.desc())
    row = (await session.scalars(query.limit(1))).first()
    return None if row is None else _sealed(row)


async def blocks_after(
    session: AsyncSession, log: Log, number: int, limit: int
) -> list[tuple[SealedBlock, bytes]]:
    """Read blocks in order, each with its entries."""
    query = (
        select(AuditBlock)
        .where(AuditBlock.log == log, AuditBlock.number > number)
        .order_by(AuditBlock.number)
        .limit(limit)
    )
    return [(_sealed(row), row.entries) for row in await session.scalars(query)]


async def block_over(
    session: AsyncSession, log: Log, place: Place
) -> tuple[SealedBlock, bytes] | None:
    """Find the block whose rows go up to or beyond a place."""
    last = tuple_(AuditBlock.last_xid, AuditBlock.last_id)
    query = (
        select(AuditBlock)
        .where(AuditBlock.log == log, last >= (place.xid, place.id))
        .order_by(AuditBlock.last_xid, AuditBlock.last_id)
        .limit(1)
    )
    row = (await session.scalars(query)).first()
    return None if row is None else (_sealed(row), row.entries)


def _sealed(row: AuditBlock) -> SealedBlock:
    header = Header(
        log=Log(row.log),
        number=row.number,
        first=Place(row.first_xid, row.first_id),
        last=Place(row.last_xid, row.last_id),
        count=row.row_count,
        root=row.root,
        previous_hash=row.previous_hash,
        sealed_at=row.sealed_at,
    )
    return SealedBlock(header, row.signature)
