"""What is a bank's own, beyond what every rail keeps to: files that are lost, doubled, late and
refused, and money that comes back.
"""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from shared.clock import SettableClock
from shared.money import Money
from sync_server.kit.instants import instant
from sync_server.payments.ports import (
    Accepted,
    CollectionReference,
    CollectionRequest,
    Collector,
    Destination,
    DisbursementRequest,
    Disburser,
    Payer,
    RefundRequest,
    Refused,
)
from sync_server.payments.providers.bank.channels import OUTBOX
from sync_server.payments.providers.bank.rail import (
    NO_ACCOUNT_IN_CURRENCY,
    REFUND_NEEDS_AN_ACCOUNT,
    Bank,
    BankConfiguration,
)
from sync_server.payments.providers.bank.references import payment_reference
from sync_server.payments.providers.bank.transfers import end_to_end_id
from sync_server.payments.rules import Finding, Reading
from sync_server.sandboxes.engine import Engine, Fault, MovementState, Operation
from tests.factories.bank import ACCOUNT, BankDesk
from tests.factories.rails import BANK, new_reference

NOW_MS = 1_795_665_856_000


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def desk(tmp_path: Path, engine: Engine) -> BankDesk:
    desk = BankDesk(tmp_path)
    desk.make_app(engine, SettableClock(NOW_MS))
    return desk


@pytest.fixture
def bank(desk: BankDesk) -> Bank:
    """Our client as it is: files are exchanged when the test says so."""
    clock = SettableClock(NOW_MS)
    return Bank(BankConfiguration({"UGX": ACCOUNT}), desk.channel, desk.book, clock)


def a_payout(amount: int = 5_000, currency: str = "UGX") -> DisbursementRequest:
    return DisbursementRequest(
        new_reference(), "PAYOUT-77", Money(amount, currency), BANK.destination, "Payout", ""
    )


def a_payment(amount: int = 5_000) -> CollectionRequest:
    return CollectionRequest(
        new_reference(), "ORD-1", Money(amount, "UGX"), "", Payer(), "", "", instant(NOW_MS)
    )


async def read_after(desk: BankDesk, bank: Bank, payout: DisbursementRequest) -> Reading:
    await desk.attend()
    return await bank.read_disbursement(payout)


async def test_one_client_takes_and_sends(bank: Bank) -> None:
    fits: tuple[Collector, Disburser] = (bank, bank)
    assert [client.provider for client in fits] == ["bank", "bank"]
    assert await bank.check_credentials() == Accepted()


async def test_a_payout_is_pending_until_the_bank_has_booked_it(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout = a_payout()
    assert await bank.disburse(payout) == Accepted()
    assert (await bank.read_disbursement(payout)).finding is Finding.PENDING
    assert (await read_after(desk, bank, payout)).reason == "ACTC"
    desk.sandbox.charges = Decimal(3_000)
    await engine.settle(payout.reference, MovementState.SUCCEEDED)
    reading = await read_after(desk, bank, payout)
    assert (reading.finding, reading.amount) == (Finding.SUCCEEDED, payout.amount)
    assert reading.fee == Money(3_000, "UGX")


@pytest.mark.parametrize(("reason", "code"), [("AC04", "AC04"), (None, "AC01")])
async def test_a_payout_that_is_refused_says_why(
    desk: BankDesk, bank: Bank, engine: Engine, reason: str | None, code: str
) -> None:
    payout = a_payout()
    await bank.disburse(payout)
    await desk.attend()
    await engine.settle(payout.reference, MovementState.FAILED, reason)
    reading = await read_after(desk, bank, payout)
    assert (reading.finding, reading.reason) == (Finding.FAILED, code)


async def test_money_comes_back_a_day_later(desk: BankDesk, bank: Bank, engine: Engine) -> None:
    payout = a_payout()
    await bank.disburse(payout)
    await desk.attend()
    findings: list[Finding] = []
    for state in (MovementState.SUCCEEDED, MovementState.REVERSED):
        await engine.settle(payout.reference, state)
        findings.append((await read_after(desk, bank, payout)).finding)
    assert findings == [Finding.SUCCEEDED, Finding.REVERSED]
    days = {movement.booked_on for movement in desk.book.movements.values()}
    assert len(days) == 2


async def test_a_lost_report_leaves_a_payout_pending(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout = a_payout()
    engine.dial.turn(Operation.DISBURSE, Fault.LOST_ANSWER)
    await bank.disburse(payout)
    assert await read_after(desk, bank, payout) == Reading(Finding.PENDING)
    assert list(engine.movements) == [payout.reference]


async def test_a_file_lies_until_the_bank_takes_it(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout = a_payout()
    engine.dial.turn(Operation.DISBURSE, Fault.UNAVAILABLE)
    await bank.disburse(payout)
    assert await read_after(desk, bank, payout) == Reading(Finding.PENDING)
    assert engine.movements == {}
    assert (await read_after(desk, bank, payout)).reason == "ACTC"


async def test_the_same_order_twice_pays_once(desk: BankDesk, bank: Bank, engine: Engine) -> None:
    payout = a_payout()
    await bank.disburse(payout)
    name = next((desk.folder / OUTBOX).iterdir()).name
    content = (desk.folder / OUTBOX / name).read_bytes()
    await desk.attend()
    (desk.folder / OUTBOX / name).write_bytes(content)
    reading = await read_after(desk, bank, payout)
    assert (reading.finding, reading.reason) == (Finding.PENDING, "AM05")
    assert list(engine.movements) == [payout.reference]


async def test_an_order_that_breaks_the_schema_is_refused_whole(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout = a_payout()
    await bank.disburse(payout)
    path = next((desk.folder / OUTBOX).iterdir())
    path.write_bytes(path.read_bytes().replace(b"<PmtMtd>TRF</PmtMtd>", b""))
    reading = await read_after(desk, bank, payout)
    assert (reading.finding, reading.reason) == (Finding.FAILED, "FF01")
    assert engine.movements == {}


async def test_no_order_at_all_does_the_bank_no_harm(desk: BankDesk, engine: Engine) -> None:
    (desk.folder / OUTBOX / "A.xml").write_bytes(b"<a")
    (desk.folder / OUTBOX / "B.xml").write_bytes(b"<!DOCTYPE a><a/>")
    taken = await desk.attend()
    assert (len(taken.kept), taken.unreadable, engine.movements) == (2, (), {})


@pytest.mark.parametrize("fault", [Fault.CALLBACK_TWICE, Fault.CALLBACK_EARLY])
async def test_a_file_that_comes_twice_is_money_once(
    desk: BankDesk, bank: Bank, engine: Engine, fault: Fault
) -> None:
    payment = a_payment()
    await _paid(desk, bank, engine, payment, fault)
    desk.sandbox.close_day()
    reading = await _read_payment(desk, bank, payment)
    assert (reading.finding, reading.amount) == (Finding.SUCCEEDED, payment.amount)
    assert len(desk.book.movements) == 1


async def test_a_notice_that_is_lost_is_made_good_by_the_statement(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payment = a_payment()
    await _paid(desk, bank, engine, payment, Fault.CALLBACK_MISSING)
    assert (await _read_payment(desk, bank, payment)).finding is Finding.PENDING
    desk.sandbox.close_day()
    assert (await _read_payment(desk, bank, payment)).finding is Finding.SUCCEEDED


async def test_files_in_the_wrong_order_say_the_same(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout = a_payout()
    await bank.disburse(payout)
    engine.dial.turn(Operation.READ, Fault.CALLBACK_HELD, 3)
    await desk.attend()
    for state in (MovementState.SUCCEEDED, MovementState.REVERSED):
        await engine.settle(payout.reference, state)
        await desk.attend()
    assert await bank.read_disbursement(payout) == Reading(Finding.PENDING)
    desk.sandbox.release()
    assert (await read_after(desk, bank, payout)).finding is Finding.REVERSED


async def test_whoever_takes_files_in_knows_what_to_read_again(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout, payment = a_payout(), a_payment()
    await bank.disburse(payout)
    (told,) = (await desk.attend()).kept
    assert [*told.payment_references, *told.end_to_end_ids] == [end_to_end_id(payout.reference)]
    desk.sandbox.expect(payment.reference, payment_reference(payment.reference), "1", "UGX")
    await engine.settle(payment.reference, MovementState.SUCCEEDED)
    (told,) = (await desk.attend()).kept
    assert [*told.payment_references, *told.end_to_end_ids] == [
        payment_reference(payment.reference)
    ]


async def test_a_buyer_s_own_words_are_understood(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payment = a_payment()
    answer = await bank.collect(payment)
    assert isinstance(answer, Accepted)
    assert answer.provider_reference is not None
    desk.sandbox.expect("x", "", "5000", "UGX")
    words = f"tickets {answer.provider_reference[:8].lower()} {answer.provider_reference[8:]}"
    engine.movements["x"].particulars["note"] = words
    await engine.settle("x", MovementState.SUCCEEDED)
    assert (await _read_payment(desk, bank, payment)).finding is Finding.SUCCEEDED


async def test_every_day_s_statement_begins_where_the_last_one_ended(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    payout, payment = a_payout(7_000), a_payment(5_000)
    await bank.disburse(payout)
    await desk.attend()
    await engine.settle(payout.reference, MovementState.SUCCEEDED)
    desk.sandbox.close_day()
    await desk.attend()
    assert await bank.read_balance("UGX") == Money(9_993_000, "UGX")
    await _paid(desk, bank, engine, payment, Fault.CALLBACK_EARLY)
    desk.sandbox.close_day()
    await desk.attend()
    assert await bank.read_balance("UGX") == Money(9_998_000, "UGX")


@pytest.mark.parametrize(
    ("amount", "destination", "code"),
    [
        (Money(5_000, "KES"), BANK.destination, NO_ACCOUNT_IN_CURRENCY),
        (Money(5_000, "UGX"), Destination("Grace", "+256 772", "CERBUGKA"), "AC03"),
        (Money(5_000, "UGX"), Destination("Grace", "3100012345"), "RC01"),
    ],
)
async def test_what_a_bank_would_refuse_is_not_sent(
    desk: BankDesk, bank: Bank, amount: Money, destination: Destination, code: str
) -> None:
    payout = replace(a_payout(), amount=amount, destination=destination)
    assert await bank.disburse(payout) == Refused(code)
    assert list((desk.folder / OUTBOX).iterdir()) == []


async def test_a_currency_without_an_account_is_not_offered(bank: Bank) -> None:
    payment = replace(a_payment(), amount=Money(5_000, "KES"))
    assert await bank.collect(payment) == Refused(NO_ACCOUNT_IN_CURRENCY)
    assert await bank.read_balance("KES") is None


async def test_nothing_is_said_of_a_payout_whose_account_is_not_configured_any_more(
    desk: BankDesk, bank: Bank
) -> None:
    """The file may have gone: who says that it did not has the money given back."""
    payout = a_payout()
    assert await bank.disburse(payout) == Accepted()
    without = Bank(BankConfiguration({}), desk.channel, desk.book, SettableClock(NOW_MS))
    unknown = Reading(Finding.UNKNOWN, reason=NO_ACCOUNT_IN_CURRENCY)
    assert await without.read_disbursement(payout) == unknown
    assert await without.disburse(payout) == Refused(NO_ACCOUNT_IN_CURRENCY)


async def test_the_control_does_what_a_day_does(desk: BankDesk, bank: Bank) -> None:
    payment = a_payment()
    answer = await bank.collect(payment)
    assert isinstance(answer, Accepted)
    app = desk.sandbox.app()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        transfer = {"amount": 5_000, "note": answer.provider_reference}
        for path, body in (("transfers", transfer), ("round", {}), ("close-day", {})):
            told = await client.post(f"/__sandbox/{path}", json=body)
            assert told.status_code == 200
    assert (await _read_payment(desk, bank, payment)).finding is Finding.SUCCEEDED


async def _paid(
    desk: BankDesk, bank: Bank, engine: Engine, payment: CollectionRequest, fault: Fault
) -> None:
    answer = await bank.collect(payment)
    assert isinstance(answer, Accepted)
    named = answer.provider_reference or ""
    desk.sandbox.expect(payment.reference, named, str(payment.amount.minor_units), "UGX")
    engine.dial.turn(Operation.READ, fault)
    await engine.settle(payment.reference, MovementState.SUCCEEDED)
    await desk.attend()


async def _read_payment(desk: BankDesk, bank: Bank, payment: CollectionRequest) -> Reading:
    await desk.attend()
    return await bank.read_collection(CollectionReference(payment.reference, None, "UGX"))


def a_refund(destination: Destination | None, amount: int = 5_000) -> RefundRequest:
    """Money back for a transfer that came."""
    payment = a_payment(amount)
    collection = CollectionReference(payment.reference, None, "UGX")
    money = Money(amount, "UGX")
    return RefundRequest(new_reference(), collection, money, money, "It rains", "", destination)


async def test_money_goes_back_to_nobody_s_account_by_itself(desk: BankDesk, bank: Bank) -> None:
    refund = a_refund(None)
    assert await bank.refund(refund) == Refused(REFUND_NEEDS_AN_ACCOUNT)
    assert (await bank.read_refund(refund)).finding is Finding.NOT_FOUND
    assert list((desk.folder / OUTBOX).iterdir()) == []


async def test_a_refund_goes_to_the_account_that_was_named_once(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    refund = a_refund(BANK.destination)
    assert (await bank.read_refund(refund)).finding is Finding.NOT_FOUND
    assert [await bank.refund(refund) for _ in range(2)] == [Accepted(), Accepted()]
    (path,) = (desk.folder / OUTBOX).iterdir()
    order = path.read_text()
    assert (path.stem, "310001234567" in order) == (end_to_end_id(refund.reference), True)
    # What an organizer wrote about it is for no bank to read.
    assert refund.reason not in order
    assert (await bank.read_refund(refund)).finding is Finding.PENDING
    await desk.attend()
    assert [await bank.refund(refund), list(engine.movements)] == [Accepted(), [refund.reference]]
    await engine.settle(refund.reference, MovementState.SUCCEEDED)
    await desk.attend()
    reading = await bank.read_refund(refund)
    assert (reading.finding, reading.amount) == (Finding.SUCCEEDED, refund.amount)


async def test_a_refund_that_its_bank_refuses_wants_another_account(
    desk: BankDesk, bank: Bank, engine: Engine
) -> None:
    refund = a_refund(BANK.destination)
    await bank.refund(refund)
    await desk.attend()
    await engine.settle(refund.reference, MovementState.FAILED, "AC04")
    await desk.attend()
    reading = await bank.read_refund(refund)
    assert (reading.finding, bank.wants_account(reading.reason or "")) == (Finding.FAILED, True)
    assert bank.wants_account(REFUND_NEEDS_AN_ACCOUNT)
    assert not bank.wants_account("AM04")


async def test_a_refund_that_came_back_is_seen(desk: BankDesk, bank: Bank, engine: Engine) -> None:
    refund = a_refund(BANK.destination)
    await bank.refund(refund)
    await desk.attend()
    for state in (MovementState.SUCCEEDED, MovementState.REVERSED):
        await engine.settle(refund.reference, state)
        await desk.attend()
    assert (await bank.read_refund(refund)).finding is Finding.REVERSED


@pytest.mark.parametrize(
    ("destination", "fault"),
    [
        (Destination("Grace", "+256 772", "CERBUGKA"), "AC03"),
        (Destination("Grace", "3100012345", "no bank!"), "RC01"),
        (BANK.destination, None),
    ],
)
async def test_an_account_is_looked_at_before_it_is_kept(
    bank: Bank, destination: Destination, fault: str | None
) -> None:
    assert bank.account_fault(destination) == fault
    answer = await bank.refund(a_refund(destination))
    assert answer == (Accepted() if fault is None else Refused(fault))
