"""What the books look like over HTTP; amounts are minor units, debits above zero."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from sync_server.ledger.rules import AccountClass


class BalanceShown(BaseModel):
    account: str
    account_class: AccountClass
    currency: str
    balance: int


class BalancesShown(BaseModel):
    items: list[BalanceShown]


class EntryShown(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    account: str
    currency: str
    amount: int


class TransactionShown(BaseModel):
    """`key` names what happened; `reverses` is the transaction that this one takes back."""

    id: UUID
    kind: str
    key: str
    occurred_at: datetime
    recorded_at: datetime
    reverses: UUID | None
    reason: str | None
    entries: list[EntryShown]
