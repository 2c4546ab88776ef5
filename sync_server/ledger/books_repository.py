"""SQL on whole books, for whoever compares them with what happened; it reads and never locks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_STANDS = """
    t.reverses_txn_id IS NULL AND NOT EXISTS (
        SELECT FROM finance_txns AS r
        WHERE r.organizer_id = t.organizer_id AND r.reverses_txn_id = t.id
    )
"""
_SUMS = """
    SELECT organizer_id, currency, sum(amount)::bigint AS total FROM finance_entries
    GROUP BY organizer_id, currency ORDER BY organizer_id, currency
"""
_POSTED = f"""
    SELECT t.idem_key, t.occurred_at, e.currency, abs(sum(e.amount))::bigint AS amount
    FROM finance_txns AS t
    JOIN finance_entries AS e ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
    WHERE t.organizer_id = :organizer_id AND t.kind = :kind
      AND split_part(e.account, ':', 1) = :account AND {_STANDS}
    GROUP BY t.idem_key, t.occurred_at, e.currency
"""  # noqa: S608 - a condition of ours
_DEBITED = """
    SELECT t.idem_key, e.currency, sum(greatest(e.amount, 0))::bigint AS amount
    FROM finance_txns AS t
    JOIN finance_entries AS e ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
    WHERE t.organizer_id = :organizer_id AND t.kind = :kind
      AND split_part(e.account, ':', 1) = :account
    GROUP BY t.idem_key, e.currency
"""
_OPEN_ACCOUNTS = """
    SELECT organizer_id, account, currency FROM finance_entries
    WHERE split_part(account, ':', 1) = ANY(:kinds)
    GROUP BY organizer_id, account, currency HAVING sum(amount) <> 0
    ORDER BY organizer_id, account, currency
"""
_ON_DEBIT_SIDE = """
    SELECT organizer_id, account, currency, sum(amount)::bigint AS balance FROM finance_entries
    WHERE split_part(account, ':', 1) = :kind
    GROUP BY organizer_id, account, currency HAVING sum(amount) > 0
    ORDER BY organizer_id, account, currency
"""
_ENTRIES = f"""
    SELECT e.amount, t.occurred_at FROM finance_entries AS e
    JOIN finance_txns AS t ON t.organizer_id = e.organizer_id AND t.id = e.txn_id
    WHERE e.organizer_id = :organizer_id AND e.account = :account AND e.currency = :currency
      AND {_STANDS}
"""  # noqa: S608 - a condition of ours
_MOVED_A_DAY = f"""
    SELECT e.account, e.currency, sum(e.amount)::bigint AS amount,
        max(t.occurred_at) AS occurred_at
    FROM finance_entries AS e
    JOIN finance_txns AS t ON t.organizer_id = e.organizer_id AND t.id = e.txn_id
    WHERE split_part(e.account, ':', 1) = :kind AND {_STANDS}
    GROUP BY e.account, e.currency, e.amount > 0, date_trunc('day', t.occurred_at, 'UTC')
    ORDER BY e.account, e.currency
"""  # noqa: S608 - a condition of ours
_BOOKED = """
    SELECT currency, sum(amount)::bigint AS amount FROM finance_entries
    WHERE account = ANY(:accounts) GROUP BY currency
"""
_HELD = """
    SELECT account, currency, sum(amount)::bigint AS balance FROM finance_entries
    WHERE split_part(account, ':', 1) = ANY(:kinds)
    GROUP BY account, currency ORDER BY account, currency
"""
_BETWEEN = """
    SELECT t.id, t.kind, t.idem_key, t.occurred_at, e.line_no, e.account, e.currency, e.amount
    FROM finance_txns AS t
    JOIN finance_entries AS e ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
    WHERE t.organizer_id = :organizer_id AND t.occurred_at >= :since AND t.occurred_at < :until
      AND e.currency = :currency
    ORDER BY t.occurred_at, t.id, e.line_no
"""
_BEFORE = """
    SELECT e.account, sum(e.amount)::bigint AS balance
    FROM finance_txns AS t
    JOIN finance_entries AS e ON e.organizer_id = t.organizer_id AND e.txn_id = t.id
    WHERE t.organizer_id = :organizer_id AND t.occurred_at < :moment AND e.currency = :currency
    GROUP BY e.account ORDER BY e.account
"""


async def sums(session: AsyncSession) -> Sequence[Any]:
    return (await session.execute(text(_SUMS))).all()


async def posted(
    session: AsyncSession, organizer_id: UUID, kind: str, account: str
) -> Sequence[Any]:
    values = {"organizer_id": organizer_id, "kind": kind, "account": account}
    return (await session.execute(text(_POSTED), values)).all()


async def debited(
    session: AsyncSession, organizer_id: UUID, kind: str, account: str
) -> Sequence[Any]:
    values = {"organizer_id": organizer_id, "kind": kind, "account": account}
    return (await session.execute(text(_DEBITED), values)).all()


async def open_accounts(session: AsyncSession, kinds: Sequence[str]) -> Sequence[Any]:
    return (await session.execute(text(_OPEN_ACCOUNTS), {"kinds": list(kinds)})).all()


async def on_debit_side(session: AsyncSession, kind: str) -> Sequence[Any]:
    return (await session.execute(text(_ON_DEBIT_SIDE), {"kind": kind})).all()


async def entries_of_account(
    session: AsyncSession, organizer_id: UUID, account: str, currency: str
) -> Sequence[Any]:
    values = {"organizer_id": organizer_id, "account": account, "currency": currency}
    return (await session.execute(text(_ENTRIES), values)).all()


async def moved_a_day(session: AsyncSession, kind: str) -> Sequence[Any]:
    return (await session.execute(text(_MOVED_A_DAY), {"kind": kind})).all()


async def booked(session: AsyncSession, accounts: Sequence[str]) -> Sequence[Any]:
    return (await session.execute(text(_BOOKED), {"accounts": list(accounts)})).all()


async def held(session: AsyncSession, kinds: Sequence[str]) -> Sequence[Any]:
    return (await session.execute(text(_HELD), {"kinds": list(kinds)})).all()


async def entries_between(
    session: AsyncSession, organizer_id: UUID, currency: str, since: datetime, until: datetime
) -> Sequence[Any]:
    values = {
        "organizer_id": organizer_id,
        "currency": currency,
        "since": since,
        "until": until,
    }
    return (await session.execute(text(_BETWEEN), values)).all()


async def balances_before(
    session: AsyncSession, organizer_id: UUID, currency: str, moment: datetime
) -> Sequence[Any]:
    values = {"organizer_id": organizer_id, "currency": currency, "moment": moment}
    return (await session.execute(text(_BEFORE), values)).all()
