import numpy as np
import pytest
from pytestqt.qtbot import QtBot

from scanner_app.ui.preview import PREVIEW_WIDTH_MAX, Frame, PreviewFeed


def a_frame(*shape: int, value: int = 200) -> Frame:
    return np.full(shape, value, np.uint8)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((480, 640), (640, 480)),
        ((480, 640, 3), (640, 480)),
        ((720, 1280), (640, 360)),
        ((1080, 1920, 3), (640, 360)),
        ((33, 41, 3), (41, 33)),
    ],
)
def test_a_frame_becomes_a_small_picture(
    qtbot: QtBot, shape: tuple[int, ...], size: tuple[int, int]
) -> None:
    feed = PreviewFeed()
    with qtbot.waitSignal(feed.frame_changed):
        assert feed.offer(a_frame(*shape))
        feed.announce()
    assert (feed.image.width(), feed.image.height()) == size
    assert feed.image.width() <= PREVIEW_WIDTH_MAX


@pytest.mark.usefixtures("qapp")
def test_colours_are_in_the_cameras_order() -> None:
    feed = PreviewFeed()
    frame = a_frame(4, 4, 3, value=0)
    frame[..., 0] = 255
    feed.offer(frame)
    feed.announce()
    assert feed.image.pixelColor(1, 1).blue() == 255


@pytest.mark.usefixtures("qapp")
def test_a_frame_that_comes_too_soon_is_dropped() -> None:
    feed = PreviewFeed()
    assert feed.offer(a_frame(8, 8, value=10))
    assert not feed.offer(a_frame(8, 8, value=99))
    feed.announce()
    assert feed.image.pixelColor(0, 0).red() == 10
    assert feed.offer(a_frame(8, 8))


@pytest.mark.usefixtures("qapp")
def test_the_picture_does_not_change_with_the_cameras_buffer() -> None:
    feed = PreviewFeed()
    frame = a_frame(8, 8, value=10)
    feed.offer(frame)
    feed.announce()
    frame[:] = 99
    assert feed.image.pixelColor(0, 0).red() == 10


def test_nothing_is_announced_without_a_frame(qtbot: QtBot) -> None:
    feed = PreviewFeed()
    with qtbot.assertNotEmitted(feed.frame_changed):
        feed.announce()
    assert feed.image.isNull()
