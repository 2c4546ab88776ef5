"""What every camera driver must do, real or simulated."""

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from hardware.camera.device import DeviceCamera
from hardware.decoding.reader import CodeReader
from hardware.decoding.zxing import draw_modules
from hardware.faults import CameraClosed
from hardware.ports import Camera, Image
from hardware.registry import open_camera
from hardware.simulators.mjpeg_camera import MjpegCameraServer
from hardware.simulators.phone_screen import Scene, render_phone

TEXT = "TK1:KARIBU  SANA%"
FRAMES = 12
PATIENCE_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Rig:
    """A driver in front of a phone, and the clock that its cameras read."""

    open: Callable[[], Camera]
    clock_reads: list[int]


class CountingClock:
    def __init__(self) -> None:
        self.reads: list[int] = []
        self._times = itertools.count(1_000_000_000, 1_000_000)

    def __call__(self) -> int:
        self.reads.append(next(self._times))
        return self.reads[-1]


def phone(seed: int = 1) -> Image:
    return render_phone(draw_modules(TEXT), Scene(), np.random.default_rng(seed))


def write_pictures(folder: Path) -> Path:
    for index in range(FRAMES):
        cv2.imwrite(str(folder / f"{index:02}.jpg"), phone(index))
    return folder


def write_video(folder: Path) -> Path:
    path = folder / "queue.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (1280, 720))
    for index in range(FRAMES):
        writer.write(phone(index))
    writer.release()
    return path


def opener(specification: str, clock: CountingClock) -> Callable[[], Camera]:
    return lambda: open_camera(specification, monotonic_ns=clock, production=False)


def folder_rig(folder: Path, clock: CountingClock, _: ExitStack) -> Callable[[], Camera]:
    return opener(f"file:{write_pictures(folder)}?loop", clock)


def video_rig(folder: Path, clock: CountingClock, _: ExitStack) -> Callable[[], Camera]:
    return opener(f"file:{write_video(folder)}?pace=real", clock)


def mjpeg_rig(_: Path, clock: CountingClock, stack: ExitStack) -> Callable[[], Camera]:
    server = stack.enter_context(MjpegCameraServer())
    server.show(phone())
    return opener(server.url, clock)


def simulator_rig(_: Path, clock: CountingClock, __: ExitStack) -> Callable[[], Camera]:
    return opener("simulator:phone?rate=200&text=TK1%3AKARIBU%20%20SANA%25", clock)


class PacedCapture:
    """OpenCV's capture of a file at the pace of a device, since a test machine has no camera."""

    def __init__(self, path: Path) -> None:
        self._capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        self._pace = threading.Event()

    def read(self) -> tuple[bool, NDArray[np.generic]]:
        self._pace.wait(0.02)
        self._capture.set(cv2.CAP_PROP_POS_FRAMES, 0)
        return self._capture.read()

    def release(self) -> None:
        self._capture.release()


def device_rig(folder: Path, clock: CountingClock, _: ExitStack) -> Callable[[], Camera]:
    path = write_video(folder)
    return lambda: DeviceCamera("device", PacedCapture(path), clock)


@pytest.fixture(params=[folder_rig, video_rig, mjpeg_rig, simulator_rig, device_rig])
def rig(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Rig]:
    clock = CountingClock()
    with ExitStack() as stack:
        yield Rig(request.param(tmp_path, clock, stack), clock.reads)


@pytest.fixture
def camera(rig: Rig) -> Iterator[Camera]:
    camera = rig.open()
    yield camera
    camera.close()


def test_frame_is_a_picture_in_gray_or_in_colour(camera: Camera) -> None:
    image = camera.read().image
    assert image.shape[:2] == (720, 1280)
    assert image.shape[2:] in {(), (3,)}
    assert image.dtype.name == "uint8"


def test_frames_are_numbered_upwards(camera: Camera) -> None:
    sequences = [camera.read().sequence for _ in range(4)]
    assert sequences == sorted(set(sequences))


def test_frames_carry_times_of_the_clock_given(camera: Camera, rig: Rig) -> None:
    times = [camera.read().captured_at_ns for _ in range(4)]
    assert times == sorted(set(times))
    assert set(times) <= set(rig.clock_reads)


def test_code_in_front_of_the_camera_is_read_exactly(camera: Camera) -> None:
    assert [reading.text for reading in CodeReader().read(camera.read())] == [TEXT]


def test_frame_stays_as_it_was_when_the_next_is_read(camera: Camera) -> None:
    first = camera.read()
    copy = first.image.copy()
    camera.read()
    assert np.array_equal(first.image, copy)


def test_camera_has_a_name(camera: Camera) -> None:
    assert camera.label.strip()


def test_closed_camera_says_so(camera: Camera) -> None:
    camera.read()
    camera.close()
    with pytest.raises(CameraClosed):
        camera.read()


def test_closing_twice_is_closing_once(camera: Camera) -> None:
    camera.close()
    camera.close()
    with pytest.raises(CameraClosed):
        camera.read()


def test_closing_from_another_thread_ends_the_reading(camera: Camera) -> None:
    reading = threading.Event()

    def read_for_ever() -> None:
        with suppress(CameraClosed):
            while True:
                camera.read()
                reading.set()

    reader = threading.Thread(target=read_for_ever)
    reader.start()
    assert reading.wait(PATIENCE_SECONDS)
    camera.close()
    reader.join(PATIENCE_SECONDS)
    assert not reader.is_alive()


def test_camera_opens_again_after_it_was_closed(rig: Rig) -> None:
    for _ in range(2):
        camera = rig.open()
        assert camera.read().image.any()
        camera.close()
