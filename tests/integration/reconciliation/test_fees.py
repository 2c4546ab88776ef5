"""Fees that statements name are booked once each, in the books of what they were kept of."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from shared.ids import OrganizerId
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import Shares
from sync_server.ledger.rules import PLATFORM
from sync_server.payments.refunds import NewRefund, request_refund
from sync_server.payments.rules import Provider
from sync_server.payments.statements import LineKind, StatementLine
from sync_server.reconciliation import service
from sync_server.reconciliation.fees import book_fees
from sync_server.reconciliation.rules import ItemFinding
from sync_server.sandboxes.bank_files import Booking, Day, statement
from sync_server.sandboxes.schemas import schema_faults
from tests.factories.house import House, a_statement, change
from tests.factories.ledger import balances, ugx

PAYOUT = "T2,,{},Successful,Transfer,50000,UGX,"
SALE = "T1,ORD-1,{},Successful,Payment,100000,UGX,500"


async def _take_in(house: House, clock: SettableClock, name: str, *rows: str) -> None:
    content = a_statement(clock.now_ms(), *rows)
    await service.import_statement(house.services, Provider.MTN, "main", name, content)


async def _of_platform(house: House) -> dict[str, int]:
    async with house.services.database.reading(WORKER) as session:
        found = await ledger.list_balances(session, OrganizerId(PLATFORM))
    return {item.account: item.balance for item in found}


async def test_what_a_rail_kept_of_a_payout_beyond_what_it_said_is_booked_with_the_payout(
    house: House, clock: SettableClock
) -> None:
    before = await balances(house.services, house.tenant)
    assert (before["payout_fee:mtn"], before["provider_float:mtn"]) == (390, -50_390)
    await _take_in(house, clock, "a file", SALE, PAYOUT + "1000")
    assert [item.finding for item in await house.run()] == [ItemFinding.FEE_NOT_BOOKED]
    assert [await book_fees(house.services) for _ in range(2)] == [2, 0]
    held = await balances(house.services, house.tenant)
    assert (held["payout_fee:mtn"], held["provider_float:mtn"]) == (1_000, -51_000)
    assert held["payout_in_transit:mtn"] == 0
    assert await house.run() == []
    query = text(
        "SELECT account, amount FROM payout_ledger_entries WHERE kind = 'payout_fee' ORDER BY 1"
    )
    async with house.services.database.reading(WORKER) as session:
        rows = [tuple(row) for row in await session.execute(query)]
    assert rows == [("payout_fee:mtn", 610), ("provider_float:mtn", -610)]


async def test_a_fee_that_was_booked_as_more_than_was_kept_is_a_drift(
    house: House, clock: SettableClock
) -> None:
    await _take_in(house, clock, "a file", PAYOUT + "300")
    assert await book_fees(house.services) == 0
    (drift,) = await house.drifted()
    assert (drift.finding, drift.expected, drift.found) == (ItemFinding.FEE_DIFFERS, 300, 390)


async def test_a_second_line_of_a_payout_books_no_second_fee(
    house: House, clock: SettableClock
) -> None:
    await _take_in(house, clock, "a file", PAYOUT + "1000")
    assert await book_fees(house.services) == 1
    reference = house.payout_reference
    await _take_in(
        house, clock, "another", f"T9,{reference},{{}},Successful,Transfer,50000,UGX,2000"
    )
    assert await book_fees(house.services) == 0
    assert ItemFinding.TWICE_AT_PROVIDER in {item.finding for item in await house.drifted()}


async def test_what_a_provider_kept_of_a_refund_is_booked_with_the_refund(
    house: House, clock: SettableClock
) -> None:
    nothing = ugx(0)
    wanted = NewRefund(
        house.tenant.organizer_id,
        house.payment.id,
        Shares(ugx(10_000), nothing, nothing, nothing, nothing),
        "It rains",
    )
    async with house.services.database.transaction(WORKER) as session:
        refund = await request_refund(session, house.services, wanted)
    await change(house.services, "refunds", "state = 'succeeded', provider_reference = 'T3'")
    await _take_in(house, clock, "a file", "T3,,{},Successful,Refund,10000,UGX,250")
    assert [await book_fees(house.services) for _ in range(2)] == [1, 0]
    held = await balances(house.services, house.tenant)
    assert (held["provider_fee:mtn"], held["provider_clearing:mtn"]) == (250, 89_750)
    async with house.services.database.reading(WORKER) as session:
        tenant = house.tenant.organizer_id
        assert await ledger.find_posted(session, tenant, f"refund_fee:{refund.id}") is not None


@pytest.mark.parametrize("kind", [LineKind.OTHER, LineKind.FEE])
async def test_what_is_of_nobody_is_the_platforms(house: House, kind: LineKind) -> None:
    amount = {LineKind.OTHER: (70_000, 1_200), LineKind.FEE: (1_200, 0)}[kind]
    line = StatementLine(
        "b1", kind, None, None, ugx(amount[0]), ugx(amount[1]), house.payment.created_at
    )
    await service.keep_statement(
        house.services, Provider.BANK, "main", "a file", (b"a file", [line])
    )
    assert [await book_fees(house.services) for _ in range(2)] == [1, 0]
    booked = await _of_platform(house)
    assert booked == {"provider_fee:bank": 1_200, "provider_clearing:bank": -1_200}
    assert await house.drifted() == []


@pytest.mark.parametrize("within", [False, True])
async def test_what_a_bank_charges_for_a_transfer_of_ours_is_booked_wherever_it_stands(
    house: House, clock: SettableClock, within: bool
) -> None:
    now = instant(clock.now_ms())
    transfer = Booking(
        bank_reference="SB1",
        amount=Decimal(70_000),
        currency="UGX",
        is_credit=False,
        on=now.date(),
        charges=Decimal(1_200),
        tells_charges_within=within,
    )
    content = statement(Day("ST1", 1, "9", "UGX", Decimal(100_000), [transfer]), now)
    assert schema_faults(content) == ()
    for name in ("a file", "the file again"):
        await service.import_statement(house.services, Provider.BANK, "main", name, content)
    assert [await book_fees(house.services) for _ in range(2)] == [1, 0]
    assert await _of_platform(house) == {
        "provider_fee:bank": 1_200,
        "provider_clearing:bank": -1_200,
    }


async def test_what_nobody_has_explained_is_not_booked(house: House, clock: SettableClock) -> None:
    strange = "T8,PO9,{},Successful,Transfer,9000,UGX,100"
    await _take_in(house, clock, "a file", strange, PAYOUT + "390")
    assert await book_fees(house.services) == 0
    assert [item.finding for item in await house.drifted()] == [ItemFinding.ONLY_AT_PROVIDER]
