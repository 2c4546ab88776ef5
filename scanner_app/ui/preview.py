"""The live picture of the camera. Decodes nothing; a frame that comes too soon is dropped."""

from threading import Lock
from typing import Final

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Property, QObject, QRectF, QSizeF, Qt, Signal
from PySide6.QtGui import QImage, QPainter
from PySide6.QtQuick import QQuickItem, QQuickPaintedItem

PREVIEW_WIDTH_MAX: Final = 640
"""Enough to aim a phone by; finer frames are thinned out before they are copied."""

Frame = npt.NDArray[np.uint8]
"""Height by width for gray, height by width by 3 for blue-green-red."""

_COLOUR_DIMENSIONS: Final = 3


class PreviewFeed(QObject):
    """Holds the newest frame; `offer` and `clear` may be called from any thread."""

    frame_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._waiting: Frame | None = None
        self._image = QImage()
        self._shown: Frame | None = None

    @property
    def image(self) -> QImage:
        """The frame to paint, on the main thread; null before the first."""
        return self._image

    def offer(self, frame: Frame) -> bool:
        """Keep a small copy of a frame, unless one still waits; say whether it was taken."""
        with self._lock:
            if self._waiting is not None:
                return False
            self._waiting = _thinned(frame, -(-frame.shape[1] // PREVIEW_WIDTH_MAX))
            return True

    def announce(self) -> None:
        """Make the waiting frame the shown one; on the main thread."""
        with self._lock:
            waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._image = _image_over(waiting)
            self._shown = waiting  # An image over foreign memory does not keep it alive.
            self.frame_changed.emit()


def _thinned(frame: Frame, stride: int) -> Frame:
    """Copy every so many-th pixel of every so many-th row."""
    if frame.ndim != _COLOUR_DIMENSIONS:
        return np.array(frame[::stride, ::stride], order="C", copy=True)
    # Pixels moved whole take a third of the time of bytes moved one by one.
    pixels = np.ascontiguousarray(frame[::stride]).view("V3")[:, ::stride, 0].copy()
    return pixels.view(np.uint8).reshape(*pixels.shape, frame.shape[2])


def _image_over(frame: Frame) -> QImage:
    height, width = frame.shape[:2]
    colour = frame.ndim == _COLOUR_DIMENSIONS
    form = QImage.Format.Format_BGR888 if colour else QImage.Format.Format_Grayscale8
    return QImage(frame.data, width, height, frame.strides[0], form)


class CameraPreview(QQuickPaintedItem):
    """Paints a feed's newest frame, filling the item and cutting off what does not fit."""

    feed_changed = Signal()

    def __init__(self, parent: QQuickItem | None = None) -> None:
        super().__init__(parent)
        self._feed: PreviewFeed | None = None
        self.setOpaquePainting(True)

    def _get_feed(self) -> PreviewFeed | None:
        return self._feed

    def _set_feed(self, feed: PreviewFeed | None) -> None:
        if feed is self._feed:
            return
        self._feed = feed
        if feed is not None:
            feed.frame_changed.connect(self._repaint)
        self.feed_changed.emit()

    feed = Property(QObject, _get_feed, _set_feed, notify=feed_changed)

    def _repaint(self) -> None:
        if self.isVisible():
            self.update()

    def paint(self, painter: QPainter) -> None:
        """Draw the frame; black before the first."""
        area = self.boundingRect()
        image = QImage() if self._feed is None else self._feed.image
        if image.isNull():
            painter.fillRect(area, Qt.GlobalColor.black)
            return
        painter.drawImage(area, image, _cut(QSizeF(image.size()), area))


def _cut(image: QSizeF, area: QRectF) -> QRectF:
    """Give the middle part of an image that has the area's proportions."""
    fitting = area.size().scaled(image, Qt.AspectRatioMode.KeepAspectRatio)
    left = (image.width() - fitting.width()) / 2
    top = (image.height() - fitting.height()) / 2
    return QRectF(left, top, fitting.width(), fitting.height())
