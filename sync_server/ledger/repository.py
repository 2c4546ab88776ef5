"""SQL on the ledger; posting goes through the database's own function alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.horizon import HORIZON
from sync_server.kit.pagination import PageRequest
from sync_server.ledger.models import FinanceEntry, FinanceTxn

_POST = text("SELECT private.post_txn(CAST(:txn AS jsonb))")

# Only checkpoints of these books are seen, by policy: where all entries were restored from another
# cluster, a balance is the sum of them until there are new ones. Whoever wrote them, those below a
# mark are in its checkpoint and the others are not.
# Every account that moved before the newest mark has a checkpoint that reaches up to it: a balance
# is that, and what came since.
_BALANCES = """
    WITH kept AS (
        SELECT DISTINCT ON (account, currency) account, currency, balance
        FROM finance_checkpoints WHERE organizer_id = :organizer_id
        ORDER BY account, currency, below_xid DESC
    ), since AS (
        SELECT account, currency, sum(amount) AS balance FROM finance_entries
        WHERE organizer_id = :organizer_id AND xid >= coalesce((
            SELECT max(below_xid) FROM finance_checkpoints WHERE organizer_id = :organizer_id
        ), 0)
        GROUP BY account, currency
    )
    SELECT account, currency,
           (coalesce(kept.balance, 0) + coalesce(since.balance, 0))::bigint AS balance
    FROM kept FULL JOIN since USING (account, currency)
    ORDER BY account, currency
"""
# The same for every organizer's pending accounts.
_PENDING = """
    WITH marks AS (
        SELECT organizer_id, max(below_xid) AS below_xid FROM finance_checkpoints
        GROUP BY organizer_id
    ), parts AS (
        (SELECT DISTINCT ON (organizer_id, account, currency)
            organizer_id, account, currency, balance FROM finance_checkpoints
        WHERE account LIKE 'organizer\\_pending:%'
        ORDER BY organizer_id, account, currency, below_xid DESC)
        UNION ALL
        SELECT e.organizer_id, e.account, e.currency, e.amount FROM finance_entries AS e
        LEFT JOIN marks ON marks.organizer_id = e.organizer_id
        WHERE e.account LIKE 'organizer\\_pending:%' AND e.xid >= coalesce(marks.below_xid, 0)
    )
    SELECT organizer_id, account, currency FROM parts
    GROUP BY organizer_id, account, currency HAVING sum(balance) < 0
    ORDER BY organizer_id, account, currency
"""
_CHECKPOINT = f"""
    WITH mark AS (SELECT {HORIZON} AS below_xid, private.ledger_numbering() AS numbering)
    INSERT INTO finance_checkpoints
        (organizer_id, account, currency, numbering, below_xid, balance, entries, made_at)
    SELECT e.organizer_id, e.account, e.currency, mark.numbering, mark.below_xid,
           sum(e.amount)::bigint + coalesce(max(c.balance), 0),
           count(*) + coalesce(max(c.entries), 0), :made_at
    FROM mark, finance_entries AS e
    LEFT JOIN LATERAL (
        SELECT balance, entries, below_xid FROM finance_checkpoints AS k
        WHERE k.organizer_id = e.organizer_id AND k.account = e.account
          AND k.currency = e.currency
        ORDER BY below_xid DESC LIMIT 1
    ) AS c ON true
    WHERE e.xid < mark.below_xid AND e.xid >= coalesce(c.below_xid, 0)
    GROUP BY e.organizer_id, e.account, e.currency, mark.numbering, mark.below_xid
    ON CONFLICT DO NOTHING
"""  # noqa: S608 - the horizon is an expression of ours
_WRONG_CHECKPOINTS = """
    SELECT k.organizer_id, k.account, k.currency, k.below_xid, k.balance,
           coalesce(e.balance, 0)::bigint AS recomputed
    FROM (
        SELECT DISTINCT ON (organizer_id, account, currency) * FROM finance_checkpoints
        ORDER BY organizer_id, account, currency, below_xid DESC
    ) AS k
    LEFT JOIN LATERAL (
        SELECT sum(amount) AS balance, count(*) AS entries FROM finance_entries AS e
        WHERE e.organizer_id = k.organizer_id AND e.account = k.account
          AND e.currency = k.currency AND e.xid < k.below_xid
    ) AS e ON true
    WHERE k.balance <> coalesce(e.balance, 0) OR k.entries <> e.entries
    ORDER BY 1, 2, 3
"""
_WRONG_GUARDS = """
    SELECT coalesce(g.organizer_id, e.organizer_id) AS organizer_id,
           coalesce(g.account, e.account) AS account, coalesce(g.currency, e.currency) AS currency,
           coalesce(g.balance, 0) AS balance, coalesce(e.balance, 0)::bigint AS recomputed
    FROM finance_guarded_balances AS g
    FULL JOIN (
        SELECT organizer_id, account, currency, sum(amount) AS balance FROM finance_entries
        WHERE split_part(account, ':', 1) = ANY(:guarded)
        GROUP BY organizer_id, account, currency
    ) AS e USING (organizer_id, account, currency)
    WHERE coalesce(g.balance, 0) <> coalesce(e.balance, 0)
    ORDER BY 1, 2, 3
"""
_TRIAL_BALANCE = """
    SELECT account, currency, sum(amount)::bigint AS balance FROM finance_entries
    WHERE CAST(:organizer_id AS uuid) IS NULL OR organizer_id = :organizer_id
    GROUP BY account, currency ORDER BY account, currency
"""


@dataclass(frozen=True, slots=True)
class Posted:
    """A transaction in the books; `is_new` says whether this call put it there."""

    id: UUID
    is_new: bool


async def post(session: AsyncSession, document: dict[str, Any]) -> Posted:
    answer = await session.scalar(_POST, {"txn": json.dumps(document)})
    return Posted(UUID(answer["id"]), bool(answer["is_new"]))


async def balances(session: AsyncSession, organizer_id: UUID) -> Sequence[Any]:
    return (await session.execute(text(_BALANCES), {"organizer_id": organizer_id})).all()


async def pending(session: AsyncSession) -> Sequence[Any]:
    """Name every account in which money of an event waits, of every organizer."""
    return (await session.execute(text(_PENDING))).all()


async def lock_available(session: AsyncSession, organizer_id: UUID, currency: str) -> None:
    query = text("SELECT private.lock_available(:organizer_id, :currency)")
    await session.execute(query, {"organizer_id": organizer_id, "currency": currency})


async def balance_of(session: AsyncSession, organizer_id: UUID, account: str, currency: str) -> int:
    """Sum one account from its entries: money moves by this, so it trusts no kept sum."""
    query = text(
        """
        SELECT sum(amount) FROM finance_entries
        WHERE organizer_id = :organizer_id AND account = :account AND currency = :currency
        """,
    )
    values = {"organizer_id": organizer_id, "account": account, "currency": currency}
    return int(await session.scalar(query, values) or 0)


async def trial_balance(session: AsyncSession, organizer_id: UUID | None) -> Sequence[Any]:
    """Sum every account from its entries, of one organizer or of all."""
    return (await session.execute(text(_TRIAL_BALANCE), {"organizer_id": organizer_id})).all()


async def make_checkpoints(session: AsyncSession, made_at: datetime) -> None:
    await session.execute(text(_CHECKPOINT), {"made_at": made_at})


async def wrong_checkpoints(session: AsyncSession) -> Sequence[Any]:
    """Compare the newest checkpoints with a full recompute."""
    return (await session.execute(text(_WRONG_CHECKPOINTS))).all()


async def wrong_guards(session: AsyncSession, guarded: Sequence[str]) -> Sequence[Any]:
    """Compare kept balances with a full recompute."""
    return (await session.execute(text(_WRONG_GUARDS), {"guarded": list(guarded)})).all()


async def find_transaction(
    session: AsyncSession, organizer_id: UUID, transaction_id: UUID
) -> FinanceTxn | None:
    return await session.get(FinanceTxn, (organizer_id, transaction_id))


async def find_by_key(session: AsyncSession, organizer_id: UUID, key: str) -> FinanceTxn | None:
    query = select(FinanceTxn).where(
        FinanceTxn.organizer_id == organizer_id, FinanceTxn.idem_key == key
    )
    return await session.scalar(query)


async def is_reversed(session: AsyncSession, transaction: FinanceTxn) -> bool:
    query = select(FinanceTxn.id).where(
        FinanceTxn.organizer_id == transaction.organizer_id,
        FinanceTxn.reverses_txn_id == transaction.id,
    )
    return await session.scalar(query) is not None


async def list_transactions(
    session: AsyncSession, organizer_id: UUID, page: PageRequest
) -> Sequence[FinanceTxn]:
    query = select(FinanceTxn).where(FinanceTxn.organizer_id == organizer_id)
    if page.after is not None:
        query = query.where(FinanceTxn.id > page.after)
    return (await session.scalars(query.order_by(FinanceTxn.id).limit(page.limit + 1))).all()


async def entries_of(
    session: AsyncSession, organizer_id: UUID, transaction_ids: Sequence[UUID]
) -> Sequence[FinanceEntry]:
    query = (
        select(FinanceEntry)
        .where(FinanceEntry.organizer_id == organizer_id, FinanceEntry.txn_id.in_(transaction_ids))
        .order_by(FinanceEntry.txn_id, FinanceEntry.line_no)
    )
    return (await session.scalars(query)).all()
