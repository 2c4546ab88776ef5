"""What must be kept of a bank's files and looked up again; here in memory, for sandbox and tests.

Whatever keeps it keeps each movement once by its key, and each status once, however often and in
whatever order files come.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from shared.money import Money
from sync_server.payments.providers.bank.reports import TransferStatus
from sync_server.payments.providers.bank.statements import (
    CLOSING,
    Balance,
    BankFile,
    BankMovement,
)
from sync_server.payments.statements import KnownLines


class StatementKeeper(Protocol):
    """Where files go."""

    async def keep(self, file: BankFile) -> None:
        """Keep what is new of a file, all of it or nothing."""


class StatementBook(Protocol):
    """What payments and payouts look up, in the order in which it came."""

    async def movements_for(self, payment_reference: str) -> Sequence[BankMovement]:
        """Find what names a buyer's reference."""

    async def movements_of(self, end_to_end_id: str) -> Sequence[BankMovement]:
        """Find what names a transfer of ours, and what came back of it."""

    async def statuses_of(self, message_id: str, end_to_end_id: str) -> Sequence[TransferStatus]:
        """Find what was reported of a transfer, or of all in its file."""

    async def closing_balance(self, account: str, currency: str) -> Money | None:
        """Give the newest closing balance of an account."""


class StatementStore(StatementKeeper, StatementBook, Protocol):
    """Both ends of one."""


@dataclass(slots=True)
class MemoryBook:
    """A StatementStore that forgets when its process ends."""

    movements: dict[str, BankMovement] = field(default_factory=dict)
    statuses: dict[TransferStatus, None] = field(default_factory=dict)
    _known: KnownLines[BankMovement] = field(default_factory=KnownLines)
    _balances: dict[tuple[str, str, Balance], None] = field(default_factory=dict)

    async def keep(self, file: BankFile) -> None:
        for movement in file.movements:
            if self._known.find(movement) is None:
                self._known.add(movement)
                self.movements[movement.key] = movement
        self.statuses.update(dict.fromkeys(file.statuses))
        for statement in file.statements:
            balance = statement.balance(CLOSING)
            if balance is not None:
                self._balances.setdefault((statement.account, statement.id, balance))

    async def movements_for(self, payment_reference: str) -> Sequence[BankMovement]:
        kept = self.movements.values()
        return [each for each in kept if each.payment_reference == payment_reference]

    async def movements_of(self, end_to_end_id: str) -> Sequence[BankMovement]:
        return [each for each in self.movements.values() if each.end_to_end_id == end_to_end_id]

    async def statuses_of(self, message_id: str, end_to_end_id: str) -> Sequence[TransferStatus]:
        return [
            each
            for each in self.statuses
            if end_to_end_id == each.end_to_end_id
            or (message_id == each.message_id and not each.end_to_end_id)
        ]

    async def closing_balance(self, account: str, currency: str) -> Money | None:
        """Of two of one day, the one that came last."""
        kept = (balance for named, _, balance in reversed(self._balances) if named == account)
        mine = [balance for balance in kept if balance.amount.currency == currency]
        return max(mine, key=lambda balance: balance.on).amount if mine else None
