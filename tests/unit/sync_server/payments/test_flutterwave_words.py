"""What Flutterwave's documented answers mean to us."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from shared.money import Money
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionReference,
    CollectionRequest,
    Notice,
    Payer,
    RefundRequest,
    Refused,
    Unknown,
)
from sync_server.payments.providers.calls import Reply, Silence
from sync_server.payments.providers.flutterwave import (
    FlutterwaveConfiguration,
    dispute_finding,
    is_authentic,
    page_answer,
    payment_document,
    reading_of,
    refund_answer,
    refund_reading,
)
from sync_server.payments.rules import Finding, Reading

REFERENCE = "9f4b8a3e-6a6e-4d2b-8f3c-0d2a7a0f6b11"
OURS = "3c1e7d52-94ab-4f0e-a6d8-51f2b7c0e9a4"
ANOTHERS = "b8a0c4f6-2d1e-4937-8c5b-e7f6a1d20935"
# The example of the documentation, in shillings.
TRANSACTION: dict[str, Any] = {
    "id": 288200108,
    "tx_ref": REFERENCE,
    "flw_ref": "YemiDesola/FLW275407301",
    "amount": 100,
    "currency": "UGX",
    "charged_amount": 100,
    "app_fee": Decimal("1.4"),
    "merchant_fee": 0,
    "processor_response": "Approved by Financial Institution",
    "auth_model": "PIN",
    "status": "successful",
    "payment_type": "card",
    "amount_settled": Decimal("98.6"),
}
_GONE = {"status": "error", "message": "No transaction was found for this id", "data": None}
_GIVEN_UP = {
    "status": "error",
    "message": "An error occurred. Please contact support",
    "data": None,
}


def _success(data: object, **more: object) -> dict[str, Any]:
    return {"status": "success", "message": "Fetched", "data": data, **more}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Reply(200, _success(TRANSACTION)), Finding.SUCCEEDED),
        (Reply(200, _success(TRANSACTION | {"status": "SUCCESSFUL"})), Finding.SUCCEEDED),
        (Reply(200, _success(TRANSACTION | {"status": "failed"})), Finding.FAILED),
        (Reply(200, _success(TRANSACTION | {"status": "pending"})), Finding.PENDING),
        (Reply(200, _success(TRANSACTION | {"status": "odd"})), Finding.UNKNOWN),
        (Reply(200, _success(TRANSACTION | {"status": 1})), Finding.UNKNOWN),
        (Reply(200, _success(None)), Finding.UNKNOWN),
        (Reply(400, _GONE), Finding.NOT_FOUND),
        (Reply(200, _GONE), Finding.NOT_FOUND),
        (Reply(503, _GIVEN_UP), Finding.UNKNOWN),
        (Reply(503, _GONE), Finding.UNKNOWN),
        (Reply(401, {"status": "error", "message": "Invalid key"}), Finding.UNKNOWN),
        (Reply(200, None), Finding.UNKNOWN),
        (Reply(200, [1]), Finding.UNKNOWN),
        (Silence("ReadTimeout"), Finding.UNKNOWN),
    ],
)
def test_what_a_verification_says(answer: Reply | Silence, expected: Finding) -> None:
    assert reading_of(answer).finding is expected


def test_a_success_names_what_was_paid_and_its_fee() -> None:
    assert reading_of(Reply(200, _success(TRANSACTION))) == Reading(
        Finding.SUCCEEDED,
        REFERENCE,
        Money(100, "UGX"),
        "288200108",
        fee=Money(1, "UGX"),
    )


def test_why_it_failed_names_nobody() -> None:
    failed = {"status": "failed", "processor_response": "Declined: grace@example.org"}
    assert reading_of(Reply(200, _success(TRANSACTION | failed))).reason == "Declined:"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            Reply(200, _success({"link": "https://pay.example.org"})),
            Accepted(None, "https://pay.example.org"),
        ),
        (Reply(200, _success({"link": "javascript:alert(1)"})), Unknown("no page")),
        (Reply(200, _success({})), Unknown("no page")),
        (Reply(200, _success(None)), Unknown("no page")),
        (
            Reply(200, {"status": "error", "message": "customer email is required"}),
            Refused("customer email is required"),
        ),
        (
            Reply(400, {"status": "error", "message": "grace@example.org is no address"}),
            Refused("is no address"),
        ),
        (Reply(400, {"status": "error", "message": None}), Refused("HTTP 400")),
        (Reply(503, _GIVEN_UP), Unknown("HTTP 503")),
        (Reply(429, _GIVEN_UP), Unknown("HTTP 429")),
        (Reply(200, None), Unknown("HTTP 200")),
        (Silence("ConnectError"), Unknown("ConnectError")),
    ],
)
def test_what_a_payment_is_answered_with(answer: Reply | Silence, expected: Answer) -> None:
    assert page_answer(answer) == expected


def test_what_a_refund_is_answered_with() -> None:
    refused = {"status": "error", "message": "Refund amount cannot be more"}
    answers = [
        refund_answer(Reply(200, _success({"id": 8612, "status": "completed"}))),
        refund_answer(Reply(400, refused)),
        refund_answer(Reply(503, _GIVEN_UP)),
    ]
    assert answers == [
        Accepted("8612"),
        Refused("Refund amount cannot be more"),
        Unknown("HTTP 503"),
    ]


_REFUND = RefundRequest(
    OURS,
    CollectionReference(REFERENCE, "5708", "UGX"),
    Money(40, "UGX"),
    Money(100, "UGX"),
    "Event moved",
    "",
)


def _refund(comments: str, status: str = "completed", transaction: object = 5708) -> dict[str, Any]:
    return {
        "id": 8612,
        "tx_id": transaction,
        "amount_refunded": 40,
        "status": status,
        "comments": comments,
    }


def _pages(current: int, total: int) -> dict[str, Any]:
    return {"page_info": {"total": 11, "current_page": current, "total_pages": total}}


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ([_refund(OURS)], Finding.SUCCEEDED),
        ([_refund(OURS, "completed-mpgs")], Finding.SUCCEEDED),
        ([_refund(OURS, "pending-momo")], Finding.PENDING),
        ([_refund(OURS, "new")], Finding.PENDING),
        ([_refund(OURS, "failed")], Finding.FAILED),
        ([_refund(OURS, "odd")], Finding.UNKNOWN),
        ([_refund(ANOTHERS), _refund(OURS, "failed")], Finding.FAILED),
        ([_refund(OURS, transaction="5708")], Finding.SUCCEEDED),
        ([_refund(OURS, transaction=1)], Finding.NOT_FOUND),
        ([_refund(ANOTHERS)], Finding.NOT_FOUND),
        ([], Finding.NOT_FOUND),
        # Whether it is ours cannot be told: it is not asked for again.
        ([{"id": 1, "tx_id": 5708, "status": "completed"}], Finding.UNKNOWN),
        ([{**_refund(OURS), "comments": None}], Finding.UNKNOWN),
        ([_refund("")], Finding.UNKNOWN),
        ([_refund(OURS[:20])], Finding.UNKNOWN),
        ([_refund(OURS.upper())], Finding.UNKNOWN),
        ([_refund("by hand"), _refund(OURS)], Finding.SUCCEEDED),
        ([_refund("by hand", transaction=1)], Finding.NOT_FOUND),
    ],
)
def test_what_the_last_page_of_refunds_says(items: list[dict[str, Any]], expected: Finding) -> None:
    answer = Reply(200, _success(items, meta=_pages(2, 2)))
    reading = refund_reading(answer, _REFUND, "5708")
    assert reading is not None
    assert reading.finding is expected


def test_the_next_page_may_say_more() -> None:
    answer = Reply(200, _success([_refund(ANOTHERS)], meta=_pages(1, 2)))
    assert refund_reading(answer, _REFUND, "5708") is None


@pytest.mark.parametrize(
    "answer",
    [
        Silence("ReadTimeout"),
        Reply(503, _GIVEN_UP),
        Reply(200, []),
        # There may be more pages.
        Reply(200, _success([])),
        Reply(200, _success([_refund(ANOTHERS)], meta={"page_info": {"current_page": 1}})),
    ],
)
def test_refunds_that_are_not_told(answer: Reply | Silence) -> None:
    reading = refund_reading(answer, _REFUND, "5708")
    assert reading is not None
    assert reading.finding is Finding.UNKNOWN


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([], Finding.SUCCEEDED),
        (["won"], Finding.SUCCEEDED),
        (["initiated"], Finding.DISPUTED),
        (["declined"], Finding.DISPUTED),
        (["odd"], Finding.DISPUTED),
        (["won", "pending"], Finding.DISPUTED),
        (["lost"], Finding.REVERSED),
        (["accepted"], Finding.REVERSED),
        (["won", "LOST", "initiated"], Finding.REVERSED),
    ],
)
def test_what_chargebacks_say(statuses: list[str], expected: Finding) -> None:
    items = [{"id": number, "status": status} for number, status in enumerate(statuses)]
    assert dispute_finding(Reply(200, _success(items))) is expected


@pytest.mark.parametrize(
    "answer", [Silence("ReadTimeout"), Reply(503, _GIVEN_UP), Reply(200, None)]
)
def test_chargebacks_that_are_not_told(answer: Reply | Silence) -> None:
    assert dispute_finding(answer) is Finding.UNKNOWN


# Computed with OpenSSL over this body and secret.
_BODY = b'{"event":"charge.completed","data":{"id":1}}'
_SIGNATURE = "jnaYhnOXPgMAl9Byu03LOw6ZpKdokAvPFf4mUt1VOKg="


@pytest.mark.parametrize(
    ("headers", "secret", "expected"),
    [
        ({"verif-hash": "my-secret-hash"}, "my-secret-hash", True),
        ({"Verif-Hash": "my-secret-hash"}, "my-secret-hash", True),
        ({"flutterwave-signature": _SIGNATURE}, "my-secret-hash", True),
        ({"verif-hash": "guessed", "flutterwave-signature": _SIGNATURE}, "my-secret-hash", True),
        ({"verif-hash": "guessed"}, "my-secret-hash", False),
        ({"verif-hash": ""}, "my-secret-hash", False),
        ({"flutterwave-signature": _SIGNATURE}, "another", False),
        ({"flutterwave-signature": "é"}, "my-secret-hash", False),
        ({}, "my-secret-hash", False),
        ({"verif-hash": ""}, "", False),
        ({}, "", False),
    ],
)
def test_who_sent_a_webhook(headers: dict[str, str], secret: str, *, expected: bool) -> None:
    assert is_authentic(Notice("POST", headers, {}, _BODY), secret) is expected


_REQUEST = CollectionRequest(
    reference=REFERENCE,
    order_number="ORD-1",
    amount=Money(5_000, "UGX"),
    description="Tickets",
    payer=Payer("Grace", "grace@example.org", "+256772123456"),
    callback_url="https://gate.example.org/api/public/payments/flutterwave",
    return_url="https://gate.example.org/orders/1",
    expires_at=datetime(2026, 11, 26, tzinfo=UTC),
)


def test_a_payment_as_it_is_written() -> None:
    assert payment_document(replace(_REQUEST, description=""), 10) == {
        "tx_ref": REFERENCE,
        "currency": "UGX",
        "redirect_url": "https://gate.example.org/orders/1",
        "session_duration": 10,
        "max_retry_attempt": 3,
        "customer": {
            "email": "grace@example.org",
            "name": "Grace",
            "phonenumber": "+256772123456",
        },
    }


def test_secrets_do_not_show() -> None:
    shown = repr(FlutterwaveConfiguration("https://example.org", "a-key", "a-secret"))
    assert [secret for secret in ("a-key", "a-secret") if secret in shown] == []
