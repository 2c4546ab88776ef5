"""Tables of the ledger; rows are added by the database's own function and never changed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class FinanceTxn(Base):
    """`n_lines` seals it: every line repeats the number."""

    __tablename__ = "finance_txns"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str]
    idem_key: Mapped[str]
    request_hash: Mapped[bytes]
    n_lines: Mapped[int]
    reverses_txn_id: Mapped[UUID | None]
    reason: Mapped[str | None]
    occurred_at: Mapped[datetime]
    recorded_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    xid: Mapped[int] = mapped_column(server_default=FetchedValue())


class FinanceEntry(Base):
    __tablename__ = "finance_entries"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    txn_id: Mapped[UUID] = mapped_column(primary_key=True)
    n_lines: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    line_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    account: Mapped[str]
    currency: Mapped[str]
    amount: Mapped[int]
    xid: Mapped[int] = mapped_column(server_default=FetchedValue())


class FinanceGuardedBalance(Base):
    __tablename__ = "finance_guarded_balances"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    balance: Mapped[int]


class FinanceCheckpoint(Base):
    """What an account held when every transaction below `below_xid` had ended; `numbering` says in
    which cluster, and of which table. The database shows those of these books alone.
    """

    __tablename__ = "finance_checkpoints"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    currency: Mapped[str] = mapped_column(primary_key=True)
    numbering: Mapped[str] = mapped_column(primary_key=True)
    below_xid: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    balance: Mapped[int]
    entries: Mapped[int]
    made_at: Mapped[datetime]
