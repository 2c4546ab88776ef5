from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner_app.gate.gate_time import TimeAnchor, TimeReading, read_gate_time

BOOT = UUID(int=1)
SECOND_NS = 1_000_000_000
ANCHOR = TimeAnchor(time_ms=1_000_000, boottime_ns=50 * SECOND_NS, round_trip_ms=40, boot_id=BOOT)


def read(after_ns: int, time_seen_ms: int = 0) -> TimeReading:
    return read_gate_time(ANCHOR, BOOT, ANCHOR.boottime_ns + after_ns, time_seen_ms)


@pytest.mark.parametrize(
    ("after_seconds", "now_ms", "uncertainty_ms"),
    [
        (0, 1_000_020, 20),
        (1, 1_001_020, 20),
        (20, 1_020_020, 21),
        (3_600, 4_600_020, 200),
        (86_400, 87_400_020, 4_340),
    ],
)
def test_a_signed_time_is_carried_on_and_drifts_by_50_ppm(
    after_seconds: int, now_ms: int, uncertainty_ms: int
) -> None:
    assert read(after_seconds * SECOND_NS) == TimeReading(now_ms, uncertainty_ms)


@pytest.mark.parametrize(
    ("anchor", "boot", "boottime_ns"),
    [
        (None, BOOT, ANCHOR.boottime_ns),
        (ANCHOR, UUID(int=2), ANCHOR.boottime_ns),
        (ANCHOR, BOOT, ANCHOR.boottime_ns - 1),
    ],
    ids=["no anchor", "another boot", "a clock that ran backwards"],
)
def test_without_an_anchor_of_this_boot_nothing_vouches_for_the_time(
    anchor: TimeAnchor | None, boot: UUID, boottime_ns: int
) -> None:
    assert read_gate_time(anchor, boot, boottime_ns, 77) == TimeReading(77, None)


@pytest.mark.parametrize(
    ("time_seen_ms", "trusted"),
    [(1_000_020, True), (1_000_040, True), (1_000_041, False), (9_000_000, False)],
)
def test_a_time_below_the_highest_seen_is_not_trusted(time_seen_ms: int, *, trusted: bool) -> None:
    reading = read(0, time_seen_ms)
    assert (reading.uncertainty_ms is not None) is trusted
    assert reading.now_ms == (1_000_020 if trusted else time_seen_ms)


@pytest.mark.parametrize(
    ("uncertainty_ms", "degraded"), [(None, False), (0, False), (10_000, False), (10_001, True)]
)
def test_more_than_ten_seconds_of_doubt_is_degraded(
    uncertainty_ms: int | None, *, degraded: bool
) -> None:
    assert TimeReading(0, uncertainty_ms).degraded is degraded


@given(st.integers(0, 10**16), st.integers(0, 10**16))
def test_the_gates_time_never_runs_backwards(first_ns: int, second_ns: int) -> None:
    earlier, later = read(min(first_ns, second_ns)), read(max(first_ns, second_ns))
    assert earlier.now_ms <= later.now_ms
    assert (earlier.uncertainty_ms or 0) <= (later.uncertainty_ms or 0)
