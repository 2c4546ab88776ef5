"""Keeps a camera alive: opens it, notices its loss, finds it again with bounded waits, and says
each change once. It moves frames and never looks into them.
"""

import logging
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum

from hardware.faults import CameraClosed, CameraFault, RecordingFinished
from hardware.ports import Camera, CameraFactory, Frame, MonotonicClock

_logger = logging.getLogger(__name__)
_NANOSECONDS = 1_000_000_000


class CameraCondition(StrEnum):
    """How a camera is."""

    OPENING = "opening"
    WORKING = "working"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class CameraState:
    """A camera's condition since a monotonic time; `reason` is for people, empty unless lost."""

    condition: CameraCondition
    since_ns: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between attempts to open a camera: doubling from the first to the longest.

    A camera that worked for `settled_seconds` starts again at the first wait; a flickering one
    keeps its long wait.
    """

    first_seconds: float = 0.2
    longest_seconds: float = 2.0
    settled_seconds: float = 5.0

    def wait_seconds(self, failures: int) -> float:
        """`failures` in a row, at least one."""
        doublings = min(failures - 1, 30)
        return min(self.longest_seconds, self.first_seconds * 2.0**doublings)


class CameraSupervisor:
    """An endless source of frames over a camera that comes and goes.

    One thread iterates `frames`; any thread may call `stop`.
    """

    def __init__(
        self,
        open_camera: CameraFactory,
        monotonic_ns: MonotonicClock,
        backoff: Backoff,
        on_state: Callable[[CameraState], None],
    ) -> None:
        """`on_state` is called from the thread that iterates `frames`, once for each change."""
        self._open_camera = open_camera
        self._monotonic_ns = monotonic_ns
        self._backoff = backoff
        self._on_state = on_state
        self._state = CameraState(CameraCondition.OPENING, monotonic_ns())
        self._stopping = threading.Event()
        self._camera: Camera | None = None
        self._failures = 0

    @property
    def state(self) -> CameraState:
        return self._state

    def frames(self) -> Generator[Frame]:
        """Frames until `stop` or the end of a recording.

        Faults that waiting cannot mend (a wrong specification, a forbidden simulator) are raised.
        """
        self._on_state(self._state)
        while not self._stopping.is_set():
            try:
                yield from self._frames_of_one_opening()
            except CameraFault as fault:
                self._lose(fault.reason)
                self._stopping.wait(self._backoff.wait_seconds(self._failures))
            except RecordingFinished as fault:
                self._enter(CameraCondition.LOST, fault.reason)
                return
            except CameraClosed:
                if not self._stopping.is_set():
                    raise

    def stop(self) -> None:
        """End `frames` at once; a camera that is just being opened is closed right after."""
        self._stopping.set()
        camera = self._camera
        if camera is not None:
            camera.close()

    def _frames_of_one_opening(self) -> Generator[Frame]:
        camera = self._open_camera()
        self._camera = camera
        try:
            while not self._stopping.is_set():
                frame = camera.read()
                self._work(camera.label)
                yield frame
        finally:
            self._camera = None
            camera.close()

    def _work(self, label: str) -> None:
        """Only a picture proves that a camera works: many open and then give none."""
        if self._state.condition is CameraCondition.WORKING:
            if self._failures and self._worked_seconds() >= self._backoff.settled_seconds:
                self._failures = 0
            return
        event = (
            "camera_recovery" if self._state.condition is CameraCondition.LOST else "camera_start"
        )
        _logger.info(event, extra={"camera": label})
        self._enter(CameraCondition.WORKING)

    def _lose(self, reason: str) -> None:
        self._failures += 1
        if self._state.condition is CameraCondition.LOST:
            return
        _logger.warning("camera_loss", extra={"reason": reason})
        self._enter(CameraCondition.LOST, reason)

    def _enter(self, condition: CameraCondition, reason: str = "") -> None:
        self._state = CameraState(condition, self._monotonic_ns(), reason)
        self._on_state(self._state)

    def _worked_seconds(self) -> float:
        return (self._monotonic_ns() - self._state.since_ns) / _NANOSECONDS
