from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.providers.bank.readings import (
    TransferNames,
    collection_reading,
    disbursement_reading,
)
from sync_server.payments.providers.bank.references import payment_reference
from sync_server.payments.providers.bank.reports import TransferStatus
from sync_server.payments.providers.bank.statements import BankMovement, Side
from sync_server.payments.rules import Expected, Finding, PaymentState, Reading, next_state

OURS = "ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611"
NAMED = payment_reference(OURS)
NAMES = TransferNames("MSG1", "MSG1-EFT", "E2E1")
CAME = BankMovement(
    key="1",
    account="9",
    amount=Money(5_000, "UGX"),
    side=Side.CREDIT,
    is_return=False,
    booked_on=date(2026, 11, 26),
    bank_reference="SB1",
    end_to_end_id="",
    payment_reference=NAMED,
    return_reason="",
    charges=None,
)
TAKEN_BACK = replace(CAME, key="2", side=Side.DEBIT, is_return=True)
LEFT = replace(CAME, side=Side.DEBIT, end_to_end_id="E2E1", payment_reference="")
RETURNED = replace(LEFT, key="2", side=Side.CREDIT, is_return=True, return_reason="AC04")
EXPECTED = Expected(OURS, Money(5_000, "UGX"))


def collected(*movements: BankMovement) -> Reading:
    return collection_reading(OURS, NAMED, "UGX", movements)


def of(movement: BankMovement, amount: int, currency: str = "UGX") -> BankMovement:
    return replace(movement, amount=Money(amount, currency))


@pytest.mark.parametrize(
    ("movements", "finding", "state"),
    [
        ([], Finding.PENDING, PaymentState.PENDING),
        ([CAME], Finding.SUCCEEDED, PaymentState.SUCCEEDED),
        ([of(CAME, 2_000), of(CAME, 3_000)], Finding.SUCCEEDED, PaymentState.SUCCEEDED),
        ([of(CAME, 4_999)], Finding.SUCCEEDED, PaymentState.MISMATCHED),
        ([CAME, CAME], Finding.SUCCEEDED, PaymentState.MISMATCHED),
        ([of(CAME, 5_000, "KES")], Finding.SUCCEEDED, PaymentState.MISMATCHED),
        ([CAME, of(CAME, 1, "KES")], Finding.SUCCEEDED, PaymentState.MISMATCHED),
        ([CAME, TAKEN_BACK], Finding.REVERSED, PaymentState.FAILED),
        ([CAME, CAME, TAKEN_BACK], Finding.SUCCEEDED, PaymentState.SUCCEEDED),
        ([CAME, of(TAKEN_BACK, 1_000)], Finding.SUCCEEDED, PaymentState.MISMATCHED),
        ([TAKEN_BACK], Finding.PENDING, PaymentState.PENDING),
        ([replace(CAME, payment_reference="")], Finding.PENDING, PaymentState.PENDING),
        ([replace(CAME, payment_reference="RF")], Finding.PENDING, PaymentState.PENDING),
    ],
)
def test_what_came_under_a_reference(
    movements: list[BankMovement], finding: Finding, state: PaymentState
) -> None:
    reading = collected(*movements)
    assert reading.finding is finding
    assert next_state(PaymentState.PENDING, reading, EXPECTED) is state


def test_money_that_is_taken_back_after_it_came_is_reversed() -> None:
    reading = collected(CAME, TAKEN_BACK)
    assert next_state(PaymentState.SUCCEEDED, reading, EXPECTED) is PaymentState.REVERSED


@given(st.lists(st.integers(1, 10**9), min_size=1), st.randoms(use_true_random=False))
def test_the_order_in_which_money_came_is_of_no_matter(amounts: list[int], order: object) -> None:
    came = [of(CAME, amount) for amount in amounts]
    shuffled = sorted(came, key=lambda _each: order.random())  # type: ignore[attr-defined]
    assert collected(*came) == collected(*shuffled)
    assert collected(*came).amount == Money(sum(amounts), "UGX")


def status(code: str, *reasons: str, **names: str) -> TransferStatus:
    standard = {
        "report_id": "R1",
        "message_id": "MSG1",
        "payment_id": "MSG1-EFT",
        "end_to_end_id": "E2E1",
    }
    return TransferStatus(
        **{**standard, **names}, status=code, reasons=reasons, bank_reference="SB7"
    )


ACCEPTED, REJECTED = status("ACTC"), status("RJCT", "AC01")
DUPLICATE = status("RJCT", "AM05")


@pytest.mark.parametrize(
    ("statuses", "movements", "expected"),
    [
        ([], [], None),
        ([ACCEPTED], [], (Finding.PENDING, "ACTC")),
        # Settled on paper is not booked.
        ([status("ACSC")], [], (Finding.PENDING, "ACSC")),
        ([REJECTED], [], (Finding.FAILED, "AC01")),
        ([status("RJCT")], [], (Finding.FAILED, "RJCT")),
        # In whatever order reports come.
        ([REJECTED, ACCEPTED], [], (Finding.FAILED, "AC01")),
        ([ACCEPTED, REJECTED], [], (Finding.FAILED, "AC01")),
        # A duplicate is one that the bank has.
        ([DUPLICATE], [], (Finding.PENDING, "AM05")),
        ([ACCEPTED, DUPLICATE], [], (Finding.PENDING, "AM05")),
        ([DUPLICATE, REJECTED], [], (Finding.FAILED, "AC01")),
        ([ACCEPTED], [LEFT], (Finding.SUCCEEDED, None)),
        ([REJECTED], [LEFT], (Finding.SUCCEEDED, None)),
        ([], [LEFT, RETURNED], (Finding.REVERSED, "AC04")),
        ([], [RETURNED, LEFT], (Finding.REVERSED, "AC04")),
        ([], [replace(LEFT, end_to_end_id="OTHER")], None),
        # Of the whole file, or of all that go one way.
        ([status("RJCT", "FF01", payment_id="", end_to_end_id="")], [], (Finding.FAILED, "FF01")),
        ([status("RJCT", "FF01", end_to_end_id="")], [], (Finding.FAILED, "FF01")),
        ([status("RJCT", payment_id="MSG1-RTGS", end_to_end_id="")], [], None),
        ([status("RJCT", message_id="OTHER", payment_id="", end_to_end_id="")], [], None),
        ([status("RJCT", message_id="", payment_id="", end_to_end_id="")], [], None),
        ([status("RJCT", end_to_end_id="OTHER")], [], None),
    ],
)
def test_what_became_of_a_transfer(
    statuses: list[TransferStatus],
    movements: list[BankMovement],
    expected: tuple[Finding, str | None] | None,
) -> None:
    reading = disbursement_reading(OURS, NAMES, statuses, movements)
    assert (reading and (reading.finding, reading.reason)) == expected


def test_what_left_is_told_with_its_charges() -> None:
    left = replace(LEFT, charges=Money(3_000, "UGX"))
    reading = disbursement_reading(OURS, NAMES, [], [left])
    assert reading is not None
    assert (reading.amount, reading.fee) == (Money(5_000, "UGX"), Money(3_000, "UGX"))
    assert reading.provider_reference == "SB1"
