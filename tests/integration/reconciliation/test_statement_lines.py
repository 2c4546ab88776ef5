"""Lines of statements: each is kept once, and what says otherwise of one is said."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.payments.rules import Provider
from sync_server.reconciliation import service
from sync_server.reconciliation.rules import ItemFinding
from sync_server.reconciliation.statements import read_statement
from sync_server.reconciliation.transfers import book_top_up, transfer_of
from sync_server.sandboxes.bank_files import Booking, Day, notification, statement
from tests.factories.house import HEADER, House, a_statement, change
from tests.factories.payments import reference_of

F = ItemFinding
PAID_AND_LOST = (("T1", 100_000), ("T7", -100_000))


async def _take_in(house: House, name: str, content: bytes, rail: Provider = Provider.MTN) -> int:
    taken = await service.import_statement(house.services, rail, "main", name, content)
    return taken.new


async def _kept(house: House, columns: str) -> list[tuple[object, ...]]:
    query = text(f"SELECT {columns} FROM statement_lines ORDER BY 1, 2")
    async with house.services.database.reading(WORKER) as session:
        return [tuple(row) for row in await session.execute(query)]


async def test_one_id_with_two_amounts_is_said_and_what_is_kept_stays(house: House) -> None:
    named = await reference_of(house.services, house.payment)
    right = f"T1,{named},{{}},Successful,Payment,100000,UGX,0"
    wrong = f"T1,{named},{{}},Successful,Payment,900000,UGX,0"
    now = house.services.clock.now_ms()
    await _take_in(house, "may.csv", a_statement(now, right, wrong))
    (item,) = await house.drifted()
    assert (item.finding, item.expected, item.found) == (F.SAID_OTHERWISE, 100_000, 900_000)
    assert "UGX 100000" in item.subject
    assert "UGX 900000" in item.subject
    first = ("collection:T1", 100_000)
    assert first in await _kept(house, "line_key, amount")
    # However often either is said again, neither is another line, and fees are of the first.
    again = (HEADER + f"{right}\n{wrong}\n".replace("{}", "2026-12-01T10:00:00Z")).encode()
    assert await _take_in(house, "again.csv", again) == 0
    assert [each.finding for each in await house.drifted()] == [F.SAID_OTHERWISE]


async def test_a_later_export_that_says_otherwise_is_said_as_well(house: House) -> None:
    row = "T1,{},2026-12-01T10:00:00Z,Successful,Payment,100000,UGX,{}\n"
    named = await reference_of(house.services, house.payment)
    for fee in (0, 500):
        content = (HEADER + row.format(named, fee)).encode()
        assert await _take_in(house, f"{fee}.csv", content) == 1
    (item,) = await house.drifted()
    assert item.finding is F.SAID_OTHERWISE
    assert ("fee 0" in item.subject, "fee 500" in item.subject) == (True, True)


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
async def test_a_notice_and_the_statement_after_it_are_one_line(
    house: House, order: tuple[int, int]
) -> None:
    today = instant(house.services.clock.now_ms()).date()
    booked = [Booking("SB1", Decimal(5_000), "UGX", is_credit=True, on=today)]
    at = instant(house.services.clock.now_ms())
    files = [
        notification("NT1", "9", booked, at),
        # As a bank numbers its entries, and names its transactions alone.
        statement(Day("ST1", 1, "9", "UGX", Decimal(0), booked), at).replace(
            b"<AcctSvcrRef>SB1</AcctSvcrRef><BkTxCd>", b"<BkTxCd>"
        ),
    ]
    news = [await _take_in(house, str(each), files[each], Provider.BANK) for each in order]
    assert news == [1, 0]


async def test_a_line_that_was_kept_under_its_former_key_is_not_kept_again(house: House) -> None:
    at = instant(house.services.clock.now_ms())
    booked = [Booking("SB1", Decimal(5_000), "UGX", is_credit=True, on=at.date())]
    assert await _take_in(house, "1", notification("NT1", "9", booked, at), Provider.BANK) == 1
    await house.superuser.execute(text("ALTER TABLE statement_lines DISABLE TRIGGER refuse_change"))
    (line,) = read_statement(Provider.BANK, notification("NT2", "9", booked, at))
    before = "UPDATE statement_lines SET line_key = :key, other_keys = NULL"
    await house.superuser.execute(text(before), {"key": line.former_key})
    assert await _take_in(house, "2", notification("NT2", "9", booked, at), Provider.BANK) == 0


@pytest.mark.parametrize(
    ("state", "found"), [("succeeded", [F.STATE_DIFFERS]), ("disputed", []), ("reversed", [])]
)
async def test_what_a_provider_took_back_of_a_payment_is_held_against_its_state(
    house: House, state: str, found: list[ItemFinding]
) -> None:
    named = await reference_of(house.services, house.payment)
    await change(house.services, "payments", f"state = '{state}'")
    rows = [
        f"{key},{named},{{}},Successful,Payment,{amount},UGX,0" for key, amount in PAID_AND_LOST
    ]
    await _take_in(house, "may.csv", a_statement(house.services.clock.now_ms(), *rows))
    assert [item.finding for item in await house.drifted()] == found


async def test_a_debit_that_nobody_knows_is_a_drift_and_a_filled_float_explains_one(
    house: House,
) -> None:
    at = instant(house.services.clock.now_ms())
    away = Booking("SB1", Decimal(900_000), "UGX", is_credit=False, on=at.date())
    day = Day("ST1", 1, "9", "UGX", Decimal(0), [away])
    await _take_in(house, "st1.xml", statement(day, at), Provider.BANK)
    (item,) = await house.drifted()
    assert (item.finding, item.found) == (F.ONLY_AT_PROVIDER, 900_000)
    await book_top_up(house.services, transfer_of("mtn", "900000", "UGX", "FT1"))
    assert await house.drifted() == []
