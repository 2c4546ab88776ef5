"""When keys were pressed: by their stamps, however late they are handled."""

import pytest

from scanner_app.ui.wedge import KeyTimes

_MS = 1_000_000
_SECOND = 1_000 * _MS


@pytest.mark.parametrize(
    ("keys", "expected_ms"),
    [
        pytest.param([(10, 500), (15, 505)], [500, 505], id="handled as they come"),
        pytest.param(
            [(10, 500), (15, 750), (20, 751)], [500, 505, 510], id="a picture was painted"
        ),
        pytest.param([(10, 700), (15, 701), (20, 702)], [700, 701, 702], id="painted at the first"),
        pytest.param([(10, 500), (5, 9_000)], [500, 9_000], id="stamps began anew"),
    ],
)
def test_a_key_has_the_time_of_its_stamp(
    keys: list[tuple[int, int]], expected_ms: list[int]
) -> None:
    times = KeyTimes()
    pressed = [times.pressed_at_ns(stamp, handled * _MS) for stamp, handled in keys]
    assert pressed == [at_ms * _MS for at_ms in expected_ms]


def test_stamps_that_drift_do_not_carry_a_key_into_the_past() -> None:
    times = KeyTimes()
    times.pressed_at_ns(0, 0)
    assert times.pressed_at_ns(1_000, 60 * _SECOND) == 60 * _SECOND
