"""Which postings an operator may take back, and under which key they are booked anew."""

from uuid import UUID

import pytest

from shared.money import Money
from sync_server.ledger import postings
from sync_server.ledger.rules import Line, Transaction, counted_key
from sync_server.ledger.service import PostedUnderKey
from sync_server.reconciliation.corrections import INSTEAD, correction_of
from sync_server.reconciliation.transfers import is_news, key_to_book
from tests.unit.sync_server.ledger.test_postings import EVENTS

KEY = "settlement:pesapal:S1"
STOOD, TAKEN = False, True


def _posting(amount: int = 96_500) -> Transaction:
    return postings.settlement("pesapal", "S1", "payouts", Money(amount, "UGX"))


def _posted(*rows: tuple[bool, int]) -> list[PostedUnderKey]:
    def lines(amount: int) -> tuple[Line, ...]:
        return _posting(amount).lines

    return [
        PostedUnderKey(UUID(int=number), counted_key(KEY, number), lines(amount), is_taken_back)
        for number, (is_taken_back, amount) in enumerate(rows, start=1)
    ]


@pytest.mark.parametrize(
    ("before", "key"),
    [
        ([], KEY),
        ([(STOOD, 1)], KEY),
        ([(TAKEN, 1)], f"{KEY}:2"),
        ([(TAKEN, 1), (STOOD, 2)], f"{KEY}:2"),
        ([(TAKEN, 1), (TAKEN, 2)], f"{KEY}:3"),
    ],
)
def test_what_stands_keeps_its_key_and_what_follows_is_counted(
    before: list[tuple[bool, int]], key: str
) -> None:
    assert key_to_book(KEY, _posted(*before)) == key
    assert postings.key_without_number(key) == KEY


@pytest.mark.parametrize(
    ("before", "may_be_booked"),
    [
        ([], True),
        ([(STOOD, 96_500)], False),
        ([(STOOD, 96_000)], False),
        ([(TAKEN, 96_000)], True),
        # Somebody said that this is wrong.
        ([(TAKEN, 96_500)], False),
        ([(TAKEN, 96_500), (TAKEN, 96_000)], False),
        ([(TAKEN, 96_000), (TAKEN, 95_000)], True),
        ([(TAKEN, 96_000), (STOOD, 95_000)], False),
    ],
)
def test_what_a_statement_may_book_after_a_person_took_something_back(
    before: list[tuple[bool, int]], *, may_be_booked: bool
) -> None:
    assert is_news(_posting(), _posted(*before)) is may_be_booked


@pytest.mark.parametrize(
    ("words", "key", "subject"),
    [
        ("settlement:pesapal:S1", "settlement:pesapal:S1", ("settlement", "pesapal")),
        ("settlement:pesapal:s1", "settlement:pesapal:S1", ("settlement", "pesapal")),
        ("settlement:mtn:st-1/a:2", "settlement:mtn:ST-1/A:2", ("settlement", "mtn")),
        ("float_top_up:mtn:ft1", "float_top_up:mtn:ft1", ("float", "mtn")),
        ("float_top_up:airtel:FT1:12", "float_top_up:airtel:FT1:12", ("float", "airtel")),
    ],
)
def test_a_key_is_read_as_reports_print_it(words: str, key: str, subject: tuple[str, str]) -> None:
    wanted = correction_of(words, "  one zero too many ")
    assert (wanted.key, wanted.reason) == (key, "one zero too many")
    assert (wanted.subject.kind, wanted.subject.id) == subject


@pytest.mark.parametrize(
    ("key", "reason", "said"),
    [
        ("", "why", "no key of a posting"),
        ("S1", "why", "no key of a posting"),
        ("settlement:mtn", "why", "no key of a posting"),
        ("settlement:mtn:", "why", "no key of a posting"),
        ("settlement:mtn:S 1", "why", "no key of a posting"),
        ("Settlement:mtn:S1", "why", "no key of a posting"),
        ("settlement:nobody:S1", "why", "'nobody' is not a valid Provider"),
        ("settlement:mtn:S1", "", "say why"),
        ("settlement:mtn:S1", " ", "say why"),
        ("settlement:mtn:S1", "a\nb", "say why"),
        ("settlement:mtn:S1", "\udcff", "say why"),
        ("settlement:mtn:S1", "y" * 501, "say why"),
        ("capture:mtn:T1", "why", "by a refund of its order"),
        ("payout_confirmed:x", "why", "a payout ends as its rail says"),
        ("reversal:x", "why", "book anew"),
    ],
)
def test_what_cannot_be_taken_back_is_refused_in_words(key: str, reason: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        correction_of(key, reason)


@pytest.mark.parametrize("event", sorted(EVENTS.keys() - {"settlement", "float_top_up"}))
def test_whatever_nobody_posts_by_hand_has_a_word_for_what_to_do(event: str) -> None:
    key = EVENTS[event]().key
    with pytest.raises(ValueError, match="nobody takes it back") as refused:
        correction_of(key, "why")
    assert INSTEAD[key.partition(":")[0]] in str(refused.value)


@pytest.mark.parametrize("event", ["settlement", "float_top_up"])
def test_what_people_post_by_hand_may_be_taken_back(event: str) -> None:
    key = EVENTS[event]().key
    assert correction_of(key, "why").key == key
