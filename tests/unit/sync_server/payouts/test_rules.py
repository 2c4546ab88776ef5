from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.money import Money
from sync_server.payments.ports import HolderName
from sync_server.payments.rules import Finding, Reading
from sync_server.payouts.rules import (
    OPEN,
    SENDS_MAX,
    SETTLES_WITHIN,
    Contradiction,
    Expected,
    NameCheck,
    PayoutState,
    check_name,
    contradiction,
    is_released,
    may_be_sent_again,
    names_agree,
    next_state,
    stops,
)

S, F = PayoutState, Finding
EXPECTED = Expected("ours", Money(5_000, "UGX"))
NOW = datetime(2026, 12, 1, tzinfo=UTC)
PAID = Reading(F.SUCCEEDED, amount=EXPECTED.amount)


@pytest.mark.parametrize(
    ("state", "finding", "after"),
    [
        (S.UNKNOWN, F.PENDING, S.PENDING),
        (S.UNKNOWN, F.SUCCEEDED, S.SUCCEEDED),
        (S.UNKNOWN, F.FAILED, S.FAILED),
        (S.UNKNOWN, F.EXPIRED, S.FAILED),
        (S.UNKNOWN, F.UNKNOWN, S.UNKNOWN),
        (S.UNKNOWN, F.NOT_FOUND, S.UNKNOWN),
        (S.PENDING, F.PENDING, S.PENDING),
        (S.PENDING, F.SUCCEEDED, S.SUCCEEDED),
        (S.PENDING, F.FAILED, S.FAILED),
        (S.PENDING, F.REVERSED, S.FAILED),
        (S.PENDING, F.UNKNOWN, S.PENDING),
        (S.SUCCEEDED, F.FAILED, S.RETURNED),
        (S.SUCCEEDED, F.REVERSED, S.RETURNED),
        (S.SUCCEEDED, F.EXPIRED, S.SUCCEEDED),
        (S.SUCCEEDED, F.PENDING, S.SUCCEEDED),
        (S.FAILED, F.SUCCEEDED, S.FAILED),
        (S.RETURNED, F.SUCCEEDED, S.RETURNED),
    ],
)
def test_what_follows_from_a_reading(
    state: PayoutState, finding: Finding, after: PayoutState
) -> None:
    assert next_state(state, Reading(finding, amount=EXPECTED.amount), EXPECTED) is after


def test_only_an_open_payout_is_paid_and_nothing_decided_becomes_open() -> None:
    for state, finding in product(S, F):
        after = next_state(state, Reading(finding, amount=EXPECTED.amount), EXPECTED)
        assert after is state or state in OPEN | {S.SUCCEEDED}
        assert after not in OPEN or state in OPEN


@pytest.mark.parametrize(
    ("state", "reading", "wrong"),
    [
        (S.PENDING, PAID, None),
        (S.PENDING, Reading(F.SUCCEEDED), None),
        (S.PENDING, Reading(F.SUCCEEDED, "ours", EXPECTED.amount), None),
        (S.PENDING, Reading(F.SUCCEEDED, "theirs", EXPECTED.amount), Contradiction.AMOUNT),
        (S.PENDING, Reading(F.SUCCEEDED, amount=Money(1, "UGX")), Contradiction.AMOUNT),
        (S.PENDING, Reading(F.SUCCEEDED, amount=Money(5_000, "KES")), Contradiction.AMOUNT),
        (S.FAILED, PAID, Contradiction.PAID_AFTER_FAILURE),
        (S.PENDING, Reading(F.NOT_FOUND), Contradiction.FORGOTTEN),
        (S.UNKNOWN, Reading(F.NOT_FOUND), None),
        (S.SUCCEEDED, Reading(F.FAILED), None),
        (S.SUCCEEDED, Reading(F.REVERSED), None),
        (S.SUCCEEDED, Reading(F.REVERSED, "ours", EXPECTED.amount), None),
        # The bank kept a fee of what it gave back, or it is another payment's.
        (S.SUCCEEDED, Reading(F.REVERSED, "ours", Money(1_000, "UGX")), Contradiction.AMOUNT),
        (S.SUCCEEDED, Reading(F.REVERSED, amount=Money(5_000, "KES")), Contradiction.AMOUNT),
        (S.SUCCEEDED, Reading(F.REVERSED, "theirs", EXPECTED.amount), Contradiction.AMOUNT),
        (S.SUCCEEDED, Reading(F.FAILED, amount=Money(1_000, "UGX")), Contradiction.AMOUNT),
        (S.PENDING, Reading(F.REVERSED, amount=Money(1_000, "UGX")), Contradiction.AMOUNT),
        (S.PENDING, Reading(F.FAILED, amount=Money(0, "UGX")), None),
        (S.RETURNED, Reading(F.REVERSED, amount=Money(1_000, "UGX")), None),
    ],
)
def test_what_cannot_be(state: PayoutState, reading: Reading, wrong: Contradiction | None) -> None:
    assert contradiction(state, reading, EXPECTED) is wrong
    assert wrong is None or next_state(state, reading, EXPECTED) is state


@pytest.mark.parametrize(
    ("finding", "waited", "attempts", "sent"),
    [
        (F.NOT_FOUND, SETTLES_WITHIN, 1, True),
        (F.NOT_FOUND, SETTLES_WITHIN - timedelta(seconds=1), 1, False),
        (F.NOT_FOUND, SETTLES_WITHIN, SENDS_MAX, False),
        (F.UNKNOWN, SETTLES_WITHIN, 1, False),
        (F.FAILED, SETTLES_WITHIN, 1, False),
    ],
)
def test_what_is_sent_again(finding: Finding, waited: timedelta, attempts: int, sent: bool) -> None:
    assert may_be_sent_again(Reading(finding), NOW - waited, attempts, NOW) is sent


@pytest.mark.parametrize(
    ("ours", "theirs", "agree"),
    [
        ("Grace Nakato", "GRACE NAKATO", True),
        ("Grace Nakato", "Nakato Grace", True),
        ("Grace A. Nakato", "Grace Nakato", True),
        ("Grace Nakato", "Nakato, Grace Achieng", True),
        ("Zoë Müller", "Zoe Muller", True),
        ("Grace", "Grace", True),
        ("Grace", "Grace Nakato", False),
        ("Grace Nakato", "Grace Achieng", False),
        ("Grace Nakato Achieng", "Grace Nakato Okello", False),
        ("Grace Nakato", "Moses Okello", False),
        ("", "", False),
        ("...", "...", False),
    ],
)
def test_names(ours: str, theirs: str, agree: bool) -> None:
    assert names_agree(ours, theirs) is agree
    assert names_agree(theirs, ours) is agree


@given(st.lists(st.text("abcdefg", min_size=1), min_size=1, unique=True), st.randoms())
def test_the_order_of_a_names_words_does_not_matter(words: list[str], dice: object) -> None:
    shuffled = sorted(words, key=lambda _: dice.random())  # type: ignore[attr-defined]
    assert names_agree(" ".join(words), " ".join(shuffled).upper())


@pytest.mark.parametrize(
    ("told", "check"),
    [
        (None, NameCheck.UNTOLD),
        (HolderName(None, is_active=True), NameCheck.UNTOLD),
        (HolderName("Grace Nakato", is_active=False), NameCheck.INACTIVE),
        (HolderName("Grace Nakato", is_active=True), NameCheck.SAME),
        (HolderName("Moses Okello", is_active=True), NameCheck.DIFFERS),
    ],
)
def test_checking_a_name(told: HolderName | None, check: NameCheck) -> None:
    assert check_name("Grace Nakato", told) is check


@pytest.mark.parametrize(
    ("check", "accepted", "stopped"),
    [
        (NameCheck.SAME, False, False),
        (NameCheck.UNTOLD, False, False),
        (NameCheck.DIFFERS, False, True),
        (NameCheck.DIFFERS, True, False),
        (NameCheck.INACTIVE, False, True),
        (NameCheck.INACTIVE, True, True),
    ],
)
def test_what_stops_a_payout(check: NameCheck, accepted: bool, stopped: bool) -> None:
    assert stops(check, accepts_name=accepted) is stopped


@pytest.mark.parametrize(
    ("hours", "hold_days", "released"),
    [(23, 0, False), (24, 0, True), (4 * 24 - 1, 3, False), (4 * 24, 3, True)],
)
def test_days_are_counted_from_the_end_of_the_events_day(
    hours: int, hold_days: int, released: bool
) -> None:
    assert is_released(NOW, hold_days, NOW + timedelta(hours=hours)) is released
