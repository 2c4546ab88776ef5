import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.ports import Accepted, Refused, Unknown
from sync_server.payments.providers.airtel import reference_of, transaction_id
from sync_server.payments.providers.airtel_codes import (
    amount_of,
    answer_of,
    reading_of,
    refund_answer_of,
)
from sync_server.payments.providers.calls import Reply, Silence
from sync_server.payments.rules import Expected, Finding, PaymentState, next_state

REFERENCE = "ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611"


def said(
    code: str, *, success: bool = False, status: int = 200, data: dict[str, Any] | None = None
) -> Reply:
    bus = "ESB000010" if not code.startswith("ESB") else code
    response = "" if code.startswith("ESB") else code
    words = {"response_code": response, "result_code": bus, "success": success}
    return Reply(status, {"data": {"transaction": data or {}}, "status": words})


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said("DP00800001006", success=True), Accepted()),
        (said("DP00900001001", success=True), Accepted()),
        (said("ESB000041"), Accepted()),
        (said("DP00900001017"), Accepted()),
        (said("DP00800001005"), Refused("DP00800001005")),
        (said("DP00800001005", status=400), Refused("DP00800001005")),
        (said("DP00900001007", status=500), Refused("DP00900001007")),
        (said("ESB000036", status=400), Refused("ESB000036")),
        (Reply(400, {"status_code": "ROUTER115"}), Refused("ROUTER115")),
        (Reply(400, {"status_code": "ROUTER117"}), Unknown("ROUTER117")),
        (said("DP00800001000"), Unknown("DP00800001000")),
        (said("DP00800001024"), Unknown("DP00800001024")),
        (said("DP00900001011"), Unknown("DP00900001011")),
        (said("DP00900001014", status=500), Unknown("DP00900001014")),
        (said("ESB000001"), Unknown("ESB000001")),
        (said("DP00800009999"), Unknown("DP00800009999")),
        (said("ESB000010"), Unknown("HTTP 200")),
        (Reply(503, None), Unknown("HTTP 503")),
        (Reply(408, None), Unknown("HTTP 408")),
        (Reply(401, {"error": "invalid_token"}), Unknown("HTTP 401")),
        (Silence("ReadTimeout"), Unknown("ReadTimeout")),
    ],
)
def test_only_a_code_that_decides_decides(
    answer: Reply | Silence, expected: Accepted | Refused | Unknown
) -> None:
    assert answer_of(answer) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (said("", data={"airtel_money_id": "CI2", "status": "SUCCESS"}), Accepted("CI2")),
        (said("DP00800001008"), Refused("DP00800001008")),
        (said("", success=True), Unknown("HTTP 200")),
        (Silence("ReadTimeout"), Unknown("ReadTimeout")),
    ],
)
def test_a_refund_that_worked_says_that_it_did_not(
    answer: Reply | Silence, expected: Accepted | Refused | Unknown
) -> None:
    assert refund_answer_of(answer) == expected


@pytest.mark.parametrize(
    ("state", "finding"),
    [
        ("TS", Finding.SUCCEEDED),
        ("TF", Finding.FAILED),
        ("TE", Finding.EXPIRED),
        ("TIP", Finding.PENDING),
        ("TI", Finding.PENDING),
        ("TA", Finding.UNKNOWN),
        ("", Finding.UNKNOWN),
        ("SUCCESS", Finding.UNKNOWN),
    ],
)
@pytest.mark.parametrize("code", ["DP00800001006", "DP00800001001", "DP00800001008"])
def test_the_state_decides_whatever_code_stands_beside_it(
    state: str, finding: Finding, code: str
) -> None:
    answer = Reply(200, {"data": {"transaction": {"status": state}}, "status": {"code": code}})
    assert reading_of(answer, REFERENCE).finding is finding


@pytest.mark.parametrize(
    ("answer", "finding"),
    [
        (said("DP00800001025", status=404), Finding.NOT_FOUND),
        (said("DP00900001015"), Finding.NOT_FOUND),
        (said("ESB000045"), Finding.NOT_FOUND),
        # A proxy's page is no word of Airtel's, nor is what a gateway says of a path.
        (Reply(404, None), Finding.UNKNOWN),
        (Reply(404, {"status_code": "ROUTER005"}), Finding.UNKNOWN),
        (Reply(502, None), Finding.UNKNOWN),
        (Silence("ReadTimeout"), Finding.UNKNOWN),
    ],
)
def test_what_is_not_there_is_said_by_airtel_itself(
    answer: Reply | Silence, finding: Finding
) -> None:
    assert reading_of(answer, REFERENCE).finding is finding


@pytest.mark.parametrize(
    ("message", "state"),
    [
        ("Paid UGX 5,000 to ZERAKET Charge UGX 140, Trans ID MP1.", PaymentState.SUCCEEDED),
        ("PAID UGX 5,000.00 to ZERAKET", PaymentState.SUCCEEDED),
        ("Success", PaymentState.SUCCEEDED),
        ("Paid UGX 4,999 to ZERAKET Charge UGX 5,000", PaymentState.MISMATCHED),
        ("Paid KES 5,000 to ZERAKET", PaymentState.MISMATCHED),
    ],
)
def test_an_amount_that_is_told_must_fit(message: str, state: PaymentState) -> None:
    answer = Reply(200, {"data": {"transaction": {"status": "TS", "message": message}}})
    reading = reading_of(answer, REFERENCE)
    expected = Expected(REFERENCE, Money(5_000, "UGX"))
    assert next_state(PaymentState.PENDING, reading, expected) is state


def test_only_a_success_stands_for_what_was_asked() -> None:
    answer = Reply(200, {"data": {"transaction": {"status": "TIP"}}})
    assert not reading_of(answer, REFERENCE).is_as_asked


@given(st.integers(1, 10**12))
def test_amounts_are_read_out_of_a_sentence(amount: int) -> None:
    assert amount_of(f"Paid UGX {amount:,} to A Charge UGX 140") == Money(amount, "UGX")


@given(st.text())
def test_any_sentence_is_read_without_harm(text: str) -> None:
    assert amount_of(json.dumps(text)) is None or "paid" in text.lower()


@given(st.uuids(version=4))
def test_our_reference_is_given_back(reference: UUID) -> None:
    theirs = transaction_id(str(reference))
    assert (theirs.isalnum(), 4 <= len(theirs) <= 64) == (True, True)
    assert reference_of(theirs) == str(reference)


def test_what_is_none_of_ours_stays_as_it_is() -> None:
    assert reference_of("BBZMiscxy") == "BBZMiscxy"
