from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission.facts import TicketStatus
from shared.money import Money
from sync_server.orders.books import LineState, PaidOrderFacts, SoldTicket
from sync_server.orders.fulfilment import REFUND_FAILED, REFUND_UNDER_WAY, REFUNDED, REVERSED
from sync_server.reconciliation.orders import paid_orders_have_money, tickets_have_orders
from sync_server.reconciliation.rules import (
    BookSum,
    CheckName,
    ClearingAccount,
    ClearingEntry,
    Item,
    ItemFinding,
    KeptBalance,
    Severity,
    aged,
    balances_are_kept,
    books_balance,
    counts,
    drifts,
    postings_match,
)
from sync_server.tickets.books import IssuedTicket

WHO = UUID(int=7)
NOW = datetime(2026, 12, 31, tzinfo=UTC)
FIVE, SIX, KES = Money(5, "UGX"), Money(6, "UGX"), Money(5, "KES")
F = ItemFinding


def test_books_that_do_not_sum_to_nothing_are_named() -> None:
    found = books_balance([BookSum(WHO, "UGX", 0), BookSum(WHO, "KES", -3)])
    assert [(item.books_of, item.currency, item.expected, item.found) for item in found] == [
        (WHO, "KES", 0, -3)
    ]


def test_a_kept_balance_that_is_wrong_is_named() -> None:
    right = KeptBalance(WHO, "platform_fee", "UGX", -5, -5)
    wrong = KeptBalance(WHO, "organizer_available", "UGX", -5, -6)
    (item,) = balances_are_kept([right, wrong])
    assert (item.subject, item.expected, item.found) == ("organizer_available", -6, -5)


@pytest.mark.parametrize(
    ("expected", "posted", "finding"),
    [
        ({"k": FIVE}, {"k": FIVE}, []),
        ({}, {}, []),
        ({"k": FIVE}, {}, [F.MISSING_IN_BOOKS]),
        ({}, {"k": FIVE}, [F.ONLY_IN_BOOKS]),
        ({"k": FIVE}, {"k": SIX}, [F.AMOUNT_DIFFERS]),
        ({"k": FIVE}, {"k": KES}, [F.CURRENCY_DIFFERS]),
        ({"a": FIVE, "b": FIVE}, {"b": FIVE, "c": SIX}, [F.MISSING_IN_BOOKS, F.ONLY_IN_BOOKS]),
    ],
)
def test_postings(
    expected: dict[str, Money], posted: dict[str, Money], finding: list[ItemFinding]
) -> None:
    found = postings_match(CheckName.CAPTURES, WHO, expected, posted)
    assert [item.finding for item in found] == finding


_MONEY = st.builds(Money, st.integers(1, 9), st.sampled_from(["UGX", "KES"]))
_POSTINGS = st.dictionaries(st.sampled_from("abcdef"), _MONEY)


@given(_POSTINGS, _POSTINGS)
def test_each_key_that_differs_is_named_once_and_no_other(
    expected: dict[str, Money], posted: dict[str, Money]
) -> None:
    found = postings_match(CheckName.CAPTURES, WHO, expected, posted)
    differs = [key for key in sorted({*expected, *posted}) if expected.get(key) != posted.get(key)]
    assert [item.subject for item in found] == differs


def _days(amounts: dict[int, int]) -> list[ClearingEntry]:
    """Amounts by how many days ago."""
    return [ClearingEntry(amount, NOW - timedelta(days=days)) for days, amount in amounts.items()]


@pytest.mark.parametrize(
    ("account", "amounts", "old"),
    [
        ("provider_clearing:mtn", {}, None),
        ("provider_clearing:mtn", {3: 100}, None),
        ("provider_clearing:mtn", {10: 100}, 100),
        ("provider_clearing:mtn", {10: 100, 2: -100}, None),
        ("provider_clearing:mtn", {20: 50, 10: 100, 2: -70}, 80),
        ("provider_clearing:mtn", {20: 50, 3: 100, 2: -70}, None),
        ("provider_clearing:mtn", {20: -50, 3: 100}, None),
        ("payout_in_transit:mtn", {10: -100}, -100),
        ("dispute_suspense:mtn", {80: 100}, None),
        ("dispute_suspense:mtn", {100: 100}, 100),
    ],
)
def test_what_waits_too_long(account: str, amounts: dict[int, int], old: int | None) -> None:
    found = aged(ClearingAccount(WHO, account, "UGX"), _days(amounts), NOW)
    assert [item.found for item in found] == ([] if old is None else [old])
    assert {item.severity for item in found} <= {Severity.NOTE}


@given(st.lists(st.tuples(st.integers(8, 90), st.integers(-9, 9).filter(bool)), max_size=20))
def test_all_that_is_old_is_named_with_its_whole_sum(lines: list[tuple[int, int]]) -> None:
    entries = [ClearingEntry(amount, NOW - timedelta(days=days)) for days, amount in lines]
    found = aged(ClearingAccount(WHO, "provider_clearing:mtn", "UGX"), entries, NOW)
    assert sum(item.found or 0 for item in found) == sum(amount for _, amount in lines)


def test_counts_name_every_check_that_was_made() -> None:
    items = [
        Item(CheckName.CAPTURES, F.AMOUNT_DIFFERS, "a"),
        Item(CheckName.AGED_CLEARING, F.AGED, "b", severity=Severity.NOTE),
    ]
    assert drifts(items) == items[:1]
    checked = (CheckName.CAPTURES, CheckName.PAYOUTS, CheckName.AGED_CLEARING)
    assert counts(items, checked) == {"captures": 1, "payouts": 0, "aged_clearing": 1}


PAYMENT = UUID(int=9)


def _order(number: int, payment_id: UUID | None, *, has_payment: bool = True) -> PaidOrderFacts:
    return PaidOrderFacts(UUID(int=number), FIVE, payment_id, has_payment)


@pytest.mark.parametrize(
    ("orders", "captured", "finding"),
    [
        ([_order(1, PAYMENT)], {PAYMENT: FIVE}, []),
        ([_order(1, None, has_payment=False)], {}, []),
        ([_order(1, None)], {}, [F.MISSING_IN_BOOKS]),
        ([_order(1, PAYMENT)], {}, [F.MISSING_IN_BOOKS]),
        ([_order(1, PAYMENT)], {PAYMENT: SIX}, [F.AMOUNT_DIFFERS]),
        ([_order(1, PAYMENT), _order(2, PAYMENT)], {PAYMENT: FIVE}, [F.DIFFERS] * 2),
    ],
)
def test_a_paid_order_has_its_money(
    orders: list[PaidOrderFacts], captured: dict[UUID, Money], finding: list[ItemFinding]
) -> None:
    assert [item.finding for item in paid_orders_have_money(WHO, orders, captured)] == finding


@pytest.mark.parametrize(
    ("tickets", "finding"),
    [
        ([1, 2], []),
        ([1, None], [F.MISSING_IN_BOOKS]),
        ([1, 3], [F.MISSING_IN_BOOKS]),
        ([1, 1], [F.DIFFERS, F.DIFFERS]),
    ],
)
def test_each_line_of_a_paid_order_has_a_ticket_of_its_own(
    tickets: list[int | None], finding: list[ItemFinding]
) -> None:
    lines = [_sold(number, ticket) for number, ticket in enumerate(tickets)]
    issued = {(WHO, 1): NEW, (WHO, 2): NEW}
    assert [item.finding for item in tickets_have_orders(WHO, lines, issued)] == finding


V, B, R = TicketStatus.VALID, TicketStatus.BLOCKED, TicketStatus.REFUNDED
T, X = TicketStatus.PAYMENT_REVERSED, TicketStatus.REVOKED
NEW = IssuedTicket(V, None)
BY_HAND = "lost"


def _sold(number: int, ticket: int | None, state: LineState = LineState.SOLD) -> SoldTicket:
    return SoldTicket(WHO, UUID(int=1), number, ticket, state)


@pytest.mark.parametrize(
    ("state", "status", "reason", "finding"),
    [
        (LineState.SOLD, V, None, []),
        (LineState.SOLD, V, REFUND_FAILED, []),
        (LineState.SOLD, B, BY_HAND, []),
        (LineState.SOLD, X, BY_HAND, []),
        (LineState.SOLD, B, REFUND_UNDER_WAY, [F.STATE_DIFFERS]),
        (LineState.SOLD, R, None, [F.STATE_DIFFERS]),
        (LineState.SOLD, T, REVERSED, [F.STATE_DIFFERS]),
        (LineState.REFUND_UNDER_WAY, B, REFUND_UNDER_WAY, []),
        (LineState.REFUND_UNDER_WAY, X, BY_HAND, []),
        (LineState.REFUND_UNDER_WAY, V, BY_HAND, []),
        (LineState.REFUND_UNDER_WAY, V, None, [F.STATE_DIFFERS]),
        (LineState.RETURNED, R, REFUNDED, []),
        (LineState.RETURNED, V, REFUNDED, [F.STATE_DIFFERS]),
        # It was revoked before, and would have been refunded all the same.
        (LineState.RETURNED, X, BY_HAND, [F.STATE_DIFFERS]),
        (LineState.RETURNED, T, BY_HAND, []),
        (LineState.REVERSED, T, REVERSED, []),
        (LineState.REVERSED, R, REFUNDED, []),
        (LineState.REVERSED, V, BY_HAND, []),
        (LineState.REVERSED, X, BY_HAND, []),
        (LineState.REVERSED, V, None, [F.STATE_DIFFERS]),
        (LineState.REVERSED, V, REVERSED, [F.STATE_DIFFERS]),
        (LineState.NOT_SOLD, V, None, [F.ONLY_IN_BOOKS]),
    ],
)
def test_a_ticket_has_a_state_that_fits_its_line(
    state: LineState, status: TicketStatus, reason: str | None, finding: list[ItemFinding]
) -> None:
    issued = {(WHO, 1): IssuedTicket(status, reason)}
    found = tickets_have_orders(WHO, [_sold(1, 1, state)], issued)
    assert [item.finding for item in found] == finding
