import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.decoding.text import is_text
from tests.unit.hardware.codes import BASE45_ALPHABET


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        ("TK1:AB  CD ", True),
        (" ", True),
        ("line\r\nline\ttab", True),
        ("Élodie, karibu!", True),
        ("a\N{NO-BREAK SPACE}b", True),
        ("", False),
        ("a\N{REPLACEMENT CHARACTER}", False),
        ("a\x00b", False),
        ("\x1b[2J", False),
        ("\x85", False),
        ("\ud800", False),
        ("a\N{RIGHT-TO-LEFT OVERRIDE}b", False),
    ],
)
def test_text_is_what_a_person_could_read(candidate: str, expected: bool) -> None:
    assert is_text(candidate) is expected


@given(st.text(BASE45_ALPHABET, min_size=1))
def test_every_base45_text_is_text(candidate: str) -> None:
    assert is_text(candidate)
