"""What a provider paid of buyers' money to our bank is posted once, and clearing is settled."""

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.ledger import postings
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.reconciliation import service
from sync_server.reconciliation.rules import CheckName, Item, ItemFinding, Severity
from sync_server.reconciliation.service import RunSource
from sync_server.reconciliation.transfers import book_settlements
from sync_server.sandboxes.bank_files import Booking, Day, statement
from sync_server.sandboxes.schemas import schema_faults
from tests.factories.house import House
from tests.factories.ledger import a_sale, post, ugx
from tests.factories.payouts import ScriptedRail
from tests.factories.tenants import make_tenant

SETTLED = ("--settled", "mtn", "96500", "UGX", "S1")
LINE = "{},,{{}},Successful,Settlement,{},UGX,0"
SALE = "T1,ORD-1,{},Successful,Payment,100000,UGX,3500"
PAYOUT = "T2,,{},Successful,Transfer,50000,UGX,390"
F = ItemFinding
D, N = Severity.DRIFT, Severity.NOTE
_DAY_MS = 86_400_000


async def _recorded(house: House) -> list[tuple[str, int]]:
    query = text("""
        SELECT after->>'reference' AS reference, (after->>'amount')::bigint AS amount
        FROM admin_action_log WHERE kind = 'settlement.book'
    """)
    async with house.services.database.reading(WORKER) as session:
        return [(row.reference, row.amount) for row in await session.execute(query)]


def _found(items: list[Item]) -> list[tuple[ItemFinding, Severity, int | None, int | None]]:
    return [(item.finding, item.severity, item.expected, item.found) for item in items]


async def test_what_an_operator_saw_arrive_is_booked_once_and_recorded(house: House) -> None:
    told = [await house.say(*SETTLED), await house.say(*SETTLED[:-1], "s1")]
    assert [report.lines[0] for report in told] == ["S1: booked", "s1: booked before"]
    assert all(report.well for report in told)
    other = await house.say("--settled", "mtn", "96499", "UGX", "S1")
    assert (other.well, len(other.lines)) == (False, 1)
    assert "posted before with other amounts" in other.lines[0]
    assert await house.of_platform() == {"bank:payouts": 96_500, "provider_clearing:mtn": -96_500}
    assert await _recorded(house) == [("S1", 96_500)]


async def test_our_bank_settles_nothing(house: House) -> None:
    report = await house.say("--settled", "bank", "1", "UGX", "S1")
    assert (report.well, report.lines) == (False, ("S1: a bank has no float, and settles nothing",))


async def test_what_a_statement_names_is_booked_once_with_its_time(
    house: House, clock: SettableClock
) -> None:
    await house.take_in(clock, SALE, PAYOUT, LINE.format("S1", 96_500))
    assert (F.MISSING_IN_BOOKS, N, 96_500, None) in _found(await house.run())
    told = [await house.say("--book-settlements", "--book-fees") for _ in range(2)]
    assert [report.lines[:2] for report in told] == [
        ("1 settlements booked", "1 fees booked"),
        ("0 settlements booked", "0 fees booked"),
    ]
    assert await house.run() == []
    async with house.services.database.reading(WORKER) as session:
        query = text("SELECT occurred_at FROM finance_txns WHERE kind = 'settlement'")
        moments: list[datetime] = list(await session.scalars(query))
    assert moments == [instant(clock.now_ms() // 1_000 * 1_000)]
    assert await _recorded(house) == [("S1", 96_500)]


async def test_another_amount_on_the_statement_is_a_drift_and_books_nothing(
    house: House, clock: SettableClock
) -> None:
    await house.say(*SETTLED)
    await house.take_in(clock, SALE, PAYOUT, LINE.format("S1", 96_000))
    assert await book_settlements(house.services) == 0
    assert _found(await house.drifted()) == [(F.AMOUNT_DIFFERS, D, 96_000, 96_500)]
    assert await house.alarms() == ["statements"]
    assert (await house.of_platform())["bank:payouts"] == 96_500


async def test_a_settlement_that_the_provider_does_not_name_is_a_drift(
    house: House, clock: SettableClock
) -> None:
    await house.say(*SETTLED)
    await house.take_in(clock, SALE, PAYOUT, LINE.format("S2", 96_500))
    assert await book_settlements(house.services) == 1
    assert _found(await house.drifted()) == [(F.MISSING_AT_PROVIDER, D, 96_500, None)]


@pytest.mark.parametrize(
    ("settled", "left"), [(None, 100_000), ("96500", 3_500), ("100000", None), ("100007", -7)]
)
async def test_money_waits_until_it_is_settled_whoever_s_books_it_is_in(
    house: House, clock: SettableClock, settled: str | None, left: int | None
) -> None:
    words = [] if settled is None else ["--settled", "mtn", settled, "UGX", "S1"]
    await house.say(*words)
    clock.advance(8 * _DAY_MS)
    assert [(item.check, item.books_of, item.found) for item in await house.run()] == [
        (CheckName.AGED_CLEARING, None, left)
    ] * (left is not None)


@pytest.mark.parametrize(("settled", "left"), [("100000", 60_000), ("130000", 30_000)])
async def test_one_settlement_is_of_many_organizers_sales(
    house: House, clock: SettableClock, settled: str, left: int
) -> None:
    neighbour = await make_tenant(house.services)
    sale = replace(a_sale("T7", organizer=54_100), provider="mtn")
    await post(house.services, neighbour, postings.capture(sale))
    await house.say("--settled", "mtn", settled, "UGX", "S1")
    clock.advance(8 * _DAY_MS)
    waiting = [item for item in await house.run() if item.check is CheckName.AGED_CLEARING]
    assert [(item.books_of, item.found) for item in waiting] == [(None, left)]


async def test_what_is_transferred_to_our_bank_waits_for_nobody(
    house: House, clock: SettableClock
) -> None:
    sale = replace(a_sale("T7"), provider="bank")
    await post(house.services, house.tenant, postings.capture(sale))
    await house.say("--settled", "mtn", "100000", "UGX", "S1")
    clock.advance(8 * _DAY_MS)
    assert [item for item in await house.run() if item.check is CheckName.AGED_CLEARING] == []


async def test_what_was_settled_is_the_oldest(house: House, clock: SettableClock) -> None:
    """The sale is settled; of what came a week later nothing is old yet."""
    clock.advance(7 * _DAY_MS)
    await house.say("--settled", "mtn", "100000", "UGX", "S1")
    await house.say("--settled", "mtn", "5", "UGX", "S2")
    clock.advance(6 * _DAY_MS)
    assert await house.run() == []
    clock.advance(2 * _DAY_MS)
    assert [item.found for item in await house.run()] == [-5]


async def test_a_bank_s_closing_balance_has_what_was_settled(house: House) -> None:
    rail = ScriptedRail([], float_held=ugx(96_500))
    services = replace(
        house.services, parts={PaymentRails: PaymentRails({}, {Provider.BANK: rail})}
    )
    await house.say(*SETTLED)
    report = await service.run(services, RunSource.OPERATOR)
    assert [item for item in report.items if item.check is CheckName.BALANCES] == []


@pytest.mark.parametrize(("amount", "notes"), [(96_500, 0), (96_499, 1)])
async def test_a_bank_s_statement_confirms_what_was_settled(
    house: House, clock: SettableClock, amount: int, notes: int
) -> None:
    await house.say(*SETTLED)
    now = instant(clock.now_ms())
    days = {-14: 1, 2: amount, 14: 1}
    bookings = [
        Booking(f"SB{day}", Decimal(each), "UGX", is_credit=True, on=(now + timedelta(day)).date())
        for day, each in days.items()
    ]
    content = statement(Day("ST1", 1, "9", "UGX", Decimal(0), bookings), now)
    assert schema_faults(content) == ()
    await service.import_statement(house.services, Provider.BANK, "main", "a file", content)
    items = await house.run()
    assert _found(items) == [(F.MISSING_AT_PROVIDER, N, 96_500, None)] * notes
    assert {item.subject for item in items} <= {"bank credit of settlement:mtn:S1"}
