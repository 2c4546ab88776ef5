from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.rules import (
    CAPTURED,
    OPEN,
    Expected,
    Finding,
    PaymentState,
    Provider,
    Reading,
    amount_max,
    carries,
    look_again_after,
    look_for_late_money_after,
    may_be_sent_again,
    next_state,
    poll_after,
    refund_may_be_sent_again,
    tells_of_refund,
)

_PRICE = Money(50_000, "UGX")
_EXPECTED = Expected("ours", _PRICE)
S, F = PaymentState, Finding


def _reading(finding: Finding) -> Reading:
    return Reading(finding, "ours", _PRICE)


@pytest.mark.parametrize(
    ("state", "finding", "expected"),
    [
        (S.CREATED, F.NOT_FOUND, S.CREATED),
        (S.UNKNOWN, F.NOT_FOUND, S.UNKNOWN),
        (S.UNKNOWN, F.UNKNOWN, S.UNKNOWN),
        (S.UNKNOWN, F.PENDING, S.PENDING),
        (S.UNKNOWN, F.SUCCEEDED, S.SUCCEEDED),
        (S.PENDING, F.FAILED, S.FAILED),
        (S.PENDING, F.EXPIRED, S.EXPIRED),
        (S.PENDING, F.UNKNOWN, S.PENDING),
        (S.FAILED, F.SUCCEEDED, S.SUCCEEDED),
        (S.EXPIRED, F.SUCCEEDED, S.SUCCEEDED),
        (S.FAILED, F.PENDING, S.FAILED),
        (S.SUCCEEDED, F.FAILED, S.SUCCEEDED),
        (S.SUCCEEDED, F.EXPIRED, S.SUCCEEDED),
        (S.SUCCEEDED, F.NOT_FOUND, S.SUCCEEDED),
        (S.SUCCEEDED, F.REVERSED, S.REVERSED),
        (S.SUCCEEDED, F.DISPUTED, S.DISPUTED),
        (S.DISPUTED, F.SUCCEEDED, S.SUCCEEDED),
        (S.DISPUTED, F.REVERSED, S.REVERSED),
        (S.REVERSED, F.SUCCEEDED, S.REVERSED),
        (S.PENDING, F.REVERSED, S.FAILED),
        (S.MISMATCHED, F.SUCCEEDED, S.MISMATCHED),
        (S.GIVEN_BACK, F.SUCCEEDED, S.GIVEN_BACK),
    ],
)
def test_what_a_reading_does(state: PaymentState, finding: Finding, expected: PaymentState) -> None:
    assert next_state(state, _reading(finding), _EXPECTED) is expected


@pytest.mark.parametrize(
    "reading",
    [
        Reading(F.SUCCEEDED, "another's", _PRICE),
        Reading(F.SUCCEEDED, "ours", Money(49_999, "UGX")),
        Reading(F.SUCCEEDED, "ours", Money(50_001, "UGX")),
        Reading(F.SUCCEEDED, "ours", Money(50_000, "KES")),
        Reading(F.SUCCEEDED, "ours", None),
    ],
)
def test_a_success_that_does_not_fit_is_a_mismatch(reading: Reading) -> None:
    assert next_state(S.PENDING, reading, _EXPECTED) is S.MISMATCHED
    assert next_state(S.DISPUTED, reading, _EXPECTED) is S.DISPUTED


@pytest.mark.parametrize(
    ("state", "finding", "may_be_refund", "was_refunded", "expected"),
    [
        (S.SUCCEEDED, F.REVERSED, True, True, True),
        (S.SUCCEEDED, F.REVERSED, True, False, False),
        (S.SUCCEEDED, F.REVERSED, False, True, False),
        (S.DISPUTED, F.REVERSED, True, True, False),
        (S.SUCCEEDED, F.DISPUTED, True, True, False),
        (S.PENDING, F.REVERSED, True, True, False),
    ],
)
def test_which_reversal_is_our_own_refund(
    state: PaymentState,
    finding: Finding,
    *,
    may_be_refund: bool,
    was_refunded: bool,
    expected: bool,
) -> None:
    reading = replace(_reading(finding), may_be_refund=may_be_refund)
    assert tells_of_refund(state, reading, was_refunded=was_refunded) is expected


_FINDINGS = st.lists(st.sampled_from(Finding), max_size=12)


@given(_FINDINGS)
def test_money_that_came_is_lost_by_a_reversal_or_a_dispute_alone(findings: list[Finding]) -> None:
    states = [S.CREATED]
    for finding in findings:
        states.append(next_state(states[-1], _reading(finding), _EXPECTED))
    moves = [(before, after) for before, after in pairwise(states) if before is not after]
    assert {after for before, after in moves if before in CAPTURED} <= CAPTURED | {S.REVERSED}
    assert not any(after in OPEN for before, after in moves if before not in OPEN)


@given(_FINDINGS)
def test_hearing_everything_twice_changes_nothing(findings: list[Finding]) -> None:
    once = twice = S.CREATED
    for finding in findings:
        once = next_state(once, _reading(finding), _EXPECTED)
        for _ in range(2):
            twice = next_state(twice, _reading(finding), _EXPECTED)
    assert once is twice


@pytest.mark.parametrize("finding", Finding)
def test_only_what_was_never_seen_is_sent_again(finding: Finding) -> None:
    assert may_be_sent_again(_reading(finding)) is (finding is F.NOT_FOUND)


@pytest.mark.parametrize(
    ("provider", "finding", "waited", "sent"),
    [
        (Provider.MTN, F.NOT_FOUND, timedelta(), True),
        (Provider.MTN, F.UNKNOWN, timedelta(days=2), False),
        (Provider.FLUTTERWAVE, F.NOT_FOUND, timedelta(), False),
        (Provider.FLUTTERWAVE, F.NOT_FOUND, timedelta(hours=23, minutes=59), False),
        (Provider.FLUTTERWAVE, F.NOT_FOUND, timedelta(days=1), True),
        (Provider.FLUTTERWAVE, F.UNKNOWN, timedelta(days=2), False),
    ],
)
def test_a_refund_that_no_reference_guards_is_not_sent_again_before_a_list_would_tell(
    provider: Provider, finding: Finding, waited: timedelta, sent: bool
) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    reading = Reading(finding)
    assert refund_may_be_sent_again(provider, reading, now - waited, now) is sent


@pytest.mark.parametrize(
    ("age", "wait"),
    [
        (timedelta(), timedelta(seconds=5)),
        (timedelta(seconds=30), timedelta(seconds=15)),
        (timedelta(minutes=6), timedelta(minutes=1)),
        (timedelta(minutes=30), timedelta(minutes=15)),
        (timedelta(hours=24), timedelta(days=1)),
        (timedelta(days=7), None),
    ],
)
def test_how_often_a_provider_is_asked(age: timedelta, wait: timedelta | None) -> None:
    assert poll_after(age) == wait


def test_captured_money_is_looked_at_now_and_then_for_four_months() -> None:
    looked, age = [], timedelta()
    while (wait := look_again_after(age)) is not None:
        age += wait
        looked.append(age.days)
    assert looked == [1, 3, 7, 14, 30, 60, 90, 120]


def test_a_payment_that_was_given_up_is_looked_at_more_and_more_seldom_for_a_week() -> None:
    looked, age = [], timedelta()
    while (wait := look_for_late_money_after(age)) is not None:
        age += wait
        looked.append(age / timedelta(hours=1))
    assert looked == [pytest.approx(1 / 6), 1, 6, 24, 72, 168]
    waits = [after - before for before, after in pairwise(looked)]
    assert waits == sorted(waits)


@given(st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=400)))
def test_whoever_looks_late_misses_only_what_is_past(age: timedelta) -> None:
    wait = look_again_after(age)
    assert (wait is None) is (age >= timedelta(days=120))
    assert wait is None or wait > timedelta()
    assert wait is None or look_again_after(age + wait / 2) == wait - wait / 2


@pytest.mark.parametrize(
    ("rail", "currency", "most"),
    [
        (Provider.MTN, "UGX", 5_000_000),
        (Provider.AIRTEL, "UGX", 5_000_000),
        (Provider.BANK, "UGX", None),
        (Provider.MTN, "RWF", None),
    ],
)
def test_what_a_rail_carries_at_once(rail: Provider, currency: str, most: int | None) -> None:
    assert amount_max(rail, currency) == most
    assert carries(rail, Money(5_000_000, currency))
    assert carries(rail, Money(5_000_001, currency)) is (most is None)


@pytest.mark.parametrize(
    ("currency", "rails"),
    [
        ("UGX", set(Provider)),
        ("KES", set(Provider) - {Provider.MTN}),
        ("USD", set(Provider) - {Provider.MTN, Provider.AIRTEL}),
    ],
)
def test_which_rails_take_a_currency(currency: str, rails: set[Provider]) -> None:
    assert {rail for rail in Provider if carries(rail, Money(1, currency))} == rails
