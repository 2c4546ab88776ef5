"""What a bank's files said, kept in PostgreSQL: a StatementKeeper and StatementBook in the server's
own name.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.payments import bank_repository as repository
from sync_server.payments.models import StoredBankMovement, StoredTransferStatus
from sync_server.payments.providers.bank.reports import TransferStatus
from sync_server.payments.providers.bank.statements import (
    CLOSING,
    BankFile,
    BankMovement,
    Side,
    Statement,
)
from sync_server.payments.statements import KnownLines


@dataclass(frozen=True, slots=True)
class StatementTables:
    """One transaction for each file and each question; a file that comes twice adds nothing."""

    database: Database

    async def keep(self, file: BankFile) -> None:
        statuses = [_status_row(each) for each in file.statuses]
        balances = [row for each in file.statements if (row := _balance_row(each)) is not None]
        async with self.database.transaction(WORKER) as session:
            await _keep_movements(session, file.movements)
            await repository.keep_statuses(session, statuses)
            await repository.keep_balances(session, balances)

    async def movements_for(self, payment_reference: str) -> Sequence[BankMovement]:
        async with self.database.reading(WORKER) as session:
            rows = await repository.movements_for(session, payment_reference)
        return [_movement_of(row) for row in rows]

    async def movements_of(self, end_to_end_id: str) -> Sequence[BankMovement]:
        async with self.database.reading(WORKER) as session:
            rows = await repository.movements_of(session, end_to_end_id)
        return [_movement_of(row) for row in rows]

    async def statuses_of(self, message_id: str, end_to_end_id: str) -> Sequence[TransferStatus]:
        async with self.database.reading(WORKER) as session:
            rows = await repository.statuses_of(session, message_id, end_to_end_id)
        return [_status_of(row) for row in rows]

    async def closing_balance(self, account: str, currency: str) -> Money | None:
        async with self.database.reading(WORKER) as session:
            amount = await repository.closing_balance(session, account, currency)
        return None if amount is None else Money(amount, currency)


async def _keep_movements(session: AsyncSession, movements: Sequence[BankMovement]) -> None:
    """Keep those that are not there yet, by whatever name."""
    names = {
        name for each in movements for name in (each.key, *each.other_keys, each.former_key) if name
    }
    known = KnownLines[BankMovement]()
    for row in await repository.movements_called(session, [bytes.fromhex(each) for each in names]):
        known.add(_movement_of(row))
    new: list[BankMovement] = []
    for movement in movements:
        if known.find(movement) is None:
            known.add(movement)
            new.append(movement)
    await repository.keep_movements(session, [_movement_row(each) for each in new])


def _movement_row(movement: BankMovement) -> dict[str, Any]:
    charges = movement.charges
    return {
        "key": bytes.fromhex(movement.key),
        "other_keys": [bytes.fromhex(each) for each in movement.other_keys],
        "account": movement.account,
        "currency": movement.amount.currency,
        "amount": movement.amount.minor_units,
        "side": movement.side,
        "is_return": movement.is_return,
        "booked_on": movement.booked_on,
        "bank_reference": movement.bank_reference,
        "end_to_end_id": movement.end_to_end_id,
        "payment_reference": movement.payment_reference,
        "return_reason": movement.return_reason,
        "charges": None if charges is None else charges.minor_units,
        "charges_currency": None if charges is None else charges.currency,
    }


def _movement_of(row: StoredBankMovement) -> BankMovement:
    known = row.charges is not None and row.charges_currency is not None
    return BankMovement(
        key=row.key.hex(),
        account=row.account,
        amount=Money(row.amount, row.currency),
        side=Side(row.side),
        is_return=row.is_return,
        booked_on=row.booked_on,
        bank_reference=row.bank_reference,
        end_to_end_id=row.end_to_end_id,
        payment_reference=row.payment_reference,
        return_reason=row.return_reason,
        charges=Money(row.charges or 0, row.charges_currency or "") if known else None,
        other_keys=tuple(each.hex() for each in row.other_keys or ()),
    )


def _status_row(status: TransferStatus) -> dict[str, Any]:
    values = {
        "report_id": status.report_id,
        "message_id": status.message_id,
        "payment_id": status.payment_id,
        "end_to_end_id": status.end_to_end_id,
        "status": status.status,
        "reasons": list(status.reasons),
        "bank_reference": status.bank_reference,
    }
    return {"key": _digest(*values.values()), **values}


def _status_of(row: StoredTransferStatus) -> TransferStatus:
    return TransferStatus(
        report_id=row.report_id,
        message_id=row.message_id,
        payment_id=row.payment_id,
        end_to_end_id=row.end_to_end_id,
        status=row.status,
        reasons=tuple(row.reasons),
        bank_reference=row.bank_reference,
    )


def _balance_row(statement: Statement) -> dict[str, Any] | None:
    balance = statement.balance(CLOSING)
    if balance is None:
        return None
    amount = balance.amount
    parts = (statement.account, statement.id, str(balance.on), amount.currency, amount.minor_units)
    return {
        "key": _digest(*parts),
        "account": statement.account,
        "statement_id": statement.id,
        "currency": amount.currency,
        "amount": amount.minor_units,
        "balance_on": balance.on,
    }


def _digest(*parts: object) -> bytes:
    """JSON parts what a bank wrote, whatever signs stand in it."""
    return sha256(json.dumps(parts).encode()).digest()
