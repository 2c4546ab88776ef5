import io
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno

from hardware.ports import Image
from hardware.simulators.mjpeg_camera import MjpegCameraServer
from scanner_app.peripherals.code_source import (
    CameraPicture,
    CameraReport,
    CameraUnusableError,
    CodeSource,
    ShownCode,
    check_camera,
)
from shared.clock import SystemClock
from tests.factories.credentials import EventKeys, P256Holder, a_core

CODE = EventKeys().reference_code(a_core(), P256Holder())
WAIT_SECONDS = 20


class Watcher:
    """Notes all that a camera says, and waits for it."""

    def __init__(self) -> None:
        self.codes: list[ShownCode] = []
        self.reports: list[CameraReport] = []
        self.unusable: list[CameraUnusableError] = []
        self.pictures = 0
        self._news = threading.Condition()

    def on_code(self, code: ShownCode) -> None:
        self._note(lambda: self.codes.append(code))

    def on_picture(self, picture: CameraPicture) -> None:
        assert picture().ndim in {2, 3}
        self._note(self._count)

    def on_camera(self, report: CameraReport) -> None:
        self._note(lambda: self.reports.append(report))

    def on_camera_unusable(self, error: CameraUnusableError) -> None:
        self._note(lambda: self.unusable.append(error))

    def wait(self, condition: Callable[[], bool]) -> None:
        with self._news:
            assert self._news.wait_for(condition, WAIT_SECONDS)

    @property
    def conditions(self) -> list[str]:
        return [report.condition for report in self.reports]

    def _count(self) -> None:
        self.pictures += 1

    def _note(self, change: Callable[[], None]) -> None:
        with self._news:
            change()
            self._news.notify_all()


def a_source(specification: str, watcher: Watcher, *, production: bool = False) -> CodeSource:
    return CodeSource(specification, SystemClock().monotonic_ns, watcher, production=production)


def picture_of(text: str) -> Image:
    buffer = io.BytesIO()
    segno.make(text, error="l", micro=False).save(buffer, kind="png", scale=5, border=6)
    decoded = cv2.imdecode(np.frombuffer(buffer.getvalue(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    return np.asarray(decoded, dtype=np.uint8)


@pytest.fixture
def camera() -> Iterator[MjpegCameraServer]:
    with MjpegCameraServer(rate_per_second=50) as server:
        server.show(picture_of(CODE))
        yield server


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture
def source(camera: MjpegCameraServer, watcher: Watcher) -> Iterator[CodeSource]:
    source = a_source(camera.url, watcher, production=True)
    source.start()
    yield source
    source.stop()


@pytest.mark.usefixtures("source")
def test_a_code_before_the_camera_is_told_once_and_exactly(watcher: Watcher) -> None:
    watcher.wait(lambda: watcher.pictures > 20)
    assert [(code.text, code.source) for code in watcher.codes] == [(CODE, "camera")]
    assert watcher.codes[0].seen_at_ns > 0
    assert watcher.conditions == ["starting", "working"]


@pytest.mark.usefixtures("source")
def test_a_pulled_cable_is_told_once_and_so_is_its_return(
    camera: MjpegCameraServer, watcher: Watcher
) -> None:
    watcher.wait(lambda: watcher.pictures > 0)
    camera.stop_serving()
    watcher.wait(lambda: "lost" in watcher.conditions)
    assert watcher.reports[-1].reason
    camera.resume()
    watcher.wait(lambda: watcher.conditions[-1] == "working")
    assert watcher.conditions == ["starting", "working", "lost", "working"]


def test_it_ends_while_a_camera_is_silent(
    camera: MjpegCameraServer, watcher: Watcher, source: CodeSource
) -> None:
    watcher.wait(lambda: watcher.pictures > 0)
    camera.fall_silent()
    source.stop()
    assert not source._thread.is_alive()


def test_it_ends_while_no_camera_is_there(tmp_path: Path, watcher: Watcher) -> None:
    source = a_source(f"file:{tmp_path / 'missing.mp4'}", watcher)
    source.start()
    watcher.wait(lambda: "lost" in watcher.conditions)
    source.stop()
    assert not source._thread.is_alive()


def test_it_may_be_stopped_before_it_was_started(watcher: Watcher) -> None:
    a_source("simulator:nobody", watcher).stop()
    assert watcher.reports == []


@pytest.mark.parametrize(
    ("specification", "production", "words"),
    [
        ("simulator:elephant", False, "elephant"),
        ("simulator:nobody?colour=blue", False, "colour"),
        ("device:0?width=wide", False, "width"),
        ("simulator:nobody", True, "production"),
    ],
)
def test_what_waiting_cannot_mend_is_told_and_ends_the_thread(
    specification: str, words: str, watcher: Watcher, *, production: bool
) -> None:
    source = a_source(specification, watcher, production=production)
    source.start()
    watcher.wait(lambda: bool(watcher.unusable))
    assert words in str(watcher.unusable[0])
    source.stop()
    assert not source._thread.is_alive()


@pytest.mark.parametrize(
    ("specification", "production"),
    [
        ("device:0", True),
        ("0", True),
        ("/dev/video2", True),
        ("http://10.0.0.5/camera", True),
        ("file:recording.mp4", True),
        ("simulator:nobody", False),
    ],
)
def test_a_camera_that_may_be_asked_for_passes(specification: str, *, production: bool) -> None:
    assert refusal_of(specification, production=production) is None


def refusal_of(specification: str, *, production: bool) -> CameraUnusableError | None:
    try:
        check_camera(specification, production=production)
    except CameraUnusableError as error:
        return error
    return None


@pytest.mark.parametrize(
    ("specification", "production"),
    [("", False), ("camera", False), ("usb:1", False), ("device:", False), ("simulator:x", True)],
)
def test_a_camera_nobody_can_open_is_refused_before_it_is_tried(
    specification: str, *, production: bool
) -> None:
    said = str(refusal_of(specification, production=production))
    assert ". Use " in said or ". Choose " in said
