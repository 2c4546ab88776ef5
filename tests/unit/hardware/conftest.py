import itertools
from collections.abc import Iterator

import pytest

from hardware.ports import MonotonicClock
from hardware.simulators.mjpeg_camera import MjpegCameraServer

MILLISECOND_NS = 1_000_000


@pytest.fixture
def clock() -> MonotonicClock:
    """A clock that moves one millisecond each time it is read."""
    return itertools.count(0, MILLISECOND_NS).__next__


@pytest.fixture
def camera_server() -> Iterator[MjpegCameraServer]:
    with MjpegCameraServer(rate_per_second=100) as server:
        yield server
