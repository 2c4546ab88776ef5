from pathlib import Path

import cv2
import numpy as np
import pytest

from hardware.camera.pictures import encode_jpeg, read_picture, to_gray
from hardware.faults import CameraUnavailable, PictureUnreadable, RecordingFinished
from hardware.ports import Image, MonotonicClock
from hardware.registry import open_camera


def shade(value: int) -> Image:
    return np.full((48, 64, 3), value, np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index, value in enumerate((10, 20, 30)):
        cv2.imwrite(str(tmp_path / f"{index}.png"), shade(value))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "queue.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 20, (64, 48))
    for value in (10, 20, 30):
        writer.write(shade(value))
    writer.release()
    return path


def shades(specification: str, count: int, clock: MonotonicClock) -> list[int]:
    camera = open_camera(specification, monotonic_ns=clock)
    try:
        return [int(round(float(np.mean(camera.read().image)), -1)) for _ in range(count)]
    finally:
        camera.close()


def test_folder_is_shown_in_the_order_of_names(folder: Path, clock: MonotonicClock) -> None:
    assert shades(f"file:{folder}", 3, clock) == [10, 20, 30]


def test_loop_begins_again(folder: Path, clock: MonotonicClock) -> None:
    assert shades(f"file:{folder}?loop", 7, clock) == [10, 20, 30, 10, 20, 30, 10]


def test_video_is_played_and_looped(video: Path, clock: MonotonicClock) -> None:
    assert shades(f"file:{video}?loop&pace=real", 4, clock) == [10, 20, 30, 10]


def test_single_picture_is_shown_once(folder: Path, clock: MonotonicClock) -> None:
    camera = open_camera(f"file:{folder / '1.png'}", monotonic_ns=clock)
    assert camera.read().image[0, 0, 0] == 20
    with pytest.raises(RecordingFinished, match="loop"):
        camera.read()
    camera.close()


def test_picture_that_cannot_be_read_is_named(folder: Path, clock: MonotonicClock) -> None:
    (folder / "0.png").write_bytes(b"torn")
    camera = open_camera(f"file:{folder}", monotonic_ns=clock)
    with pytest.raises(PictureUnreadable, match=r"0\.png"):
        camera.read()
    camera.close()


@pytest.mark.parametrize("content", [b"", b"not a video"])
def test_file_that_is_no_video_is_unavailable(
    content: bytes, tmp_path: Path, clock: MonotonicClock
) -> None:
    path = tmp_path / "queue.mp4"
    path.write_bytes(content)
    with pytest.raises(CameraUnavailable, match=r"queue\.mp4"):
        open_camera(f"file:{path}", monotonic_ns=clock)


def test_folder_without_pictures_is_unavailable(tmp_path: Path, clock: MonotonicClock) -> None:
    with pytest.raises(CameraUnavailable, match="no pictures"):
        open_camera(f"file:{tmp_path}", monotonic_ns=clock)


@pytest.mark.parametrize("content", [b"", b"no picture", encode_jpeg(shade(9))[:40]])
def test_broken_picture_is_unreadable(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(PictureUnreadable, match=r"photo\.jpg is not a picture"):
        read_picture(path)


def test_missing_picture_is_unreadable(tmp_path: Path) -> None:
    with pytest.raises(PictureUnreadable, match="cannot be read"):
        read_picture(tmp_path / "nothing.png")


def test_gray_stays_gray() -> None:
    assert to_gray(shade(50)).shape == (48, 64)
    assert to_gray(to_gray(shade(50))).shape == (48, 64)
