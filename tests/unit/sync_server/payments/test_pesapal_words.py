"""What Pesapal's documented answers mean to us."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.money import Money
from sync_server.payments.ports import (
    Accepted,
    Answer,
    CollectionRequest,
    Payer,
    Refused,
    Unknown,
)
from sync_server.payments.providers.calls import FreshToken, Reply, Silence, token_answer
from sync_server.payments.providers.pesapal import (
    PesapalConfiguration,
    done_answer,
    order_answer,
    order_document,
    reading_of,
    refund_refusal,
    token_of,
)
from sync_server.payments.rules import Finding, Reading

REFERENCE = "1515111111"
TRACKING_ID = "b945e4af-80a5-4ec1-8706-e03f8332fb04"
# The example of the documentation, of a card that was refused.
STATUS: dict[str, Any] = {
    "payment_method": "Visa",
    "amount": 100,
    "created_date": "2022-04-30T07:41:09.763",
    "confirmation_code": "6513008693186320103009",
    "payment_status_description": "Failed",
    "description": "Unable to Authorize Transaction.Kindly contact your bank for assistance",
    "message": "Request processed successfully",
    "payment_account": "476173**0010",
    "status_code": 2,
    "merchant_reference": REFERENCE,
    "payment_status_code": "",
    "currency": "KES",
    "error": {"error_type": None, "code": None, "message": None, "call_back_url": None},
    "status": "200",
}
ORDER = {
    "order_tracking_id": TRACKING_ID,
    "merchant_reference": REFERENCE,
    "redirect_url": f"https://cybqa.pesapal.com/pesapaliframe/?OrderTrackingId={TRACKING_ID}",
    "error": None,
    "status": "200",
}


def _error(code: str, message: str = "") -> dict[str, Any]:
    return {
        "error": {"error_type": "api_error", "code": code, "message": message},
        "status": "500",
    }


_UNPAID = {**_error("payment_details_not_found", "Pending Payment"), "status_code": 0}


@pytest.mark.parametrize(
    ("status", "changes", "expected"),
    [
        (200, {"status_code": 1}, Finding.SUCCEEDED),
        (200, {"status_code": 2}, Finding.FAILED),
        (200, {"status_code": 3}, Finding.REVERSED),
        (200, {"status_code": 0}, Finding.PENDING),
        (200, {"status_code": 4}, Finding.UNKNOWN),
        (200, {"status_code": "1"}, Finding.UNKNOWN),
        (200, {"status_code": True}, Finding.UNKNOWN),
        (200, {"status_code": []}, Finding.UNKNOWN),
        (500, {"status_code": 1}, Finding.UNKNOWN),
        (200, _UNPAID, Finding.PENDING),
        (404, _UNPAID, Finding.PENDING),
        (500, _UNPAID, Finding.PENDING),
    ],
)
def test_what_a_status_says(status: int, changes: dict[str, Any], expected: Finding) -> None:
    reading = reading_of(Reply(status, STATUS | changes), REFERENCE, TRACKING_ID)
    assert reading.finding is expected
    assert reading.may_be_refund is (expected is Finding.REVERSED)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Reply(200, None), "HTTP 200"),
        (Reply(502, None), "HTTP 502"),
        (Reply(200, []), "HTTP 200"),
        (Reply(500, _error("internal_error")), "internal_error"),
        (Silence("ReadTimeout"), "ReadTimeout"),
    ],
)
def test_what_is_no_status_says_nothing(answer: Reply | Silence, reason: str) -> None:
    reading = reading_of(answer, REFERENCE, TRACKING_ID)
    assert reading == Reading(Finding.UNKNOWN, reason=reason)


def test_a_success_names_what_was_paid() -> None:
    paid = STATUS | {"status_code": 1, "payment_status_description": "COMPLETED"}
    assert reading_of(Reply(200, paid), REFERENCE, TRACKING_ID) == Reading(
        Finding.SUCCEEDED, REFERENCE, Money(10_000, "KES"), TRACKING_ID
    )


def test_of_another_order_no_id_is_kept() -> None:
    reading = reading_of(Reply(200, STATUS | {"status_code": 1}), "another", TRACKING_ID)
    assert (reading.reference, reading.provider_reference) == (REFERENCE, None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {},
            "Unable to Authorize Transaction.Kindly contact your bank for assistance",
        ),
        ({"payment_status_code": "request_terminated_by_user"}, "request_terminated_by_user"),
        ({"description": "Declined for grace@example.org 0772123456"}, "Declined for"),
        ({"description": None}, None),
    ],
)
def test_why_it_failed(changes: dict[str, Any], reason: str | None) -> None:
    reading = reading_of(Reply(200, STATUS | changes), REFERENCE, TRACKING_ID)
    assert reading.reason == reason


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Reply(200, ORDER), Accepted(TRACKING_ID, ORDER["redirect_url"])),
        (Reply(200, ORDER | {"status": 200}), Accepted(TRACKING_ID, ORDER["redirect_url"])),
        (Reply(200, ORDER | {"redirect_url": ""}), Unknown("no page")),
        (Reply(200, ORDER | {"order_tracking_id": None}), Unknown("no page")),
        (Reply(200, ORDER | {"merchant_reference": "another"}), Unknown("no page")),
        (
            Reply(200, _error("maximum_amount_limit_exceeded")),
            Refused("maximum_amount_limit_exceeded"),
        ),
        (
            Reply(200, _error("", "Request Declined.Maximum allowed limit exceeded")),
            Refused("Request Declined.Maximum allowed limit exceeded"),
        ),
        (Reply(200, _error("")), Refused("HTTP 200")),
        (Reply(200, ORDER | {"status": "500"}), Refused("HTTP 200")),
        (
            Reply(400, _error("invalid_api_request_parameters")),
            Refused("invalid_api_request_parameters"),
        ),
        (Reply(500, _error("internal_error")), Unknown("HTTP 500")),
        (Reply(429, None), Unknown("HTTP 429")),
        (Reply(200, None), Unknown("HTTP 200")),
        (Silence("ConnectError"), Unknown("ConnectError")),
    ],
)
def test_what_an_order_is_answered_with(answer: Reply | Silence, expected: Answer) -> None:
    assert order_answer(answer, REFERENCE) == expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"status": "200", "message": "Refund request successfully"}, Accepted()),
        ({"status": "200", "message": "Order successfully cancelled."}, Accepted()),
        ({"status": "500", "message": "Order cannot be cancelled."}, Refused("HTTP 200")),
    ],
)
def test_what_a_refund_or_a_cancellation_is_answered_with(
    document: dict[str, Any], expected: Answer
) -> None:
    assert done_answer(Reply(200, document)) == expected


@pytest.mark.parametrize(
    ("changes", "is_whole", "expected"),
    [
        ({"status_code": 1}, True, None),
        ({"status_code": 1}, False, None),
        ({"status_code": 1, "payment_method": "MasterCard"}, False, None),
        ({"status_code": 1, "payment_method": "MTN UG"}, True, None),
        (
            {"status_code": 1, "payment_method": "MpesaKE"},
            False,
            Refused("mobile_payments_are_refunded_whole"),
        ),
        ({"status_code": 1, "confirmation_code": ""}, True, Refused("not_completed")),
        ({"status_code": 2}, True, Refused("not_completed")),
        ({"status_code": 3}, True, Refused("not_completed")),
        (_UNPAID, True, Refused("not_completed")),
        ({"status_code": None}, True, Unknown("HTTP 200")),
    ],
)
def test_what_may_be_refunded(
    changes: dict[str, Any], *, is_whole: bool, expected: Answer | None
) -> None:
    assert refund_refusal(Reply(200, STATUS | changes), is_whole=is_whole) == expected


@pytest.mark.parametrize(
    ("answer", "token", "said"),
    [
        (
            Reply(200, {"token": "jwt", "expiryDate": "2021-08-26T12:29:30.5177702Z"}),
            FreshToken("jwt", 300),
            Accepted(),
        ),
        (
            Reply(200, {**_error("invalid_consumer_key_or_secret_provided"), "token": None}),
            None,
            Refused("invalid_consumer_key_or_secret_provided"),
        ),
        (Reply(200, _error("consumer_key_unknown")), None, Refused("consumer_key_unknown")),
        (Reply(401, {}), None, Refused("HTTP 401")),
        (Reply(200, None), None, Unknown("HTTP 200")),
        (Reply(503, {}), None, Unknown("HTTP 503")),
        (Silence("ConnectError"), None, Unknown("ConnectError")),
    ],
)
def test_what_a_token_is_answered_with(
    answer: Reply | Silence, token: FreshToken | None, said: Answer
) -> None:
    assert (token_of(answer), token_answer(answer, token_of)) == (token, said)


_REQUEST = CollectionRequest(
    reference=REFERENCE,
    order_number="ORD-1",
    amount=Money(5_000, "UGX"),
    description="Tickets for l'été",
    payer=Payer("Grace Achieng Nakato", "grace@example.org", "+256772123456"),
    callback_url="https://gate.example.org/api/public/payments/pesapal",
    return_url="https://gate.example.org/orders/1",
    expires_at=datetime(2026, 11, 26, tzinfo=UTC),
)


def test_an_order_as_it_is_written() -> None:
    assert order_document(_REQUEST, "an-ipn-id") == {
        "id": REFERENCE,
        "currency": "UGX",
        "description": "Tickets for l ete",
        "callback_url": "https://gate.example.org/orders/1",
        "notification_id": "an-ipn-id",
        "billing_address": {
            "email_address": "grace@example.org",
            "phone_number": "+256772123456",
            "country_code": "",
            "first_name": "Grace",
            "middle_name": "",
            "last_name": "Achieng Nakato",
            "line_1": "",
            "line_2": "",
            "city": "",
            "state": "",
            "postal_code": "",
            "zip_code": "",
        },
    }


def test_absent_members_are_empty_and_long_texts_cut() -> None:
    wanted = replace(_REQUEST, payer=Payer(), description="x" * 200)
    written = json.dumps(order_document(wanted, ""))
    assert ("null" in written, "x" * 100 in written, "x" * 101 in written) == (False, True, False)


def test_secrets_do_not_show() -> None:
    shown = repr(PesapalConfiguration("https://example.org", "a-key", "a-secret"))
    assert [secret for secret in ("a-key", "a-secret") if secret in shown] == []
