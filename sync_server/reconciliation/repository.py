"""SQL on runs, items and statements."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, or_, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from sync_server.kit.models import Base
from sync_server.kit.pagination import PageRequest
from sync_server.payments.statements import LineKind
from sync_server.reconciliation.models import ReconItem, ReconRun, StatementFile, StoredLine

_ROWS_AT_ONCE = 1_000
_ITEMS_MAX = (1 << 62) - 1
_FEES = text("""
    SELECT currency, sum(CASE WHEN kind = 'fee' THEN amount ELSE fee END)::bigint AS kept
    FROM statement_lines WHERE provider = :provider AND differs_from IS NULL GROUP BY currency
""")


async def add(session: AsyncSession, *rows: Base) -> None:
    """Add rows, each after what it refers to."""
    for row in rows:
        session.add(row)
        await session.flush()


async def add_all(session: AsyncSession, rows: Sequence[Base]) -> None:
    session.add_all(rows)
    await session.flush()


async def keep_file(session: AsyncSession, values: dict[str, Any]) -> bool:
    """Keep a file's row; False where the very same file was imported before."""
    statement = postgresql.insert(StatementFile).values(values).on_conflict_do_nothing()
    return await session.scalar(statement.returning(StatementFile.sha256)) is not None


async def keep_lines(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> int:
    """Keep lines that are not there yet, and say how many those were."""
    kept = 0
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        batch = list(rows[start : start + _ROWS_AT_ONCE])
        statement = postgresql.insert(StoredLine).values(batch).on_conflict_do_nothing()
        added = await session.scalars(statement.returning(StoredLine.line_key))
        kept += len(added.all())
    return kept


async def lines_called(
    session: AsyncSession, provider: str, account: str, keys: Sequence[str]
) -> Sequence[StoredLine]:
    """Find what is kept under any of these keys."""
    found: list[StoredLine] = []
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        batch = list(keys[start : start + _ROWS_AT_ONCE])
        query = select(StoredLine).where(
            StoredLine.provider == provider,
            StoredLine.account == account,
            StoredLine.differs_from.is_(None),
            or_(StoredLine.line_key.in_(batch), StoredLine.other_keys.overlap(batch)),
        )
        found += (await session.scalars(query.order_by(StoredLine.line_key))).all()
    return found


async def contradictions(
    session: AsyncSession, provider: str, since: datetime
) -> list[tuple[StoredLine, StoredLine]]:
    """Give each line that was said otherwise, and what was said."""
    kept, other = aliased(StoredLine), aliased(StoredLine)
    query = (
        select(kept, other)
        .join(
            other,
            and_(
                other.provider == kept.provider,
                other.account == kept.account,
                other.differs_from == kept.line_key,
            ),
        )
        .where(kept.provider == provider, or_(kept.booked_at >= since, other.booked_at >= since))
        .order_by(kept.line_key, other.line_key)
    )
    return [(row[0], row[1]) for row in await session.execute(query)]


async def providers_with_lines(session: AsyncSession) -> Sequence[str]:
    query = select(StoredLine.provider).distinct().order_by(StoredLine.provider)
    return (await session.scalars(query)).all()


async def lines_since(
    session: AsyncSession, provider: str, since: datetime
) -> Sequence[StoredLine]:
    query = (
        select(StoredLine)
        .where(
            StoredLine.provider == provider,
            StoredLine.booked_at >= since,
            StoredLine.differs_from.is_(None),
        )
        .order_by(StoredLine.booked_at, StoredLine.line_key)
    )
    return (await session.scalars(query)).all()


async def settlement_references(session: AsyncSession, provider: str) -> Sequence[str]:
    """Give those of every settlement that a provider's statements named at any time."""
    query = select(StoredLine.provider_reference).where(
        StoredLine.provider == provider,
        StoredLine.kind == LineKind.SETTLEMENT,
        StoredLine.differs_from.is_(None),
        StoredLine.provider_reference.is_not(None),
    )
    return [name for name in await session.scalars(query) if name is not None]


async def fees_kept(session: AsyncSession, provider: str) -> dict[str, int]:
    rows = (await session.execute(_FEES, {"provider": provider})).all()
    return {row.currency: row.kept for row in rows}


async def list_runs(session: AsyncSession, page: PageRequest) -> Sequence[ReconRun]:
    query = select(ReconRun)
    if page.after is not None:
        query = query.where(ReconRun.id < page.after)
    return (await session.scalars(query.order_by(ReconRun.id.desc()).limit(page.limit + 1))).all()


async def list_items(session: AsyncSession, run_id: UUID, page: PageRequest) -> Sequence[ReconItem]:
    after = 0 if page.after is None else page.after.int & _ITEMS_MAX
    query = (
        select(ReconItem)
        .where(ReconItem.run_id == run_id, ReconItem.item_no > after)
        .order_by(ReconItem.item_no)
        .limit(page.limit + 1)
    )
    return (await session.scalars(query)).all()
