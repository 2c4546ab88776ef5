"""The time rule: accept c iff 15c - g <= t < 15c + 15 + g, where g = 5 s + u, up to 15 s."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.admission.decide import decide
from shared.admission.rules import milliseconds_behind
from tests.factories.admission import HOUR_MS, a_credential, a_ticket, a_time, some_facts
from tests.factories.credentials import COUNTER, WINDOW_START_MS

OPENS_MS = WINDOW_START_MS
CLOSES_MS = WINDOW_START_MS + 15_000
VALID = a_ticket(valid_from_ms=OPENS_MS - HOUR_MS, valid_until_ms=CLOSES_MS + HOUR_MS)


def code_at(now_ms: int, uncertainty_ms: int, *, synced: bool = False) -> str:
    facts = some_facts(
        time=a_time(now_ms=now_ms, uncertainty_ms=uncertainty_ms),
        credential=a_credential(counter=COUNTER, synced_within_a_day=synced),
        ticket=VALID,
    )
    return decide(facts).code


@pytest.mark.parametrize(
    ("uncertainty_ms", "grace_ms"),
    [
        pytest.param(0, 5_000, id="exact"),
        pytest.param(20, 5_020, id="usual"),
        pytest.param(9_999, 14_999, id="just under the cap"),
        pytest.param(10_000, 15_000, id="at the cap"),
        pytest.param(3_600_000, 15_000, id="degraded"),
    ],
)
def test_the_edges_of_a_window_lie_exactly_at_the_grace(uncertainty_ms: int, grace_ms: int) -> None:
    assert code_at(OPENS_MS - grace_ms - 1, uncertainty_ms) == "PHONE_CLOCK"
    assert code_at(OPENS_MS - grace_ms, uncertainty_ms) == "ADMIT"
    assert code_at(CLOSES_MS + grace_ms - 1, uncertainty_ms) == "ADMIT"
    assert code_at(CLOSES_MS + grace_ms, uncertainty_ms) == "PHONE_CLOCK"


@pytest.mark.parametrize(
    ("after_close_ms", "synced", "code"),
    [
        pytest.param(-30_000, False, "PHONE_CLOCK", id="ahead"),
        pytest.param(-30_000, True, "PHONE_CLOCK", id="ahead, synced"),
        pytest.param(-3_600_000, False, "PHONE_CLOCK", id="an hour ahead"),
        pytest.param(4_999, True, "ADMIT", id="inside, synced"),
        pytest.param(5_000, False, "PHONE_CLOCK", id="just behind"),
        pytest.param(5_000, True, "STALE_CODE", id="just behind, synced"),
        pytest.param(60_000, False, "PHONE_CLOCK", id="60 s behind"),
        pytest.param(60_001, False, "STALE_CODE", id="more than 60 s behind"),
        pytest.param(60_001, True, "STALE_CODE", id="more than 60 s behind, synced"),
        pytest.param(3_600_000, False, "STALE_CODE", id="an hour behind"),
    ],
)
def test_an_old_picture_and_a_wrong_clock_are_told_apart(
    after_close_ms: int, synced: bool, code: str
) -> None:
    assert code_at(CLOSES_MS + after_close_ms, 0, synced=synced) == code


@given(
    now_ms=st.integers(OPENS_MS - HOUR_MS + 1, CLOSES_MS + HOUR_MS - 1),
    uncertainty_ms=st.integers(0, 60_000),
    synced=st.booleans(),
)
def test_exactly_the_window_with_its_grace_is_accepted(
    now_ms: int, uncertainty_ms: int, synced: bool
) -> None:
    grace_ms = min(5_000 + uncertainty_ms, 15_000)
    inside = OPENS_MS - grace_ms <= now_ms < CLOSES_MS + grace_ms
    assert (code_at(now_ms, uncertainty_ms, synced=synced) == "ADMIT") is inside


@pytest.mark.parametrize(
    ("now_ms", "behind_ms"),
    [
        (OPENS_MS - 5_001, -1),
        (OPENS_MS - 5_000, 0),
        (CLOSES_MS + 4_999, 0),
        (CLOSES_MS + 5_000, 1),
    ],
)
def test_how_far_a_window_lies_outside(now_ms: int, behind_ms: int) -> None:
    facts = some_facts(time=a_time(now_ms=now_ms), credential=a_credential(counter=COUNTER))
    assert milliseconds_behind(facts) == behind_ms


def test_a_code_without_a_window_is_never_behind() -> None:
    assert milliseconds_behind(some_facts(credential=a_credential(counter=None))) is None
