import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.handheld.keyboard_wedge import KeyboardWedge
from tests.unit.hardware.codes import BASE45_ALPHABET

MILLISECOND = 1_000_000


def type_text(wedge: KeyboardWedge, keys: str, at_ms: int = 0, gap_ms: int = 5) -> list[str]:
    answers = (
        wedge.feed(key, (at_ms + index * gap_ms) * MILLISECOND) for index, key in enumerate(keys)
    )
    return [text for text in answers if text is not None]


@pytest.mark.parametrize(
    ("keys", "texts"),
    [
        ("TK1:AB CD\r", ["TK1:AB CD"]),
        ("TK1:AB CD\n", ["TK1:AB CD"]),
        ("TK1:AB CD\t", ["TK1:AB CD"]),
        ("  TK1:A  B  \r", ["  TK1:A  B  "]),
        ("TK1:AB\rTK1:CD\r", ["TK1:AB", "TK1:CD"]),
        ("TK1:AB\r\n", ["TK1:AB"]),
        ("TK1:ABCD", []),
        ("\r\r\t", []),
        ("ABCDE\r", []),
        ("TK1:ABé\r", []),
        ("TK1:\x07AB\r", []),
        ("TK1:\x07AB\rTK1:CD\r", ["TK1:CD"]),
    ],
)
def test_fast_keys_become_texts(keys: str, texts: list[str]) -> None:
    assert type_text(KeyboardWedge(), keys) == texts


def test_shift_and_other_keys_without_a_character_change_nothing() -> None:
    wedge = KeyboardWedge()
    keys = ["T", "", "K", "1", ":", "", "A", "B", "\r"]
    assert [wedge.feed(key, index * MILLISECOND) for index, key in enumerate(keys)][-1] == "TK1:AB"


@pytest.mark.parametrize(("gap_ms", "texts"), [(100, ["TK1:ABCD"]), (101, [])])
def test_slow_typing_is_a_persons(gap_ms: int, texts: list[str]) -> None:
    assert type_text(KeyboardWedge(), "TK1:ABCD\r", gap_ms=gap_ms) == texts


def test_pause_drops_what_was_typed_before_it() -> None:
    wedge = KeyboardWedge()
    type_text(wedge, "typed by hand")
    assert type_text(wedge, "TK1:ABCD\r", at_ms=500) == ["TK1:ABCD"]


@pytest.mark.parametrize(("second_at_ms", "texts"), [(100, []), (2500, []), (2501, ["TK1:ABCD"])])
def test_echo_of_the_scanner_is_one_scan(second_at_ms: int, texts: list[str]) -> None:
    wedge = KeyboardWedge()
    type_text(wedge, "TK1:ABCD\r")
    assert type_text(wedge, "TK1:ABCD\r", at_ms=second_at_ms) == texts


def test_another_code_is_never_an_echo() -> None:
    wedge = KeyboardWedge()
    type_text(wedge, "TK1:ABCD\r")
    assert type_text(wedge, "TK1:ABCE\r", at_ms=200) == ["TK1:ABCE"]


@pytest.mark.parametrize(("length", "count"), [(20, 1), (21, 0)])
def test_overlong_text_is_dropped_whole(length: int, count: int) -> None:
    assert len(type_text(KeyboardWedge(longest_text=20), "A" * length + "\r")) == count


def test_text_after_an_overlong_one_is_taken() -> None:
    wedge = KeyboardWedge(longest_text=20)
    assert type_text(wedge, "A" * 99 + "\rTK1:ABCD\r") == ["TK1:ABCD"]


@given(st.text(BASE45_ALPHABET, min_size=6, max_size=400))
def test_every_base45_text_arrives_unchanged(text: str) -> None:
    assert type_text(KeyboardWedge(), text + "\r") == [text]


@given(st.lists(st.tuples(st.characters(), st.integers(0, 400)), max_size=60))
def test_no_keys_raise_anything(keys: list[tuple[str, int]]) -> None:
    wedge = KeyboardWedge()
    at_ns = 0
    texts: list[str | None] = []
    for character, step_ms in keys:
        at_ns += step_ms * MILLISECOND
        texts.append(wedge.feed(character, at_ns))
    assert len(texts) == len(keys)
