from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sync_server.payments.providers.bank.references import (
    payment_reference,
    printed,
    references_in,
)

REFERENCES = st.uuids(version=4).map(str)


def test_a_reference_is_always_the_same() -> None:
    ours = "ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611"
    assert payment_reference(ours) == payment_reference(ours)
    assert (payment_reference(ours)[:2], len(payment_reference(ours))) == ("RF", 16)


def test_check_digits_are_those_of_the_standard() -> None:
    # ISO 11649: the body and RF with its digits behind, letters as two digits, leave 1 by 97.
    theirs = payment_reference("ab9c4dbf-dfb6-48bf-8a32-dc92b7fca611")
    number = "".join(str(int(letter, 36)) for letter in theirs[4:] + theirs[:4])
    assert int(number) % 97 == 1


@given(REFERENCES, REFERENCES)
def test_two_payments_have_two_references(one: str, other: str) -> None:
    assert (payment_reference(one) == payment_reference(other)) == (one == other)


@given(REFERENCES, st.text(max_size=20), st.text(max_size=20))
def test_it_is_found_however_it_was_typed(ours: str, before: str, after: str) -> None:
    theirs = payment_reference(ours)
    typed = f"{before} {printed(theirs).lower()} {after}"
    assert theirs in references_in(typed)


@given(REFERENCES, st.integers(4, 15), st.sampled_from("ABCDEFGHJKMNPQRSTVWXYZ0158"))
def test_a_wrong_letter_names_nobody(ours: str, place: int, letter: str) -> None:
    theirs = payment_reference(ours)
    assume(theirs[place] != letter)
    assert references_in(theirs[:place] + letter + theirs[place + 1 :]) == ()


@given(REFERENCES, st.integers(4, 14))
def test_two_letters_in_the_wrong_order_name_nobody(ours: str, place: int) -> None:
    theirs = payment_reference(ours)
    one, other = theirs[place], theirs[place + 1]
    assume(one != other)
    assert references_in(theirs[:place] + other + one + theirs[place + 2 :]) == ()


@pytest.mark.parametrize("text", ["", "RF", "RF00000000000000", "Tickets", "RF18 5390 0754 7043"])
def test_what_is_none_of_ours_is_no_reference(text: str) -> None:
    assert references_in(text) == ()


def test_the_documents_example_is_a_reference() -> None:
    page = Path(__file__).parents[4] / "docs/bank-files.md"
    assert references_in(page.read_text(encoding="utf-8")) == ("RF80ABCDEFGHJKMN",)


def test_it_is_printed_in_fours() -> None:
    assert printed("RF80ABCDEFGHJKMN") == "RF80 ABCD EFGH JKMN"
