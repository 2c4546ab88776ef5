"""Every book of a bank's files keeps and finds the same, whether it forgets or not."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date
from secrets import token_hex

import pytest
from sqlalchemy import text

from shared.money import Money
from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.services import Services
from sync_server.payments.bank_statements import StatementTables
from sync_server.payments.providers.bank.books import MemoryBook, StatementStore
from sync_server.payments.providers.bank.reports import TransferStatus
from sync_server.payments.providers.bank.statements import (
    CLOSING,
    OPENING,
    Balance,
    BankFile,
    Entry,
    EntryDetail,
    Side,
    Statement,
)

DAY = date(2026, 11, 26)


@dataclass(frozen=True, slots=True)
class Names:
    """Names that no other test has."""

    account: str = field(default_factory=token_hex)
    reference: str = field(default_factory=token_hex)
    transfer: str = field(default_factory=token_hex)
    message: str = field(default_factory=token_hex)

    def detail(self, amount: int = 5_000) -> EntryDetail:
        money = Money(amount, "UGX")
        return EntryDetail(money, self.transfer, "", "SB1", self.reference, "", "", "")

    def entry(self, *details: EntryDetail, **changes: object) -> Entry:
        plain = Entry(
            amount=details[0].amount,
            side=Side.CREDIT,
            is_booked=True,
            is_reversal=False,
            booked_on=DAY,
            bank_reference=token_hex(8),
            told_reference="",
            charges=None,
            details=details,
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    def statement(self, *entries: Entry, closing: int | None = None, on: date = DAY) -> Statement:
        balances = (
            ()
            if closing is None
            else (
                Balance(OPENING, Money(1, "UGX"), on),
                Balance(CLOSING, Money(closing, "UGX"), on),
            )
        )
        return Statement(token_hex(4), self.account, None, balances, entries)

    def status(self, word: str, **changes: str) -> TransferStatus:
        plain = TransferStatus("R1", self.message, "P1", self.transfer, word, ("AC01", "X"), "SB1")
        return replace(plain, **changes)  # type: ignore[arg-type]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture(params=["memory", "postgresql"])
def make_book(request: pytest.FixtureRequest) -> Callable[[], StatementStore]:
    if request.param == "memory":
        return MemoryBook
    database: Database = request.getfixturevalue("database")
    return lambda: StatementTables(database)


@pytest.fixture
def book(make_book: Callable[[], StatementStore]) -> StatementStore:
    return make_book()


async def test_a_movement_is_found_by_both_its_names(book: StatementStore, names: Names) -> None:
    charged = names.entry(
        names.detail(), side=Side.DEBIT, charges=Money(50, "KES"), booked_on=None, is_reversal=True
    )
    file = BankFile((names.statement(names.entry(names.detail(), names.detail(7_000)), charged),))
    await book.keep(file)
    assert list(await book.movements_for(names.reference)) == list(file.movements)
    assert list(await book.movements_of(names.transfer)) == list(file.movements)
    assert list(await book.movements_for(names.transfer)) == []
    assert list(await book.movements_of(names.reference)) == []


async def test_what_comes_twice_is_kept_once(book: StatementStore, names: Names) -> None:
    entry = names.entry(names.detail())
    file = BankFile((names.statement(entry, closing=9),), (names.status("ACTC"),))
    for each in (file, file, BankFile((names.statement(entry),))):
        await book.keep(each)
    assert len(await book.movements_for(names.reference)) == 1
    assert len(await book.statuses_of(names.message, names.transfer)) == 1


async def test_what_another_file_names_otherwise_is_kept_once(
    book: StatementStore, names: Names
) -> None:
    own = replace(names.detail(), bank_reference=token_hex(8))
    entry = names.entry(own)
    bare = replace(entry, details=(replace(own, bank_reference=""),))
    by_transaction = replace(entry, bank_reference="")
    by_what_was_sent = replace(bare, bank_reference="")
    for each in (entry, bare, by_transaction, by_what_was_sent):
        await book.keep(BankFile((names.statement(each),)))
    assert len(await book.movements_for(names.reference)) == 1
    another = names.entry(replace(own, bank_reference=token_hex(8)))
    await book.keep(BankFile((names.statement(another),)))
    assert len(await book.movements_for(names.reference)) == 2


async def test_what_was_kept_before_lines_had_names_is_not_kept_again(
    services: Services, names: Names
) -> None:
    book = StatementTables(services.database)
    entry = names.entry(names.detail(), told_reference="7", bank_reference="")
    file = BankFile((names.statement(entry),))
    (movement,) = file.movements
    async with services.database.transaction(WORKER) as session:
        await session.execute(
            text(
                "INSERT INTO bank_movements (key, account, currency, amount, side, is_return,"
                " bank_reference, end_to_end_id, payment_reference, return_reason)"
                " VALUES (:key, :account, 'UGX', 5000, 'CRDT', false, '', '', :named, '')"
            ),
            {
                "key": bytes.fromhex(movement.former_key),
                "account": names.account,
                "named": names.reference,
            },
        )
    await book.keep(file)
    assert len(await book.movements_for(names.reference)) == 1


async def test_statuses_come_in_their_order_for_one_transfer_or_the_whole_file(
    book: StatementStore, names: Names
) -> None:
    other = names.status("ACTC", end_to_end_id=token_hex(16))
    told = [
        names.status("RJCT"),
        names.status("ACCP", end_to_end_id="", payment_id=""),
        names.status("ACSC", message_id="another"),
    ]
    for status in (other, *told):
        await book.keep(BankFile(statuses=(status,)))
    assert list(await book.statuses_of(names.message, names.transfer)) == told


async def test_the_newest_balance_counts_and_of_one_day_the_last(
    book: StatementStore, names: Names
) -> None:
    assert await book.closing_balance(names.account, "UGX") is None
    earlier = names.statement(closing=100)
    for statement in (
        earlier,
        names.statement(closing=-200),
        names.statement(closing=300, on=DAY.replace(day=25)),
        earlier,
    ):
        await book.keep(BankFile((statement,)))
    assert await book.closing_balance(names.account, "UGX") == Money(-200, "UGX")
    assert await book.closing_balance(names.account, "KES") is None
    assert await book.closing_balance(names.reference, "UGX") is None


async def test_texts_of_any_length_and_sign_are_kept(book: StatementStore, names: Names) -> None:
    long = "Ж\n'" * 5_000
    detail = replace(names.detail(), end_to_end_id=long)
    status = names.status(long, end_to_end_id=long, message_id=long)
    await book.keep(BankFile((names.statement(names.entry(detail)),), (status,)))
    assert len(await book.movements_of(long)) >= 1
    assert status in await book.statuses_of(long, long)


async def test_of_a_file_that_cannot_be_kept_nothing_is(services: Services, names: Names) -> None:
    book = StatementTables(services.database)
    unheard = replace(names.detail(), payment_reference="\0")
    file = BankFile((names.statement(names.entry(names.detail()), names.entry(unheard)),))
    with pytest.raises(Exception, match="0x00"):
        await book.keep(file)
    assert list(await book.movements_for(names.reference)) == []


async def test_a_file_of_thousands_of_lines_is_kept(services: Services, names: Names) -> None:
    book = StatementTables(services.database)
    await book.keep(BankFile((names.statement(names.entry(*[names.detail()] * 1_001)),)))
    assert len(await book.movements_for(names.reference)) == 1_001
