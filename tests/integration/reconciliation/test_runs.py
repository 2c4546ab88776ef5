import argparse
from datetime import datetime
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import Job
from sync_server.ledger import books, postings
from sync_server.payments.rules import Provider
from sync_server.reconciliation import commands, service
from sync_server.reconciliation.checks import Check
from sync_server.reconciliation.errors import DriftFoundError, StatementUnreadableError
from sync_server.reconciliation.jobs import reconcile
from sync_server.reconciliation.rules import Item, ItemFinding, Severity
from sync_server.reconciliation.service import RunSource
from tests.factories.house import HEADER, House, a_statement, change
from tests.factories.ledger import balances, post, ugx
from tests.factories.payments import an_intent, reference_of

_TICK = Job(1, "reconciliation.run", {}, 1)


async def test_where_all_is_well_a_run_is_kept_and_balances_are_summed_up(house: House) -> None:
    await reconcile(house.services, _TICK)
    async with house.services.database.reading(WORKER) as session:
        run = (await session.execute(text("SELECT source, drifts, notes FROM recon_runs"))).one()
        marks = await session.scalar(text("SELECT count(*) FROM finance_checkpoints"))
    assert tuple(run) == ("schedule", 0, 0)
    assert marks == 8
    assert (await house.run(), await house.alarms()) == ([], [])


async def test_a_capture_that_was_never_posted_fails_the_run_and_is_named(house: House) -> None:
    other = await an_intent(house.services, house.tenant, house.payment.event_id)
    await house.superuser.execute(text("ALTER TABLE payments DISABLE TRIGGER post_payment"))
    await change(house.services, "payments", "state = 'succeeded'")
    with pytest.raises(DriftFoundError):
        await reconcile(house.services, _TICK)
    reference = await reference_of(house.services, other)
    async with house.services.database.reading(WORKER) as session:
        query = text("SELECT finding, subject, books_of, expected, found FROM recon_items")
        rows = [tuple(row) for row in await session.execute(query)]
    assert rows == [
        (
            "missing_in_books",
            f"capture:mtn:{reference}",
            house.tenant.organizer_id,
            100_000,
            None,
        )
    ]
    assert await house.alarms() == ["captures"]


@pytest.mark.parametrize(
    ("statements", "check", "findings"),
    [
        (
            ["UPDATE finance_guarded_balances SET balance = balance - 1"],
            "checkpoints",
            [ItemFinding.DIFFERS],
        ),
        (
            [
                "ALTER TABLE payouts DISABLE TRIGGER post_payout",
                "UPDATE payouts SET state = 'returned'",
            ],
            "payouts",
            [ItemFinding.MISSING_IN_BOOKS],
        ),
        (
            ["UPDATE payouts SET amount = amount + 1"],
            "payouts",
            [ItemFinding.AMOUNT_DIFFERS] * 2,
        ),
        (
            [
                "ALTER TABLE finance_entries DISABLE TRIGGER refuse_change",
                "UPDATE finance_entries SET amount = amount + 1 WHERE account = 'platform_fee'",
            ],
            "trial_balance",
            [ItemFinding.DIFFERS],
        ),
    ],
)
async def test_whatever_somebody_changed_by_hand_is_found(
    house: House, statements: list[str], check: str, findings: list[ItemFinding]
) -> None:
    for statement in statements:
        await house.superuser.execute(text(statement))
    items = await house.run()
    assert [(item.check, item.finding) for item in items] == [
        (check, finding) for finding in findings
    ]
    assert await house.alarms() == [check]


async def test_more_released_than_was_pending_is_found_though_the_books_balance(
    house: House,
) -> None:
    again = postings.release(house.payment.event_id, 2, ugx(94_100))
    await post(house.services, house.tenant, again)
    (item,) = await house.run()
    account = f"organizer_pending:{house.payment.event_id}"
    assert (item.check, item.subject, item.books_of) == (
        "pending",
        account,
        house.tenant.organizer_id,
    )
    assert (item.severity, item.expected, item.found) == (Severity.DRIFT, 0, 94_100)
    assert await house.alarms() == ["pending"]


async def test_an_alarm_is_cleared_by_the_next_run_without_a_drift(house: House) -> None:
    tamper = "UPDATE finance_guarded_balances SET balance = balance + {}"
    await house.superuser.execute(text(tamper.format(1)))
    await house.run()
    during = await house.alarms()
    await house.superuser.execute(text(tamper.format(-1)))
    await house.run()
    assert (during, await house.alarms()) == (["checkpoints"], [])


def _arguments(*paths: Path, options: tuple[str, ...] = ()) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    commands.add_arguments(parser)
    named = [word for path in paths for word in ("--statement", "mtn", str(path))]
    return parser.parse_args([*named, *options])


async def test_a_statement_that_agrees_and_one_that_does_not(
    house: House, clock: SettableClock, tmp_path: Path
) -> None:
    number = f"PO{house.payout_reference.replace('-', '')[:20].upper()}"
    agrees, differs = tmp_path / "agrees.csv", tmp_path / "differs.csv"
    sale = "T1,ORD-1,{},Successful,Payment,100000,UGX,0"
    payout = f"T2,{number},{{}},Successful,Transfer,50000,UGX,390"
    agrees.write_bytes(a_statement(clock.now_ms(), sale, payout))
    differs.write_bytes(a_statement(clock.now_ms(), "T3,ORD-9,{},Successful,Payment,7000,UGX,500"))
    well = await commands.run(house.services, _arguments(agrees))
    again = await commands.run(house.services, _arguments(agrees))
    wrong = await commands.run(house.services, _arguments(differs))
    assert (well.well, again.well, wrong.well) == (True, True, False)
    assert well.lines[0].endswith("4 lines, 4 of them new")
    assert again.lines[0].endswith("4 lines, 0 of them new")
    told = [line for line in wrong.lines if line.startswith("  ")]
    stranger = "  drift · only_at_provider · mtn collection collection:T3"
    assert told == [
        f"{stranger} · expected nothing · found UGX 7000",
        "  note · fee_not_booked · fees of mtn · expected UGX 890 · found UGX 390",
    ]
    assert "statements         drift  1 drifts, 1 notes" in wrong.lines


async def test_fees_are_booked_once_in_the_books_of_their_payment(
    house: House, clock: SettableClock, tmp_path: Path
) -> None:
    path = tmp_path / "fees.csv"
    sale = "T1,ORD-1,{},Successful,Payment,100000,UGX,500"
    path.write_bytes(a_statement(clock.now_ms(), sale))
    told = [
        await commands.run(house.services, _arguments(path, options=("--book-fees",)))
        for _ in range(2)
    ]
    assert [report.lines[1] for report in told] == ["1 fees booked", "0 fees booked"]
    held = await balances(house.services, house.tenant)
    assert (held["provider_fee:mtn"], held["provider_clearing:mtn"]) == (500, 99_500)


async def test_what_the_provider_does_not_have_is_missed(
    house: House, clock: SettableClock
) -> None:
    content = a_statement(clock.now_ms(), "T1,ORD-1,{},Successful,Payment,100000,UGX,0")
    await _import(house, content)
    assert await house.drifted() == []
    other = await an_intent(house.services, house.tenant, house.payment.event_id)
    await change(house.services, "payments", "state = 'succeeded'")
    items = await house.drifted()
    reference = (await reference_of(house.services, other)).replace("-", "")
    assert [item.finding for item in items] == [ItemFinding.MISSING_AT_PROVIDER]
    assert items[0].subject.replace("-", "").endswith(reference)


async def _import(house: House, content: bytes) -> service.Imported:
    return await service.import_statement(house.services, Provider.MTN, "main", "a file", content)


async def test_a_file_that_cannot_be_read_leaves_nothing(house: House, tmp_path: Path) -> None:
    path = tmp_path / "broken.csv"
    path.write_text(HEADER + "T1,,never,Successful,Payment,1,UGX,0\n")
    report = await commands.run(house.services, _arguments(path, tmp_path / "none.csv"))
    assert not report.well
    assert "line 2: column 'Date'" in report.lines[0]
    with pytest.raises(StatementUnreadableError):
        await _import(house, path.read_bytes())
    async with house.services.database.reading(WORKER) as session:
        for table in ("statement_files", "statement_lines", "recon_runs"):
            assert await session.scalar(text(f"SELECT count(*) FROM {table}")) == 0


async def test_money_that_waits_is_noted_and_fails_nothing(
    house: House, clock: SettableClock
) -> None:
    clock.advance(8 * 86_400_000)
    items = await house.run()
    assert [(item.finding, item.severity, item.found) for item in items] == [
        (ItemFinding.AGED, Severity.NOTE, 100_000)
    ]
    assert await house.alarms() == []


async def test_all_checks_see_one_moment(house: House) -> None:
    seen: list[list[tuple[object, str, int]]] = []

    async def look(session: AsyncSession, _: datetime) -> list[Item]:
        seen.append([*await books.sums_of_books(session)])
        await an_intent(house.services, house.tenant, house.payment.event_id)
        await change(house.services, "payments", "state = 'succeeded'")
        found = await session.scalar(text("SELECT count(*) FROM finance_txns"))
        seen[-1].append(("transactions", "", int(found or 0)))
        return []

    await service.run(house.services, RunSource.OPERATOR, (Check((), look),) * 2)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("table", ["recon_runs", "recon_items", "statement_lines"])
async def test_what_was_found_is_never_changed(house: House, table: str) -> None:
    with pytest.raises(DBAPIError):
        await house.superuser.execute(text(f"DELETE FROM {table}"))
