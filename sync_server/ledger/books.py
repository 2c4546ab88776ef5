"""Whole books as reconciliation and reports read them, from the entries themselves and not from
kept balances.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.ledger import books_repository as repository
from sync_server.ledger.rules import (
    Account,
    AccountKind,
    BookEntry,
    TransactionKind,
    account_from_name,
)


@dataclass(frozen=True, slots=True)
class PostedAmount:
    """What a transaction moved on accounts of one kind."""

    key: str
    amount: Money
    occurred_at: datetime


async def sums_of_books(session: AsyncSession) -> list[tuple[UUID, str, int]]:
    """Add up every organizer's books in each currency; needs the worker's transaction."""
    return [(row.organizer_id, row.currency, row.total) for row in await repository.sums(session)]


async def posted_amounts(
    session: AsyncSession, organizer_id: UUID, kind: TransactionKind, account: AccountKind
) -> Mapping[str, Money]:
    """Give what transactions of a kind moved on accounts of a kind, by their keys; what was taken
    back moved nothing.
    """
    posted = await list_posted(session, organizer_id, kind, account)
    return {each.key: each.amount for each in posted}


async def list_posted(
    session: AsyncSession, organizer_id: UUID, kind: TransactionKind, account: AccountKind
) -> list[PostedAmount]:
    """Give the same with its times."""
    rows = await repository.posted(session, organizer_id, kind, account)
    return [
        PostedAmount(row.idem_key, Money(row.amount, row.currency), row.occurred_at) for row in rows
    ]


async def cash_taken(session: AsyncSession, organizer_id: UUID) -> Mapping[str, Money]:
    """Give what tills took, by the keys of the sales: it is the organizer's at once, so their cash
    account has it and has it no more in one transaction.
    """
    kind, account = TransactionKind.CASH_SALE, AccountKind.BOX_OFFICE_CASH
    rows = await repository.debited(session, organizer_id, kind, account)
    return {row.idem_key: Money(row.amount, row.currency) for row in rows}


async def open_accounts(
    session: AsyncSession, kinds: Sequence[AccountKind]
) -> list[tuple[UUID, str, str]]:
    """Name every account of these kinds that is not at nothing; needs the worker's transaction."""
    rows = await repository.open_accounts(session, kinds)
    return [(row.organizer_id, row.account, row.currency) for row in rows]


async def accounts_on_debit_side(
    session: AsyncSession, kind: AccountKind
) -> list[tuple[UUID, str, Money]]:
    """Name every account of a kind that holds more debits than credits, and how much more; needs
    the worker's transaction.
    """
    rows = await repository.on_debit_side(session, kind)
    return [(row.organizer_id, row.account, Money(row.balance, row.currency)) for row in rows]


async def entries_of_account(
    session: AsyncSession, organizer_id: UUID, account: str, currency: str
) -> list[tuple[int, datetime]]:
    """Give the lines of an account with their times, but for what was taken back."""
    rows = await repository.entries_of_account(session, organizer_id, account, currency)
    return [(row.amount, row.occurred_at) for row in rows]


async def moved_a_day(
    session: AsyncSession, kind: AccountKind
) -> Mapping[tuple[str, str], list[tuple[int, datetime]]]:
    """Add up each day's debits, and its credits, on every account of a kind over all books, by the
    account's name and currency, each sum at its last moment; needs the worker's transaction. What
    was taken back is in none: its mirror would seem to wait from the day on which it was posted.
    """
    sums: dict[tuple[str, str], list[tuple[int, datetime]]] = defaultdict(list)
    for row in await repository.moved_a_day(session, kind):
        sums[row.account, row.currency].append((row.amount, row.occurred_at))
    return sums


async def booked_on(session: AsyncSession, *accounts: Account) -> dict[str, int]:
    """Add up accounts of every book, in each currency; needs the worker's transaction."""
    rows = await repository.booked(session, [account.name for account in accounts])
    return {row.currency: row.amount for row in rows}


async def held_on(
    session: AsyncSession, kinds: Sequence[AccountKind]
) -> Mapping[Account, Mapping[str, int]]:
    """Add up each account of these kinds over every book, in each currency; needs the worker's
    transaction.
    """
    sums: dict[Account, dict[str, int]] = defaultdict(dict)
    for row in await repository.held(session, kinds):
        sums[account_from_name(row.account)][row.currency] = row.balance
    return sums


async def entries_between(
    session: AsyncSession, organizer_id: UUID, currency: str, since: datetime, until: datetime
) -> list[BookEntry]:
    """Give what was posted from one moment on and before another, in its order."""
    rows = await repository.entries_between(session, organizer_id, currency, since, until)
    return [
        BookEntry(
            row.id,
            row.kind,
            row.idem_key,
            row.occurred_at,
            account_from_name(row.account),
            Money(row.amount, row.currency),
        )
        for row in rows
    ]


async def balances_before(
    session: AsyncSession, organizer_id: UUID, currency: str, moment: datetime
) -> dict[str, int]:
    """Give what each account held before a moment."""
    rows = await repository.balances_before(session, organizer_id, currency, moment)
    return {row.account: row.balance for row in rows}
