"""SQL on what a bank's files said; a row that is there already is left as it is."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.models import Base
from sync_server.payments.models import (
    StoredBankBalance,
    StoredBankMovement,
    StoredTransferStatus,
)

_ROWS_AT_ONCE = 1_000


async def keep_movements(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    await _keep(session, StoredBankMovement, rows)


async def keep_statuses(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    await _keep(session, StoredTransferStatus, rows)


async def keep_balances(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    await _keep(session, StoredBankBalance, rows)


async def _keep(session: AsyncSession, kind: type[Base], rows: Sequence[dict[str, Any]]) -> None:
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        batch = list(rows[start : start + _ROWS_AT_ONCE])
        await session.execute(postgresql.insert(kind).values(batch).on_conflict_do_nothing())


async def movements_called(
    session: AsyncSession, keys: Sequence[bytes]
) -> Sequence[StoredBankMovement]:
    """Find what is kept under any of these keys, in the order in which it came."""
    kind = StoredBankMovement
    found: list[StoredBankMovement] = []
    for start in range(0, len(keys), _ROWS_AT_ONCE):
        batch = list(keys[start : start + _ROWS_AT_ONCE])
        named = or_(kind.key.in_(batch), kind.other_keys.overlap(batch))
        found += (await session.scalars(select(kind).where(named))).all()
    return sorted(found, key=lambda row: row.arrival_no)


async def movements_for(
    session: AsyncSession, payment_reference: str
) -> Sequence[StoredBankMovement]:
    kind = StoredBankMovement
    named = (kind.payment_reference == payment_reference, kind.payment_reference != "")
    return (await session.scalars(select(kind).where(*named).order_by(kind.arrival_no))).all()


async def movements_of(session: AsyncSession, end_to_end_id: str) -> Sequence[StoredBankMovement]:
    kind = StoredBankMovement
    named = (kind.end_to_end_id == end_to_end_id, kind.end_to_end_id != "")
    return (await session.scalars(select(kind).where(*named).order_by(kind.arrival_no))).all()


async def statuses_of(
    session: AsyncSession, message_id: str, end_to_end_id: str
) -> Sequence[StoredTransferStatus]:
    """What names a transfer, and what names its file and no transfer."""
    kind = StoredTransferStatus
    own = (kind.end_to_end_id == end_to_end_id) & (kind.end_to_end_id != "")
    whole = (kind.message_id == message_id) & (kind.message_id != "") & (kind.end_to_end_id == "")
    query = select(kind).where(or_(own, whole)).order_by(kind.arrival_no)
    return (await session.scalars(query)).all()


async def closing_balance(session: AsyncSession, account: str, currency: str) -> int | None:
    """Of two of one day, the one that came last."""
    kind = StoredBankBalance
    query = select(kind.amount).where(kind.account == account, kind.currency == currency)
    newest = query.order_by(kind.balance_on.desc(), kind.arrival_no.desc()).limit(1)
    return await session.scalar(newest)
