"""Files of statements as providers export them, read into lines; pure.

MTN, Airtel and Pesapal publish no columns for what their portals export, so each format below is a
mapping that docs/reconciliation.md shows: a provider that renames a column needs one word changed.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Final

from shared.money import CURRENCY_EXPONENTS, Money
from sync_server.payments.providers.amounts import from_major
from sync_server.payments.providers.bank.documents import Unreadable
from sync_server.payments.providers.bank.lines import statement_lines
from sync_server.payments.providers.bank.statements import read_bank_file
from sync_server.payments.rules import Provider
from sync_server.payments.statements import Direction, LineKind, StatementLine
from sync_server.reconciliation.errors import StatementUnreadableError

FILE_BYTES_MAX: Final = 64 << 20
_EAST_AFRICA: Final = timezone(timedelta(hours=3))
_DATES: Final = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%d-%m-%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S")


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """Which column says what. Rows whose status is not among `done` moved nothing; a kind that is
    not in `kinds` is `other`.
    """

    key: str
    provider_reference: str
    reference: str
    amount: str
    currency: str
    booked_at: str
    status: str
    done: frozenset[str]
    kind: str = ""
    kinds: Mapping[str, LineKind] = field(default_factory=dict)
    fees: tuple[str, ...] = ()

    @property
    def needed(self) -> tuple[str, ...]:
        return (self.key, self.amount, self.currency, self.booked_at, self.status)


FORMATS: Final[Mapping[Provider, CsvFormat]] = {
    Provider.MTN: CsvFormat(
        key="Id",
        provider_reference="Id",
        reference="External id",
        amount="Amount",
        currency="Currency",
        booked_at="Date",
        status="Status",
        done=frozenset({"successful"}),
        kind="Type",
        kinds={
            "payment": LineKind.COLLECTION,
            "debit": LineKind.COLLECTION,
            "transfer": LineKind.DISBURSEMENT,
            "refund": LineKind.REFUND,
            "reversal": LineKind.REVERSAL,
            "settlement": LineKind.SETTLEMENT,
        },
        fees=("Fee",),
    ),
    Provider.AIRTEL: CsvFormat(
        key="Transaction ID",
        provider_reference="Transaction ID",
        reference="Reference No",
        amount="Transaction Amount",
        currency="Currency",
        booked_at="Transaction Date Time",
        status="Transaction Status",
        done=frozenset({"ts", "success", "transaction success"}),
        kind="Service Type",
        kinds={
            "merchant payment": LineKind.COLLECTION,
            "merchpay": LineKind.COLLECTION,
            "disbursement": LineKind.DISBURSEMENT,
            "refund": LineKind.REFUND,
            "reversal": LineKind.REVERSAL,
            "settlement": LineKind.SETTLEMENT,
        },
        fees=("Service Charge",),
    ),
    Provider.FLUTTERWAVE: CsvFormat(
        key="id",
        provider_reference="id",
        reference="tx_ref",
        amount="amount",
        currency="currency",
        booked_at="created_at",
        status="status",
        done=frozenset({"successful", "completed"}),
        kind="type",
        kinds={
            "": LineKind.COLLECTION,
            "transaction": LineKind.COLLECTION,
            "transfer": LineKind.DISBURSEMENT,
            "refund": LineKind.REFUND,
            "chargeback": LineKind.REVERSAL,
            "reversal": LineKind.REVERSAL,
            "settlement": LineKind.SETTLEMENT,
        },
        fees=("app_fee", "merchant_fee"),
    ),
    Provider.PESAPAL: CsvFormat(
        key="Confirmation Code",
        provider_reference="Confirmation Code",
        reference="Merchant Reference",
        amount="Amount",
        currency="Currency",
        booked_at="Date",
        status="Status",
        done=frozenset({"completed"}),
        kind="Type",
        kinds={
            "": LineKind.COLLECTION,
            "payment": LineKind.COLLECTION,
            "refund": LineKind.REFUND,
            "chargeback": LineKind.REVERSAL,
            "reversal": LineKind.REVERSAL,
            "settlement": LineKind.SETTLEMENT,
        },
        fees=("Commission",),
    ),
}


def read_statement(provider: Provider, content: bytes) -> list[StatementLine]:
    """Read a file as this provider exports it, else raise StatementUnreadableError."""
    if provider is Provider.BANK:
        return _read_bank(content)
    layout = FORMATS[provider]
    try:
        rows = list(_dictionaries(content))
    except (UnicodeDecodeError, csv.Error) as error:
        message = "this is no CSV file in UTF-8"
        raise StatementUnreadableError(message) from error
    found = [_Row(number, row).line(layout) for number, row in enumerate(rows, start=2)]
    return [line for line in found if line is not None]


def _read_bank(content: bytes) -> list[StatementLine]:
    """Statements and notifications of ISO 20022; one that does not add up is none."""
    found = read_bank_file(content)
    if isinstance(found, Unreadable):
        message = f"this is no statement of a bank: {found.cause}"
        raise StatementUnreadableError(message)
    if not all(statement.adds_up for statement in found.statements):
        message = "opening balance, entries and closing balance do not add up"
        raise StatementUnreadableError(message)
    return statement_lines(found)


def _dictionaries(content: bytes) -> Iterator[dict[str, str | None]]:
    """Cells beyond the header's are nobody's."""
    for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), restkey=""):
        row.pop("", None)
        yield row


def _direction(kind: LineKind, *, is_negative: bool) -> Direction | None:
    """Some providers write what leaves as less than nothing and some do not, so a sign alone tells
    only that it left. What came of a payment came; what is reversed may be a payout as well.
    """
    if is_negative:
        return Direction.DEBIT
    match kind:
        case LineKind.COLLECTION:
            return Direction.CREDIT
        case LineKind.REVERSAL | LineKind.OTHER:
            return None
        case _:
            return Direction.DEBIT


@dataclass(frozen=True, slots=True)
class _Row:
    """A row with its number in the file; headers are compared without their case."""

    number: int
    cells: Mapping[str, str | None] = field(repr=False)

    def line(self, layout: CsvFormat) -> StatementLine | None:
        """Give the line, or nothing where nothing moved."""
        for column in layout.needed:
            if not self.cell(column):
                raise self._unreadable(column)
        if self.cell(layout.status).casefold() not in layout.done:
            return None
        currency = self.cell(layout.currency).upper()
        written = self.cell(layout.amount)
        amount = from_major(written.removeprefix("-"), currency)
        if amount is None or amount.minor_units < 0:
            raise self._unreadable(layout.amount)
        kind = layout.kinds.get(self.cell(layout.kind).casefold(), LineKind.OTHER)
        is_negative = written.startswith("-")
        if kind is LineKind.COLLECTION and is_negative:
            kind = LineKind.REVERSAL
        return StatementLine(
            key=f"{kind}:{self.cell(layout.key)}",
            kind=kind,
            reference=self.cell(layout.reference) or None,
            provider_reference=self.cell(layout.provider_reference) or None,
            amount=amount,
            fee=sum((self._fee(column, currency) for column in layout.fees), Money(0, currency)),
            booked_at=self._moment(layout.booked_at),
            direction=_direction(kind, is_negative=is_negative),
        )

    def cell(self, column: str) -> str:
        wanted = column.casefold()
        for name, value in self.cells.items():
            if name.strip().casefold() == wanted:
                return (value or "").strip()
        return ""

    def _fee(self, column: str, currency: str) -> Money:
        """Fees may be finer than the currency: rounded half up."""
        written = self.cell(column).replace(",", "") or "0"
        try:
            minor = abs(Decimal(written)).scaleb(CURRENCY_EXPONENTS[currency])
            return Money(int(minor.quantize(Decimal(1), ROUND_HALF_UP)), currency)
        except InvalidOperation as error:
            raise self._unreadable(column) from error

    def _moment(self, column: str) -> datetime:
        """Where no zone is written, it is East Africa's."""
        written = self.cell(column)
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            moment = self._dated(column, written)
        zoned = moment if moment.tzinfo is not None else moment.replace(tzinfo=_EAST_AFRICA)
        return zoned.astimezone(UTC)

    def _dated(self, column: str, written: str) -> datetime:
        for pattern in _DATES:
            try:
                return datetime.strptime(written, pattern).replace(tzinfo=_EAST_AFRICA)
            except ValueError:
                continue
        raise self._unreadable(column)

    def _unreadable(self, column: str) -> StatementUnreadableError:
        message = f"line {self.number}: column {column!r} is missing or cannot be read"
        return StatementUnreadableError(message)
