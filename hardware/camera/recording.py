"""Plays a video file, a picture, or a folder of pictures as a camera. Without options it gives
every picture once, as fast as it is asked, so that a test or a measurement is repeatable.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from hardware.camera.options import flag, positive_number, refuse_unknown
from hardware.camera.pace import Pace
from hardware.camera.pictures import PICTURE_SUFFIXES, read_picture
from hardware.faults import (
    CameraClosed,
    CameraSpecificationInvalid,
    CameraUnavailable,
    RecordingFinished,
)
from hardware.ports import Camera, Frame, Image, MonotonicClock

_DEFAULT_RATE_PER_SECOND = 25.0
_OPTIONS = frozenset({"loop", "pace", "rate"})


class Recording(Protocol):
    """Pictures that can be played from the start as often as wanted."""

    rate_per_second: float

    def play(self) -> Iterator[Image]: ...


class VideoRecording:
    def __init__(self, path: Path) -> None:
        """Raises CameraUnavailable."""
        self._path = path
        capture = self._open()
        self.rate_per_second = capture.get(cv2.CAP_PROP_FPS) or _DEFAULT_RATE_PER_SECOND
        capture.release()

    def play(self) -> Iterator[Image]:
        capture = self._open()
        try:
            taken, picture = capture.read()
            while taken:
                yield np.asarray(picture, dtype=np.uint8)
                taken, picture = capture.read()
        finally:
            capture.release()

    def _open(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(str(self._path), cv2.CAP_FFMPEG)
        if not capture.isOpened():
            message = f"{self._path.name} is no video that can be played"
            raise CameraUnavailable(message)
        return capture


class PictureRecording:
    rate_per_second = _DEFAULT_RATE_PER_SECOND

    def __init__(self, paths: tuple[Path, ...]) -> None:
        self._paths = paths

    def play(self) -> Iterator[Image]:
        return map(read_picture, self._paths)


class RecordingCamera:
    """Camera over a recording; `pace` None gives pictures as fast as they are asked for."""

    def __init__(
        self,
        label: str,
        recording: Recording,
        *,
        loop: bool,
        pace: Pace | None,
        monotonic_ns: MonotonicClock,
    ) -> None:
        self.label = label
        self._recording = recording
        self._loop = loop
        self._pace = pace
        self._monotonic_ns = monotonic_ns
        self._pictures = recording.play()
        self._sequence = 0
        self._closed = False

    def read(self) -> Frame:
        due = self._pace is None or self._pace.wait()
        if self._closed or not due:
            message = f"{self.label} is closed"
            raise CameraClosed(message)
        frame = Frame(self._next_picture(), self._monotonic_ns(), self._sequence)
        self._sequence += 1
        return frame

    def close(self) -> None:
        self._closed = True
        if self._pace is not None:
            self._pace.stop()

    def _next_picture(self) -> Image:
        picture = next(self._pictures, None)
        if picture is None and self._loop:
            self._pictures = self._recording.play()
            picture = next(self._pictures, None)
        if picture is None:
            message = f"{self.label} has been shown to its end"
            raise RecordingFinished(message)
        return picture


def open_camera(
    location: str, options: Mapping[str, str], *, monotonic_ns: MonotonicClock
) -> Camera:
    """Raises CameraSpecificationInvalid, CameraUnavailable."""
    refuse_unknown(options, _OPTIONS)
    recording = open_recording(Path(location))
    return RecordingCamera(
        label=Path(location).name,
        recording=recording,
        loop=flag(options, "loop"),
        pace=_pace(options, recording, monotonic_ns),
        monotonic_ns=monotonic_ns,
    )


def open_recording(path: Path) -> Recording:
    """Raises CameraUnavailable."""
    if path.is_dir():
        pictures = tuple(
            sorted(entry for entry in path.iterdir() if entry.suffix.lower() in PICTURE_SUFFIXES)
        )
        if not pictures:
            message = f"folder {path.name} holds no pictures"
            raise CameraUnavailable(message)
        return PictureRecording(pictures)
    if not path.is_file():
        message = f"{path.name} does not exist"
        raise CameraUnavailable(message)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return PictureRecording((path,))
    return VideoRecording(path)


def _pace(
    options: Mapping[str, str], recording: Recording, monotonic_ns: MonotonicClock
) -> Pace | None:
    pace = options.get("pace")
    rate_per_second = positive_number(options, "rate", recording.rate_per_second)
    if pace not in {None, "real"}:
        message = f"camera option pace={pace!r} is not known, only real"
        raise CameraSpecificationInvalid(message)
    return Pace(rate_per_second, monotonic_ns) if pace == "real" or "rate" in options else None
