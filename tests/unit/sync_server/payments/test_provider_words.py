from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import CURRENCY_EXPONENTS, Money
from sync_server.payments.providers.amounts import (
    fee_from_major,
    from_major,
    json_with_amount,
    to_major,
)
from sync_server.payments.providers.calls import Reply, parse_object, web_address
from sync_server.payments.providers.notes import impersonal, plain_note


@pytest.mark.parametrize(
    ("money", "written"),
    [
        (Money(5_000, "UGX"), "5000"),
        (Money(5_000, "KES"), "50.00"),
        (Money(5, "KES"), "0.05"),
        (Money(0, "UGX"), "0"),
        (Money(-150, "USD"), "-1.50"),
    ],
)
def test_amounts_are_written_in_major_units(money: Money, written: str) -> None:
    assert to_major(money) == written


@pytest.mark.parametrize(
    ("written", "currency", "expected"),
    [
        ("5000", "UGX", Money(5_000, "UGX")),
        (5000, "UGX", Money(5_000, "UGX")),
        ("5000.00", "UGX", Money(5_000, "UGX")),
        ("37,600.00", "UGX", Money(37_600, "UGX")),
        (Decimal("98.6"), "KES", Money(9_860, "KES")),
        ("50", "KES", Money(5_000, "KES")),
        ("5000.50", "UGX", None),
        ("1.005", "KES", None),
        ("NaN", "UGX", None),
        ("Infinity", "UGX", None),
        ("1e999999999", "UGX", None),
        ("1e-999999999", "UGX", None),
        (10**18, "UGX", None),
        ("five", "UGX", None),
        ("", "UGX", None),
        (None, "UGX", None),
        (True, "UGX", None),
        ("5", "XYZ", None),
        ("5", None, None),
    ],
)
def test_amounts_are_read_or_refused(
    written: object, currency: object, expected: Money | None
) -> None:
    assert from_major(written, currency) == expected


@given(st.integers(-(10**15), 10**15), st.sampled_from(sorted(CURRENCY_EXPONENTS)))
def test_what_is_written_is_read_back(minor_units: int, currency: str) -> None:
    money = Money(minor_units, currency)
    assert from_major(to_major(money), currency) == money


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Tickets for Nile Nights, l'été", "Tickets for Nile Nights, l ete"),
        ("a///b<script>", "a b script"),
        ("  many   spaces ", "many spaces"),
        ("x" * 200, "x" * 128),
        ("🎉", ""),
    ],
)
def test_notes_keep_plain_letters(text: str, plain: str) -> None:
    assert plain_note(text, 128) == plain


@pytest.mark.parametrize(
    ("document", "amount", "written"),
    [
        ({}, Money(5_000, "UGX"), b'{"amount":5000}'),
        ({"id": "A"}, Money(5_000, "UGX"), b'{"amount":5000,"id":"A"}'),
        ({"id": "A"}, Money(5_050, "KES"), b'{"amount":50.50,"id":"A"}'),
    ],
)
def test_an_amount_is_a_number_digit_for_digit(
    document: dict[str, str], amount: Money, written: bytes
) -> None:
    assert json_with_amount(document, amount) == written


@given(st.integers(0, 10**15), st.sampled_from(sorted(CURRENCY_EXPONENTS)))
def test_a_number_is_read_back_as_it_was(minor_units: int, currency: str) -> None:
    money = Money(minor_units, currency)
    read = parse_object(json_with_amount({"currency": currency}, money))
    assert from_major(read["amount"], read["currency"]) == money


@pytest.mark.parametrize(
    ("written", "currency", "expected"),
    [
        (Decimal("1.4"), "UGX", Money(1, "UGX")),
        (Decimal("1.5"), "UGX", Money(2, "UGX")),
        (Decimal("98.6"), "UGX", Money(99, "UGX")),
        (Decimal("1.005"), "KES", Money(101, "KES")),
        (0, "UGX", Money(0, "UGX")),
        (None, "UGX", None),
        ("NaN", "UGX", None),
        (1, None, None),
    ],
)
def test_a_fee_may_be_finer_than_its_currency(
    written: object, currency: object, expected: Money | None
) -> None:
    assert fee_from_major(written, currency) == expected


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Insufficient funds", "Insufficient funds"),
        ("Declined for grace@example.org", "Declined for"),
        ("Card 5531886652142950 is blocked", "Card is blocked"),
        ("Call 0772 123 456 now", "Call now"),
        ("Limit of 5000", "Limit of 5000"),
        ("x" * 200, "x" * 120),
    ],
)
def test_what_a_provider_says_names_nobody(text: str, kept: str) -> None:
    assert impersonal(text, 120) == kept


@pytest.mark.parametrize(
    ("status", "undecided"),
    [(200, False), (400, False), (401, False), (408, True), (429, True), (500, True), (503, True)],
)
def test_which_status_leaves_open_what_happened(status: int, *, undecided: bool) -> None:
    assert Reply(status, {}).is_undecided is undecided


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://pay.pesapal.com/iframe?OrderTrackingId=1", True),
        ("http://127.0.0.1:8094/page", True),
        ("javascript:alert(1)", False),
        ("https:///nowhere", False),
        ("//pay.pesapal.com/", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_where_a_browser_may_be_sent(text: str, *, is_one: bool) -> None:
    assert web_address(text) == (text if is_one else "")
