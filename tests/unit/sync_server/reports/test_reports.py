import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.identity.rules import Language
from sync_server.ledger import postings
from sync_server.ledger.postings import Dispute, Payout, Refund, Sale, Shares
from sync_server.ledger.rules import (
    Account,
    AccountKind,
    BookEntry,
    Transaction,
    account_from_name,
)
from sync_server.reports.documents import Document, Heading, Writer
from sync_server.reports.pages import grouped, pdf_of
from sync_server.reports.rules import (
    ORGANIZERS_OWN,
    ReportKind,
    invoice,
    settlement,
    statement,
    transactions,
)
from sync_server.reports.sheets import csv_of
from sync_server.reports.texts import texts

NOON = datetime(2026, 12, 1, 12, tzinfo=UTC)
EVENTS = (UUID(int=1), UUID(int=2))
FLOAT = Account(AccountKind.PROVIDER_FLOAT, "mtn")


def _ugx(amount: int) -> Money:
    return Money(amount, "UGX")


def _shares(numbers: tuple[int, ...]) -> Shares:
    return Shares(*map(_ugx, numbers))


Make = Callable[[UUID, UUID, tuple[int, ...]], Transaction]
_KINDS: tuple[Make, ...] = (
    lambda key, event, parts: postings.capture(Sale("mtn", str(key), event, _shares(parts))),
    lambda key, event, parts: postings.cash_sale(key, event, _shares(parts)),
    lambda key, event, parts: postings.cash_refund(key, event, _shares(parts)),
    lambda key, event, parts: postings.release(event, key.int, _ugx(parts[0])),
    lambda key, _, parts: postings.payout_requested(Payout(key, "mtn", _ugx(parts[0]))),
    lambda key, _, parts: postings.payout_failed(Payout(key, "mtn", _ugx(parts[0]))),
    lambda key, _, parts: postings.payout_confirmed(
        Payout(key, "mtn", _ugx(parts[0])), FLOAT, _ugx(parts[1])
    ),
    lambda key, _, parts: postings.payout_returned(Payout(key, "mtn", _ugx(parts[0])), FLOAT),
    lambda key, event, parts: postings.refund_requested(
        Refund(key, "mtn", event, _shares(parts)), _ugx(parts[0] // 2), _ugx(parts[0] // 3)
    ),
    lambda key, event, parts: postings.refund_confirmed_in_cash(
        Refund(key, "mtn", event, _shares(parts))
    ),
    lambda key, _, parts: postings.payout_fee(Payout(key, "mtn", _ugx(parts[0])), _ugx(parts[1])),
    lambda key, event, parts: postings.provider_fee_borne_by_organizer(
        "mtn", str(key), _ugx(parts[0]), event
    ),
    lambda key, _, parts: postings.chargeback_lost(
        Dispute(key, "mtn", _shares(parts)), _ugx(parts[0] // 2)
    ),
)
_PARTS = st.tuples(*[st.integers(1, 1_000)] * 5)
_TRANSACTIONS = st.lists(
    st.tuples(st.sampled_from(_KINDS), st.sampled_from(EVENTS), _PARTS), max_size=12
)
_BOOKS = st.tuples(_TRANSACTIONS, _TRANSACTIONS)
Made = tuple[Make, UUID, tuple[int, ...]]
Books = tuple[list[Made], list[Made]]


def _entries(made: Sequence[Made], start: int) -> list[BookEntry]:
    entries = []
    for number, (make, event, parts) in enumerate(made, start=start):
        key = UUID(int=number)
        transaction = make(key, event, parts)
        moment = NOON + timedelta(minutes=number)
        entries += [
            BookEntry(key, transaction.kind, transaction.key, moment, line.account, line.amount)
            for line in transaction.lines
        ]
    return entries


def _held(entries: Sequence[BookEntry]) -> Counter[str]:
    held: Counter[str] = Counter()
    for entry in entries:
        held[entry.account.name] += entry.amount.minor_units
    return held


def _of(held: Counter[str], *kinds: AccountKind) -> int:
    return sum(amount for name, amount in held.items() if account_from_name(name).kind in kinds)


@given(_BOOKS)
def test_sums_of_every_report_are_those_of_the_books(books: Books) -> None:
    earlier, during = _entries(books[0], 1), _entries(books[1], 100)
    posted = transactions(during)
    held, moved = _held(earlier), _held(during)
    account = statement(held, posted)
    assert account.opening == -_of(held, *ORGANIZERS_OWN)
    assert account.closing == account.opening - _of(moved, *ORGANIZERS_OWN)
    assert account.opening + sum(line.amount for line in account.lines) == account.closing
    fees = invoice(posted)
    assert fees.fee == -_of(moved, AccountKind.PLATFORM_FEE)
    assert fees.tax == -_of(moved, AccountKind.TAX_ON_FEES)
    settled = settlement(posted)
    assert settled.change == account.closing - account.opening
    for row in (*settled.events.values(), settled.cash_refunds):
        taken = row.platform_fee + row.tax_on_fees + row.tax_on_tickets + row.provider_fee
        assert row.sold - row.given_back - taken == row.organizer


_ALL: Sequence[Made] = [(make, event, (941, 50, 9, 3, 2)) for event in EVENTS for make in _KINDS]


def _document(
    kind: ReportKind,
    language: Language = Language.ENGLISH,
    currency: str = "UGX",
    made: Sequence[Made] = _ALL,
) -> Document:
    heading = Heading(
        organizer="=Nile & Nights",
        number="STA-1",
        currency=currency,
        since=NOON,
        until=NOON + timedelta(days=31),
        made_at=NOON,
        zone=ZoneInfo("Africa/Kampala"),
        event_names={str(EVENTS[0]): "Night One"},
    )
    posted = transactions(_entries(made, 1))
    return Writer(heading, texts(language)).document(kind, {"organizer_available": -500}, posted)


@pytest.mark.parametrize("kind", ReportKind)
def test_each_report_in_csv_adds_up(kind: ReportKind) -> None:
    document = _document(kind)
    rows = list(csv.reader(io.StringIO(csv_of(document).decode("utf-8-sig"))))
    table = rows[len(document.facts) + 3 : -2]
    *lines, totals = table
    assert rows[1] == ["Organizer", "'=Nile & Nights"]
    assert len(lines) == len(document.rows)
    summed = {"statement": 3, "invoice": 4, "settlement": 8}[kind]
    assert sum(int(line[summed] or 0) for line in lines) == int(totals[summed])


@pytest.mark.parametrize(
    ("language", "named"),
    [
        (Language.ENGLISH, "Refund in cash"),
        (Language.SWAHILI, "Marejesho kwa fedha taslimu"),
        (Language.LUGANDA, "Okuddiza mu ssente enkalu"),
        (Language.KINYARWANDA, "Isubizwa mu ntoki"),
        (Language.FRENCH, "Remboursement au comptant"),
    ],
)
def test_a_settlement_has_a_line_for_cash_given_back(language: Language, named: str) -> None:
    """It came out of the organizer's till: they have its fees again, and nothing else changed."""
    sold, given_back = _KINDS[1], _KINDS[2]
    parts = (941, 50, 9, 3, 2)
    made = [(sold, EVENTS[0], parts), (sold, EVENTS[1], parts), (given_back, EVENTS[1], parts)]
    document = _document(ReportKind.SETTLEMENT, language, made=made)
    rows = list(csv.reader(io.StringIO(csv_of(document).decode("utf-8-sig"))))
    assert [row for row in rows if row[:1] == [named]] == [
        [named, "", "0", "0", "-50", "-9", "-3", "-2", "64"]
    ]
    other = texts(language)["words"]["other"]
    assert [row[-1] for row in rows if row[:1] == [other]] == ["0"]
    assert document.totals[-1] == "-64"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("94100", "94,100"),
        ("-1234567", "-1,234,567"),
        ("1000.50", "1,000.50"),
        ("-0.50", "-0.50"),
        ("7", "7"),
        ("", ""),
    ],
)
def test_thousands_are_parted(amount: str, shown: str) -> None:
    assert grouped(amount) == shown


def test_amounts_have_their_currencys_digits() -> None:
    assert _document(ReportKind.STATEMENT, currency="KES").rows[0][-1] == "5.00"


@pytest.mark.parametrize(
    ("kind", "language"),
    [
        (ReportKind.STATEMENT, Language.ENGLISH),
        (ReportKind.INVOICE, Language.LUGANDA),
        (ReportKind.SETTLEMENT, Language.FRENCH),
    ],
)
def test_a_report_is_one_pdf_however_often_it_is_made(kind: ReportKind, language: Language) -> None:
    document = _document(kind, language)
    made = pdf_of(document, NOON)
    assert made.startswith(b"%PDF-")
    assert made == pdf_of(document, NOON)


@pytest.mark.parametrize("make", _KINDS)
def test_what_changes_what_an_organizer_has_is_said_in_words(make: Make) -> None:
    posted = transactions(_entries([(make, EVENTS[0], (60, 5, 4, 3, 2))], 1))
    said = texts(Language.ENGLISH)["kinds"]
    assert [line.kind for line in statement({}, posted).lines if line.kind not in said] == []


@pytest.mark.parametrize("language", Language)
def test_each_language_says_everything(language: Language) -> None:
    english = texts(Language.ENGLISH)
    said = texts(language)
    assert {name: set(words) for name, words in said.items()} == {
        name: set(words) for name, words in english.items()
    }
    assert all(text.strip() for words in said.values() for text in words.values())
