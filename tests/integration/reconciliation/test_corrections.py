"""What an operator booked wrongly is taken back once, and booked anew under the same reference."""

import asyncio
import os
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import text

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.ledger import service as ledger
from sync_server.ledger.rules import PLATFORM
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.reconciliation import service
from sync_server.reconciliation.corrections import correction_of, take_back
from sync_server.reconciliation.rules import CheckName
from sync_server.reconciliation.transfers import book_settlement, book_settlements, transfer_of
from sync_server.sandboxes.bank_files import Booking, Day, statement
from tests.factories.house import House
from tests.factories.ledger import ugx
from tests.factories.payouts import ScriptedRail
from tests.plugins.postgres import ClonedDatabase

MISTYPED = ("--settled", "mtn", "9650", "UGX", "S1")
SETTLED = ("--settled", "mtn", "96500", "UGX", "S1")
KEY = "settlement:mtn:S1"
TAKE_BACK = ("--take-back", KEY, "a zero too few")
LINE = "S1,,{{}},Successful,Settlement,{},UGX,0"
SALE = "T1,ORD-1,{},Successful,Payment,100000,UGX,0"
PAYOUT = "T2,,{},Successful,Transfer,50000,UGX,390"
_DAY_MS = 86_400_000


async def _recorded(house: House) -> list[tuple[str, str, int, str]]:
    query = text("""
        SELECT object_kind, before->>'posting' AS posting, (before->>'amount')::bigint AS amount,
            reason
        FROM admin_action_log WHERE kind = 'transfer.take_back'
    """)
    async with house.services.database.reading(WORKER) as session:
        found = await session.execute(query)
        return [(row.object_kind, row.posting, row.amount, row.reason) for row in found]


async def _sums(house: House) -> set[int]:
    async with house.services.database.reading(WORKER) as session:
        sums = await ledger.trial_balance(session, PLATFORM)
    return {sum(accounts.values()) for accounts in sums.values()}


async def test_a_mistyped_settlement_is_a_drift_until_it_is_corrected(
    house: House, clock: SettableClock
) -> None:
    await house.say(*MISTYPED)
    await house.take_in(clock, SALE, PAYOUT, LINE.format(96_500))
    (drift,) = await house.drifted()
    assert (drift.subject, drift.expected, drift.found) == (KEY, 96_500, 9_650)
    assert await house.alarms() == ["statements"]
    corrected = await house.say(*TAKE_BACK, *SETTLED)
    assert corrected.lines[:2] == (f"{KEY}: taken back", f"S1: booked as {KEY}:2")
    assert corrected.well
    assert (await house.alarms(), await _sums(house)) == ([], {0})
    assert await house.of_platform() == {"bank:payouts": 96_500, "provider_clearing:mtn": -96_500}
    assert await _recorded(house) == [("settlement", KEY, 9_650, "a zero too few")]


async def test_the_same_command_again_changes_nothing(house: House) -> None:
    await house.say(*MISTYPED)
    first = await house.say(*TAKE_BACK)
    again = await house.say("--take-back", "settlement:mtn:s1", "for another reason")
    assert [report.lines[0] for report in (first, again)] == [
        f"{KEY}: taken back",
        "settlement:mtn:s1: taken back before",
    ]
    assert first.well
    assert again.well
    await house.say(*TAKE_BACK, *SETTLED)
    stood = await house.of_platform()
    repeated = await house.say(*TAKE_BACK, *SETTLED)
    assert repeated.lines[:2] == (
        f"{KEY}: taken back before; {KEY}:2 stands",
        f"S1: booked before as {KEY}:2",
    )
    assert await house.of_platform() == stood
    assert len(await _recorded(house)) == 1


async def test_what_was_booked_anew_is_taken_back_by_its_own_key(house: House) -> None:
    """The same wrong amount once more is a person's word as well."""
    for number in ("", ":2"):
        await house.say(*MISTYPED)
        await house.say("--take-back", f"{KEY}{number}", "mistyped")
    refused = await house.say("--take-back", f"{KEY}:3", "mistyped")
    assert (refused.well, refused.lines) == (
        False,
        (f"{KEY}:3: nothing is posted under {KEY}:3",),
    )
    assert (await house.say(*SETTLED)).lines[0] == f"S1: booked as {KEY}:3"
    assert (await house.of_platform())["bank:payouts"] == 96_500


async def test_another_amount_beside_what_stands_is_refused_with_what_to_do(house: House) -> None:
    await house.say(*MISTYPED)
    refused = await house.say(*SETTLED)
    assert not refused.well
    assert f"nothing was posted now; --take-back {KEY} takes that back" in refused.lines[0]
    await house.say(*TAKE_BACK, *SETTLED)
    refused = await house.say(*MISTYPED)
    assert f"--take-back {KEY}:2 takes that back" in refused.lines[0]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("settlement:mtn:S2", "nothing is posted under settlement:mtn:S2"),
        ("settlement:airtel:S1", "nothing is posted under settlement:airtel:S1"),
        ("float_top_up:mtn:S1", "nothing is posted under float_top_up:mtn:S1"),
        (f"{KEY}:2", f"nothing is posted under {KEY}:2"),
        (f"{KEY}:1", f"nothing is posted under {KEY}:1"),
        ("capture:mtn:T1", "give a payment back by a refund of its order"),
    ],
)
async def test_what_is_not_to_be_taken_back_stops_the_command(
    house: House, key: str, said: str
) -> None:
    await house.say(*MISTYPED)
    before = await house.of_platform()
    refused = await house.say("--take-back", key, "why", "--settled", "mtn", "5", "UGX", "S9")
    assert (refused.well, len(refused.lines)) == (False, 1)
    assert said in refused.lines[0]
    assert await house.of_platform() == before
    assert await _recorded(house) == []


async def test_a_statement_books_what_it_says_after_a_person_s_word_was_taken_back(
    house: House, clock: SettableClock
) -> None:
    await house.say(*MISTYPED)
    await house.take_in(clock, SALE, PAYOUT, LINE.format(96_500))
    told = [await house.say(*words, "--book-settlements") for words in (TAKE_BACK, ())]
    assert all(report.well for report in told)
    assert "1 settlements booked" in told[0].lines
    assert "0 settlements booked" in told[1].lines
    assert (await house.of_platform())["bank:payouts"] == 96_500
    assert await house.run() == []


async def test_a_statement_does_not_book_again_what_a_person_took_back(
    house: House, clock: SettableClock
) -> None:
    await house.take_in(clock, SALE, PAYOUT, LINE.format(96_500))
    assert await book_settlements(house.services) == 1
    await house.say("--take-back", KEY, "the money never came")
    assert await book_settlements(house.services) == 0
    noted = [(item.finding, item.subject) for item in await house.run()]
    assert noted == [("missing_in_books", "mtn settlement:S1")]
    await house.say("--settled", "mtn", "96000", "UGX", "S1")
    assert await book_settlements(house.services) == 0
    assert (await house.of_platform())["bank:payouts"] == 96_000


async def test_a_mistyped_top_up_is_a_drift_until_it_is_corrected(
    house: House, clock: SettableClock
) -> None:
    clock.advance(60_000)
    rail = ScriptedRail([], float_held=ugx(449_610))
    offering = {PaymentRails: PaymentRails({}, {Provider.MTN: rail})}
    at_the_rail = replace(house, services=replace(house.services, parts=offering))
    wrong = await at_the_rail.say("--top-up", "mtn", "5000000", "UGX", "FT1")
    assert not wrong.well
    key = "float_top_up:mtn:FT1"
    right = ("--top-up", "mtn", "500000", "UGX", "FT1")
    corrected = await at_the_rail.say("--take-back", key, "a zero too many", *right)
    assert corrected.lines[:2] == (f"{key}: taken back", f"FT1: booked as {key}:2")
    assert corrected.well
    assert [line for line in corrected.lines if line.startswith("  ")] == []
    assert await house.of_platform() == {"bank:payouts": -500_000, "provider_float:mtn": 500_000}
    assert await _recorded(house) == [("float", key, 5_000_000, "a zero too many")]


async def test_money_waits_as_if_what_was_taken_back_had_never_been(
    house: House, clock: SettableClock
) -> None:
    """Neither does the wrong settlement take the sale off, nor does its mirror wait from today."""
    await house.say("--settled", "mtn", "100000", "UGX", "S1")
    clock.advance(8 * _DAY_MS)
    assert await house.run() == []
    await house.say("--take-back", KEY, "of another provider")
    waiting = await house.run()
    assert [(item.check, item.found) for item in waiting] == [(CheckName.AGED_CLEARING, 100_000)]
    await house.say("--settled", "mtn", "100000", "UGX", "S1")
    assert await house.run() == []


@pytest.mark.parametrize(("words", "missed"), [((), [KEY]), (TAKE_BACK, [])])
async def test_what_was_taken_back_need_not_arrive_at_our_bank(
    house: House, clock: SettableClock, words: tuple[str, ...], missed: list[str]
) -> None:
    await house.say(*MISTYPED)
    await house.say(*words)
    now = instant(clock.now_ms())
    bookings = [
        Booking(f"SB{day}", Decimal(1), "UGX", is_credit=True, on=(now + timedelta(day)).date())
        for day in (-14, 14)
    ]
    content = statement(Day("ST1", 1, "9", "UGX", Decimal(0), bookings), now)
    await service.import_statement(house.services, Provider.BANK, "main", "a file", content)
    subjects = [item.subject for item in await house.run()]
    assert subjects == [f"bank credit of {key}" for key in missed]


async def test_twenty_at_once_take_back_once_and_book_anew_once(house: House) -> None:
    await house.say(*MISTYPED)
    reasons = ["mistyped", *(f"reason {number}" for number in range(9))] * 2
    taken = await asyncio.gather(
        *(take_back(house.services, correction_of(KEY, reason)) for reason in reasons)
    )
    wanted = transfer_of(*SETTLED[1:])
    booked = await asyncio.gather(*(book_settlement(house.services, wanted) for _ in range(20)))
    assert Counter(each.is_new for each in taken) == {True: 1, False: 19}
    assert Counter(each.is_new for each in booked) == {True: 1, False: 19}
    assert {each.key for each in booked} == {f"{KEY}:2"}
    assert await house.of_platform() == {"bank:payouts": 96_500, "provider_clearing:mtn": -96_500}
    assert len(await _recorded(house)) == 1


async def test_two_processes_at_once_correct_once(
    house: House, spare_database: ClonedDatabase, tmp_path: Path
) -> None:
    await house.say(*MISTYPED)
    environment = {
        "PATH": os.environ["PATH"],
        "ZERAKET_DATABASE_URL": spare_database.login_url,
        "ZERAKET_WORKER_DATABASE_URL": spare_database.worker_url,
        "ZERAKET_DATA_DIRECTORY": str(tmp_path),
        "ZERAKET_MASTER_KEY": bytes(range(32)).hex(),
    }
    words = ("-m", "sync_server", "reconcile", *TAKE_BACK, *SETTLED)
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, *words, env=environment, stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    told = [(await process.communicate())[0].decode().splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    # Each of both steps is done by one of them, whichever.
    assert Counter(line.partition(";")[0] for lines in told for line in lines[:2]) == {
        f"{KEY}: taken back": 1,
        f"{KEY}: taken back before": 1,
        f"S1: booked as {KEY}:2": 1,
        f"S1: booked before as {KEY}:2": 1,
    }
    assert await house.of_platform() == {"bank:payouts": 96_500, "provider_clearing:mtn": -96_500}
    assert len(await _recorded(house)) == 1
