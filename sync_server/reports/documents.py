"""A report as it is read: facts, a table, totals, all of them words. CSV and PDF are made of the
same document, so they say the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from shared.money import Money
from sync_server.payments.providers.amounts import to_major
from sync_server.reports.rules import (
    CASH_REFUND,
    Invoice,
    Posted,
    ReportKind,
    Settlement,
    Statement,
    Sums,
    invoice,
    settlement,
    statement,
)
from sync_server.reports.texts import Texts


@dataclass(frozen=True, slots=True)
class Column:
    """`weight` is its share of the page; numbers stand to the right."""

    title: str
    weight: int
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """Everything in words; `totals` are the last row of the table."""

    title: str
    facts: tuple[tuple[str, str], ...]
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    totals: tuple[str, ...]
    note: str
    page: str
    """What stands at the foot of each page, with the page's number and their count."""


@dataclass(frozen=True, slots=True)
class Heading:
    """Whose report of which period it is. `until` is the first moment that is not in it."""

    organizer: str
    number: str
    currency: str
    since: datetime
    until: datetime
    made_at: datetime
    zone: ZoneInfo
    event_names: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Writer:
    """Turns figures into words of one language."""

    heading: Heading
    texts: Texts

    def document(
        self, kind: ReportKind, before: Mapping[str, int], posted: list[Posted]
    ) -> Document:
        match kind:
            case ReportKind.STATEMENT:
                return self._statement(statement(before, posted))
            case ReportKind.INVOICE:
                return self._invoice(invoice(posted))
            case ReportKind.SETTLEMENT:
                return self._settlement(settlement(posted))

    def _statement(self, found: Statement) -> Document:
        columns = (
            Column(self._word("date"), 28),
            Column(self._word("kind"), 38),
            Column(self._word("reference"), 70),
            Column(self._word("amount"), 22, is_number=True),
            Column(self._word("balance"), 22, is_number=True),
        )
        opening = ("", self._word("opening"), "", "", self._amount(found.opening))
        rows = [
            (
                self._moment(line.occurred_at),
                self._kind(line.kind),
                line.reference,
                self._amount(line.amount),
                self._amount(line.balance),
            )
            for line in found.lines
        ]
        change = self._amount(found.closing - found.opening)
        totals = ("", self._word("closing"), "", change, self._amount(found.closing))
        return self._made("statement", columns, (opening, *rows), totals)

    def _invoice(self, found: Invoice) -> Document:
        columns = (
            Column(self._word("kind"), 40),
            Column(self._word("count"), 18, is_number=True),
            Column(self._word("fee"), 20, is_number=True),
            Column(self._word("tax_on_fees"), 20, is_number=True),
            Column(self._word("total"), 20, is_number=True),
        )
        rows = [
            (
                self._kind(line.kind),
                str(line.count),
                self._amount(line.fee),
                self._amount(line.tax),
                self._amount(line.fee + line.tax),
            )
            for line in found.lines
        ]
        fee, tax = self._amount(found.fee), self._amount(found.tax)
        totals = (self._word("total"), "", fee, tax, self._amount(found.total))
        return self._made("invoice", columns, tuple(rows), totals)

    def _settlement(self, found: Settlement) -> Document:
        names = (
            "sold",
            "given_back",
            "platform_fee",
            "tax_on_fees",
            "tax_on_tickets",
            "provider_fee",
            "organizer",
        )
        columns = (
            Column(self._word("event"), 30),
            Column(self._word("sales"), 10, is_number=True),
            *(Column(self._word(name), 16, is_number=True) for name in names),
        )
        rows = [
            (self._event(event), str(sums.sales), *self._sums(sums, names))
            for event, sums in found.events.items()
        ]
        rows.append((self._kind(CASH_REFUND), "", *self._sums(found.cash_refunds, names)))
        blanks = ("",) * len(names)
        for word, amount in (("paid_out", -found.paid_out), ("other", found.other)):
            rows.append((self._word(word), *blanks, self._amount(amount)))
        totals = (self._word("change"), *blanks, self._amount(found.change))
        return self._made("settlement", columns, tuple(rows), totals)

    def _event(self, event: str) -> str:
        return self.heading.event_names.get(event, event) or self._word("no_event")

    def _sums(self, sums: Sums, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._amount(getattr(sums, part)) for part in names)

    def _made(
        self,
        name: str,
        columns: tuple[Column, ...],
        rows: tuple[tuple[str, ...], ...],
        totals: tuple[str, ...],
    ) -> Document:
        heading = self.heading
        facts = (
            (self._word("organizer_name"), heading.organizer),
            (self._word("number"), heading.number),
            (self._word("since"), self._moment(heading.since)),
            (self._word("until"), self._moment(heading.until)),
            (self._word("currency"), heading.currency),
            (self._word("made_at"), self._moment(heading.made_at)),
        )
        titles, notes = self.texts["titles"], self.texts["notes"]
        page = self._word("page")
        return Document(titles[name], facts, columns, rows, totals, notes[name], page)

    def _word(self, name: str) -> str:
        return self.texts["words"][name]

    def _kind(self, kind: str) -> str:
        return self.texts["kinds"].get(kind, kind)

    def _amount(self, minor_units: int) -> str:
        return to_major(Money(minor_units, self.heading.currency))

    def _moment(self, moment: datetime) -> str:
        return moment.astimezone(self.heading.zone).strftime("%Y-%m-%d %H:%M")
