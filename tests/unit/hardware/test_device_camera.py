import threading

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.camera.device import DeviceCamera, Wish, WishOutcome, apply_wishes, plan_wishes
from hardware.faults import CameraLost
from hardware.ports import MonotonicClock


class StubbornCapture:
    """Takes some properties, keeps its own value for others, as real webcams do."""

    def __init__(self, fixed: dict[int, float]) -> None:
        self._fixed = fixed
        self._taken: dict[int, float] = {}

    def get(self, property_id: int, /) -> float:
        return self._fixed.get(property_id, self._taken.get(property_id, 0.0))

    def set(self, property_id: int, value: float, /) -> bool:
        self._taken[property_id] = value
        return True


class UnpluggedCapture:
    """Gives one picture and then none; `hang` makes it hold the next read until it is let go."""

    def __init__(self, *, hang: bool) -> None:
        self.let_go = threading.Event()
        self.released = threading.Event()
        self._pictures = iter([True])
        self._let_go_at_once = not hang

    def read(self) -> tuple[bool, NDArray[np.generic]]:
        taken = next(self._pictures, False)
        patience_seconds = 0 if taken or self._let_go_at_once else 20
        self.let_go.wait(patience_seconds)
        return taken, np.zeros((2, 2, 3), np.uint8)

    def release(self) -> None:
        self.released.set()


@pytest.mark.parametrize("hang", [False, True])
def test_unplugged_device_is_a_loss(*, hang: bool, clock: MonotonicClock) -> None:
    capture = UnpluggedCapture(hang=hang)
    camera = DeviceCamera("device", capture, clock)
    with pytest.raises(CameraLost, match="picture"):
        [camera.read() for _ in range(2)]
    capture.let_go.set()
    camera.close()
    assert capture.released.wait(20)


def wishes(**options: str) -> dict[str, float]:
    return {wish.name: wish.value for wish in plan_wishes(options)}


def test_short_exposure_small_buffer_and_720p_are_asked_for() -> None:
    planned = wishes()
    assert (planned["width"], planned["height"], planned["buffered frames"]) == (1280, 720, 1)
    assert (planned["manual exposure"], planned["exposure"]) == (1, 80)


def test_format_is_asked_for_first() -> None:
    assert plan_wishes({})[0].name == "format"


@pytest.mark.parametrize(("milliseconds", "units"), [("4", 40), ("0.5", 5), ("16.6", 166)])
def test_exposure_is_counted_in_tenths_of_milliseconds(milliseconds: str, units: int) -> None:
    assert wishes(exposure_ms=milliseconds)["exposure"] == units


def test_automatic_exposure_leaves_the_time_to_the_device() -> None:
    planned = wishes(exposure_ms="auto")
    assert planned["automatic exposure"] == 3
    assert "exposure" not in planned


def test_outcome_says_what_the_device_took_and_what_it_kept() -> None:
    capture = StubbornCapture(fixed={cv2.CAP_PROP_EXPOSURE: 156.0})
    wanted = (
        Wish("width", cv2.CAP_PROP_FRAME_WIDTH, 1280),
        Wish("exposure", cv2.CAP_PROP_EXPOSURE, 80),
    )
    assert apply_wishes(capture, wanted) == (
        WishOutcome("width", 1280, 1280, granted=True),
        WishOutcome("exposure", 80, 156, granted=False),
    )
