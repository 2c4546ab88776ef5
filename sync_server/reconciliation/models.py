"""Tables of runs, of what they found, and of statements; all only ever added to."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Text
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class ReconRun(Base):
    __tablename__ = "recon_runs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    source: Mapped[str]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime]
    counts: Mapped[dict[str, Any]] = mapped_column(JSONB)
    drifts: Mapped[int]
    notes: Mapped[int]


class ReconItem(Base):
    __tablename__ = "recon_items"

    run_id: Mapped[UUID] = mapped_column(primary_key=True)
    item_no: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    check_name: Mapped[str]
    finding: Mapped[str]
    severity: Mapped[str]
    books_of: Mapped[UUID | None]
    subject: Mapped[str]
    currency: Mapped[str | None]
    expected: Mapped[int | None]
    found: Mapped[int | None]


class StatementFile(Base):
    __tablename__ = "statement_files"

    sha256: Mapped[bytes] = mapped_column(primary_key=True)
    provider: Mapped[str]
    account: Mapped[str]
    name: Mapped[str]
    lines: Mapped[int]
    imported_at: Mapped[datetime]


class StoredLine(Base):
    """`differs_from` is the key of the line that this one says otherwise of."""

    __tablename__ = "statement_lines"

    provider: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str] = mapped_column(primary_key=True)
    line_key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str]
    reference: Mapped[str | None]
    provider_reference: Mapped[str | None]
    currency: Mapped[str]
    amount: Mapped[int]
    fee: Mapped[int]
    booked_at: Mapped[datetime]
    file_sha256: Mapped[bytes]
    other_keys: Mapped[list[str] | None] = mapped_column(postgresql.ARRAY(Text))
    direction: Mapped[str | None]
    differs_from: Mapped[str | None]
