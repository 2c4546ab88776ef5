"""Posting to the books and reading them; the database balances, this module speaks its refusals."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import EventId, OrganizerId
from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.database import violated_constraint
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.services import Services
from sync_server.ledger import repository
from sync_server.ledger.errors import (
    AlreadyReversedError,
    OverdraftError,
    ReplayDiffersError,
    TransactionNotFoundError,
)
from sync_server.ledger.models import FinanceEntry, FinanceTxn
from sync_server.ledger.repository import Posted
from sync_server.ledger.rules import (
    GUARDED,
    Account,
    Line,
    Transaction,
    account_from_name,
    counted_key,
    reversal,
)
from sync_server.ledger.schemas import BalanceShown, EntryShown, TransactionShown

_REFUSALS = {
    "ck_finance_guarded_balances_overdraft": OverdraftError,
    "uq_finance_txns_replay": ReplayDiffersError,
    "uq_finance_txns_organizer_id_reverses_txn_id": AlreadyReversedError,
}


@dataclass(frozen=True, slots=True)
class PostedUnderKey:
    """A transaction as it was posted, and whether it was taken back since."""

    id: UUID
    key: str
    lines: tuple[Line, ...]
    is_taken_back: bool


@dataclass(frozen=True, slots=True)
class Drift:
    """A kept balance that is not what the entries say."""

    organizer_id: UUID
    account: str
    currency: str
    kept: int
    recomputed: int


async def post(
    session: AsyncSession,
    services: Services,
    organizer_id: OrganizerId,
    transaction: Transaction,
    occurred_at: datetime | None = None,
) -> Posted:
    """Post once under the transaction's key; needs the worker's transaction.

    Raises OverdraftError, ReplayDiffersError or AlreadyReversedError, after which the caller's
    transaction can only be rolled back.
    """
    document = {
        "organizer_id": str(organizer_id),
        "id": str(services.new_id()),
        "kind": transaction.kind.value,
        "key": transaction.key,
        "reverses": None if transaction.reverses is None else str(transaction.reverses),
        "reason": transaction.reason,
        "occurred_at": (occurred_at or instant(services.clock.now_ms())).isoformat(),
        "lines": [_document(line) for line in transaction.lines],
    }
    try:
        return await repository.post(session, document)
    except IntegrityError as error:
        refusal = _REFUSALS.get(violated_constraint(error) or "")
        if refusal is None:
            raise
        raise refusal from error


async def reverse(
    session: AsyncSession,
    services: Services,
    organizer_id: OrganizerId,
    transaction_id: UUID,
    reason: str,
) -> Posted:
    """Take a posted transaction back by its mirror, once, and say why."""
    if await repository.find_transaction(session, organizer_id, transaction_id) is None:
        raise TransactionNotFoundError
    entries = await repository.entries_of(session, organizer_id, [transaction_id])
    mirror = reversal(transaction_id, tuple(map(_line, entries)), reason)
    try:
        return await post(session, services, organizer_id, mirror)
    except ReplayDiffersError as error:
        raise AlreadyReversedError from error


async def find_posted(
    session: AsyncSession, organizer_id: OrganizerId, key: str
) -> tuple[Line, ...] | None:
    """Give the lines that were posted under a key; None where nothing was."""
    found = await repository.find_by_key(session, organizer_id, key)
    if found is None:
        return None
    return tuple(map(_line, await repository.entries_of(session, organizer_id, [found.id])))


async def lock_available(session: AsyncSession, organizer_id: OrganizerId, currency: str) -> None:
    """Have refunds, disputes and payouts of an organizer wait until this transaction ends: what is
    read after this is still there when it is posted. Needs the worker's transaction.
    """
    await repository.lock_available(session, organizer_id, currency)


async def list_counted(
    session: AsyncSession, organizer_id: OrganizerId, key: str
) -> list[PostedUnderKey]:
    """Give what was posted under a key, and anew under its numbers: all but the last were taken
    back, and the last may have been.
    """
    posted: list[PostedUnderKey] = []
    while not posted or posted[-1].is_taken_back:
        wanted = counted_key(key, len(posted) + 1)
        found = await repository.find_by_key(session, organizer_id, wanted)
        if found is None:
            break
        entries = await repository.entries_of(session, organizer_id, [found.id])
        is_taken_back = await repository.is_reversed(session, found)
        lines = tuple(map(_line, entries))
        posted.append(PostedUnderKey(found.id, found.idem_key, lines, is_taken_back))
    return posted


async def balance_of(
    session: AsyncSession, organizer_id: OrganizerId, account: Account, currency: str
) -> Money:
    """Give what an account holds, a debit above zero."""
    found = await repository.balance_of(session, organizer_id, account.name, currency)
    return Money(found, currency)


async def list_pending(session: AsyncSession) -> list[tuple[OrganizerId, EventId, str]]:
    """Name the events for which money waits, with its currency; needs the worker's transaction."""
    rows = await repository.pending(session)
    return [
        (
            OrganizerId(row.organizer_id),
            EventId(UUID(account_from_name(row.account).detail)),
            row.currency,
        )
        for row in rows
    ]


async def list_balances(session: AsyncSession, organizer_id: OrganizerId) -> list[BalanceShown]:
    rows = await repository.balances(session, organizer_id)
    return [_balance(row) for row in rows]


async def trial_balance(
    session: AsyncSession, organizer_id: OrganizerId | None = None
) -> dict[str, dict[str, int]]:
    """Sum every account by currency; the accounts of each currency sum to nothing."""
    sums: dict[str, dict[str, int]] = defaultdict(dict)
    for row in await repository.trial_balance(session, organizer_id):
        sums[row.currency][row.account] = row.balance
    return dict(sums)


async def list_transactions(
    session: AsyncSession, organizer_id: OrganizerId, page: PageRequest
) -> Page[TransactionShown]:
    rows = await repository.list_transactions(session, organizer_id, page)
    entries = await repository.entries_of(session, organizer_id, [row.id for row in rows])
    by_transaction: dict[UUID, list[FinanceEntry]] = defaultdict(list)
    for entry in entries:
        by_transaction[entry.txn_id].append(entry)

    def shown(row: FinanceTxn) -> TransactionShown:
        return TransactionShown(
            id=row.id,
            kind=row.kind,
            key=row.idem_key,
            occurred_at=row.occurred_at,
            recorded_at=row.recorded_at,
            reverses=row.reverses_txn_id,
            reason=row.reason,
            entries=[EntryShown.model_validate(entry) for entry in by_transaction[row.id]],
        )

    return page_of(rows, page, shown, lambda row: row.id)


async def make_checkpoints(services: Services) -> None:
    """Sum what is settled, so that a balance reads only what came since."""
    async with services.database.transaction(WORKER) as session:
        await repository.make_checkpoints(session, instant(services.clock.now_ms()))


async def find_drift(session: AsyncSession) -> list[Drift]:
    """Compare every kept balance with a full recompute; needs the worker's transaction."""
    rows: Sequence[Any] = [
        *await repository.wrong_checkpoints(session),
        *await repository.wrong_guards(session, sorted(GUARDED)),
    ]
    return [
        Drift(row.organizer_id, row.account, row.currency, row.balance, row.recomputed)
        for row in rows
    ]


def _balance(row: Any) -> BalanceShown:  # noqa: ANN401 - a row of a textual query
    account = account_from_name(row.account)
    return BalanceShown(
        account=row.account,
        account_class=account.account_class,
        currency=row.currency,
        balance=row.balance,
    )


def _line(entry: FinanceEntry) -> Line:
    return Line(account_from_name(entry.account), Money(entry.amount, entry.currency))


def _document(line: Line) -> dict[str, Any]:
    amount = line.amount
    return {
        "account": line.account.name,
        "currency": amount.currency,
        "amount": amount.minor_units,
    }
