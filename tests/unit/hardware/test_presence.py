import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.decoding.presence import CodePresence
from hardware.ports import CodeReading

MILLISECOND = 1_000_000


def reading(text: str) -> CodeReading:
    return CodeReading(text, "any", ())


def texts(readings: tuple[CodeReading, ...]) -> list[str]:
    return [found.text for found in readings]


@pytest.mark.parametrize(
    ("sightings_ms", "new_at_ms"),
    [
        ([0], [0]),
        ([0, 40, 80, 120], [0]),
        ([0, 1200], [0]),
        ([0, 1201], [0, 1201]),
        ([0, 1000, 2000, 3000, 4000], [0]),
        ([0, 1000, 2300, 2400, 5000], [0, 2300, 5000]),
    ],
    ids=["once", "every frame", "at the gap", "past the gap", "long stay", "comes and goes"],
)
def test_code_is_new_only_after_a_gap(sightings_ms: list[int], new_at_ms: list[int]) -> None:
    presence = CodePresence(gap_seconds=1.2)
    new = [at for at in sightings_ms if presence.observe((reading("A"),), at * MILLISECOND)]
    assert new == new_at_ms


def test_codes_are_told_apart() -> None:
    presence = CodePresence()
    assert texts(presence.observe((reading("A"), reading("B")), 0)) == ["A", "B"]
    assert texts(presence.observe((reading("B"), reading("C")), MILLISECOND)) == ["C"]


def test_code_read_twice_in_one_frame_is_new_once() -> None:
    assert texts(CodePresence().observe((reading("A"), reading("A")), 0)) == ["A"]


def test_rotating_code_is_one_by_its_identity() -> None:
    presence = CodePresence(identity=lambda found: found.text.split(":")[0])
    assert texts(presence.observe((reading("ticket:window 1"),), 0)) == ["ticket:window 1"]
    assert presence.observe((reading("ticket:window 2"),), MILLISECOND) == ()


def test_cleared_presence_takes_every_code_as_new() -> None:
    presence = CodePresence()
    presence.observe((reading("A"),), 0)
    presence.clear()
    assert texts(presence.observe((reading("A"),), MILLISECOND)) == ["A"]


def test_view_is_empty_after_the_gap() -> None:
    presence = CodePresence(gap_seconds=1.2)
    presence.observe((reading("A"),), 0)
    assert presence.in_view(1200 * MILLISECOND)
    assert not presence.in_view(1201 * MILLISECOND)


frames = st.lists(
    st.tuples(st.integers(0, 3000), st.sets(st.sampled_from("ABC"))), min_size=1, max_size=30
)


@given(frames)
def test_new_presentations_of_one_code_lie_further_apart_than_the_gap(
    steps: list[tuple[int, set[str]]],
) -> None:
    presence = CodePresence(gap_seconds=1.2)
    last_seen: dict[str, int] = {}
    at_ms = 0
    for step_ms, shown in steps:
        at_ms += step_ms
        found = presence.observe(tuple(map(reading, sorted(shown))), at_ms * MILLISECOND)
        expected = sorted(text for text in shown if at_ms - last_seen.get(text, -5000) > 1200)
        assert texts(found) == expected
        last_seen |= dict.fromkeys(shown, at_ms)
