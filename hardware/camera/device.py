"""A camera on this computer, through OpenCV and Video4Linux. It asks for a short exposure, since a
moving phone smears at a long one, and reports which wishes the device granted.
"""

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from hardware.camera.newest import SILENCE_LIMIT_SECONDS, Newest
from hardware.camera.options import positive_number, refuse_unknown
from hardware.faults import CameraUnavailable
from hardware.ports import Camera, Frame, MonotonicClock

_logger = logging.getLogger(__name__)
_OPTIONS = frozenset({"width", "height", "rate", "exposure_ms"})
_DEFAULT_EXPOSURE_MILLISECONDS = 8.0
# Video4Linux counts exposure in units of 100 microseconds; 1 is its code for manual exposure, 3
# for automatic.
_EXPOSURE_UNITS_PER_MILLISECOND = 10
_EXPOSURE_MANUAL = 1
_EXPOSURE_AUTOMATIC = 3


class Properties(Protocol):
    """The part of cv2.VideoCapture that is asked for properties."""

    def get(self, property_id: int, /) -> float: ...

    def set(self, property_id: int, value: float, /) -> bool: ...


class Capture(Protocol):
    """The part of cv2.VideoCapture that gives pictures."""

    def read(self) -> tuple[bool, NDArray[np.generic]]: ...

    def release(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """One property that a device is asked to take."""

    name: str
    property_id: int
    value: float


@dataclass(frozen=True, slots=True)
class WishOutcome:
    """What a device made of a wish: `got` is what it says afterwards."""

    name: str
    wanted: float
    got: float
    granted: bool


class DeviceCamera:
    """An opened capture device. A thread reads it, since a device that hangs can hold a read for
    ten seconds and one that buffers would show the past; the same thread releases it, since OpenCV
    crashes when a device is released while it is read.
    """

    def __init__(self, label: str, capture: Capture, monotonic_ns: MonotonicClock) -> None:
        self.label = label
        self._capture = capture
        self._monotonic_ns = monotonic_ns
        self._newest: Newest[Frame] = Newest(label)
        self._closing = threading.Event()
        self._receiver = threading.Thread(target=self._receive, name=f"camera {label}", daemon=True)
        self._receiver.start()

    def read(self) -> Frame:
        return self._newest.take()

    def close(self) -> None:
        self._newest.close()
        self._closing.set()
        self._receiver.join(SILENCE_LIMIT_SECONDS)

    def _receive(self) -> None:
        sequence = 0
        taken, picture = self._capture.read()
        while taken and not self._closing.is_set():
            image = np.asarray(picture, dtype=np.uint8)
            self._newest.publish(Frame(image, self._monotonic_ns(), sequence))
            sequence += 1
            taken, picture = self._capture.read()
        self._newest.end("it gives no picture")
        self._capture.release()


def open_camera(
    location: str, options: Mapping[str, str], *, monotonic_ns: MonotonicClock
) -> Camera:
    """`location` is a number or a path below /dev.

    Raises CameraSpecificationInvalid, CameraUnavailable.
    """
    refuse_unknown(options, _OPTIONS)
    wishes = plan_wishes(options)
    path = Path(f"/dev/video{location}" if location.isdecimal() else location)
    # OpenCV writes to the terminal at each failed attempt: a missing device is noticed before.
    if not path.exists():
        message = f"{path} does not exist"
        raise CameraUnavailable(message)
    capture = cv2.VideoCapture(str(path), cv2.CAP_V4L2)
    if not capture.isOpened():
        capture.release()
        message = f"{path} could not be opened"
        raise CameraUnavailable(message)
    _report(str(path), apply_wishes(capture, wishes))
    return DeviceCamera(str(path), capture, monotonic_ns)


def plan_wishes(options: Mapping[str, str]) -> tuple[Wish, ...]:
    """Format first: devices refuse sizes and rates that their present format cannot carry.

    Raises CameraSpecificationInvalid.
    """
    return (
        Wish("format", cv2.CAP_PROP_FOURCC, float(cv2.VideoWriter.fourcc(*"MJPG"))),
        Wish("width", cv2.CAP_PROP_FRAME_WIDTH, positive_number(options, "width", 1280)),
        Wish("height", cv2.CAP_PROP_FRAME_HEIGHT, positive_number(options, "height", 720)),
        Wish("rate", cv2.CAP_PROP_FPS, positive_number(options, "rate", 30)),
        Wish("buffered frames", cv2.CAP_PROP_BUFFERSIZE, 1),
        *_plan_exposure(options),
    )


def apply_wishes(capture: Properties, wishes: tuple[Wish, ...]) -> tuple[WishOutcome, ...]:
    return tuple(_apply_wish(capture, wish) for wish in wishes)


def _plan_exposure(options: Mapping[str, str]) -> tuple[Wish, ...]:
    if options.get("exposure_ms") == "auto":
        return (Wish("automatic exposure", cv2.CAP_PROP_AUTO_EXPOSURE, _EXPOSURE_AUTOMATIC),)
    milliseconds = positive_number(options, "exposure_ms", _DEFAULT_EXPOSURE_MILLISECONDS)
    return (
        Wish("manual exposure", cv2.CAP_PROP_AUTO_EXPOSURE, _EXPOSURE_MANUAL),
        Wish(
            "exposure", cv2.CAP_PROP_EXPOSURE, round(milliseconds * _EXPOSURE_UNITS_PER_MILLISECOND)
        ),
    )


def _apply_wish(capture: Properties, wish: Wish) -> WishOutcome:
    accepted = capture.set(wish.property_id, wish.value)
    got = capture.get(wish.property_id)
    return WishOutcome(wish.name, wish.value, got, granted=accepted and got == wish.value)


def _report(label: str, outcomes: tuple[WishOutcome, ...]) -> None:
    refused = [
        f"{outcome.name} {outcome.wanted:g}, has {outcome.got:g}"
        for outcome in outcomes
        if not outcome.granted
    ]
    granted = [outcome.name for outcome in outcomes if outcome.granted]
    _logger.info("camera_settings", extra={"camera": label, "granted": granted, "refused": refused})
