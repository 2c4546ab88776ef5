"""Whatever a provider, or whoever writes in its name, sends: it is read or it is not, and nothing
is raised.
"""

import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import SettableClock
from shared.money import Money
from sync_server.payments.ports import CollectionReference, Notice, RefundRequest
from sync_server.payments.providers import flutterwave, mtn, pesapal
from sync_server.payments.providers.calls import Line, Reply, parse_object
from sync_server.payments.rules import Expected, Finding, PaymentState, next_state

_EXPECTED = Expected("ours", Money(5_000, "UGX"))
_NAMES = st.sampled_from(
    [
        *("status", "status_code", "error", "code", "message", "data", "meta", "page_info"),
        *("amount", "currency", "app_fee", "id", "tx_ref", "tx_id", "comments", "link"),
        *("merchant_reference", "order_tracking_id", "redirect_url", "event", "reason"),
        *("amount_refunded", "total_pages", "current_page", "payment_method", "token"),
        *("OrderTrackingId", "OrderMerchantReference", "confirmation_code", "description"),
    ]
)
_WORDS = st.sampled_from(
    ["success", "error", "successful", "200", "500", "UGX", "ours", "1e999999999", "won", "PENDING"]
)
_NUMBERS = st.sampled_from([0, 1, 2, 3, 4, -1, 5_000, 10**30, 10**4_000, True, 1e300, 0.1])
_LEAVES = st.none() | _WORDS | _NUMBERS | st.text(max_size=8)
_DOCUMENTS = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=6),
    max_leaves=20,
)
_STATUSES = st.sampled_from([200, 202, 400, 401, 404, 409, 429, 500, 503])
_REFUND = RefundRequest(
    "R1", CollectionReference("ours", "1", "UGX"), _EXPECTED.amount, _EXPECTED.amount, "Moved", ""
)


@given(_STATUSES, _DOCUMENTS)
def test_an_answer_is_read_whatever_it_is(status: int, document: object) -> None:
    answer = Reply(status, document)
    readings = [
        pesapal.reading_of(answer, "ours", "T1"),
        flutterwave.reading_of(answer),
        flutterwave.refund_reading(answer, _REFUND, "1"),
        mtn.reading_of(answer),
    ]
    assert {reading.finding for reading in readings if reading is not None} <= set(Finding)
    assert flutterwave.dispute_finding(answer) in Finding
    said = [
        *(pesapal.order_answer(answer, "ours"), pesapal.done_answer(answer)),
        *(flutterwave.page_answer(answer), flutterwave.refund_answer(answer)),
        *(mtn.answer_of(answer), pesapal.refund_refusal(answer, is_whole=False)),
    ]
    assert len(said) == 6


@given(_STATUSES, _DOCUMENTS)
def test_nothing_but_our_own_amount_is_paid(status: int, document: object) -> None:
    answer = Reply(status, document)
    readings = [pesapal.reading_of(answer, "ours", "T1"), flutterwave.reading_of(answer)]
    paid = [
        reading
        for reading in readings
        if next_state(PaymentState.PENDING, reading, _EXPECTED) is PaymentState.SUCCEEDED
    ]
    assert {reading.amount for reading in paid} <= {_EXPECTED.amount}
    assert {reading.reference for reading in paid} <= {None, "ours"}


_CLIENTS = [
    pesapal.Pesapal(
        pesapal.PesapalConfiguration("http://127.0.0.1", "k", "s"),
        Line("pesapal", httpx.AsyncClient(), "http://127.0.0.1"),
        SettableClock(0),
    ),
    flutterwave.Flutterwave(
        flutterwave.FlutterwaveConfiguration("http://127.0.0.1", "k", "s"),
        Line("flutterwave", httpx.AsyncClient(), "http://127.0.0.1"),
        SettableClock(0),
    ),
]


@pytest.mark.parametrize("client", _CLIENTS, ids=lambda client: client.provider)
@given(
    body=st.binary(max_size=40) | _DOCUMENTS.map(lambda told: json.dumps(told).encode()),
    names=st.dictionaries(_NAMES, st.text(max_size=5), max_size=3),
)
def test_a_callback_is_read_whatever_it_is(
    client: pesapal.Pesapal | flutterwave.Flutterwave, body: bytes, names: dict[str, str]
) -> None:
    hint = client.read_notice(Notice("POST", names, names, body))
    assert hint is None or hint.is_authentic is not True


@pytest.mark.parametrize(
    "body", [b'{"amount": ' + b"9" * 5_000 + b"}", b"[" * 100_000, b'{"a":' * 100_000, b"\xff", b""]
)
def test_what_nobody_writes_is_no_document(body: bytes) -> None:
    assert parse_object(body) == {}
