"""Tells when what was put on the screen has been painted. It paints nothing itself."""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtQuick import QQuickWindow

Painted = Callable[[], object]


class PaintWatch(QObject):
    """Lives on the main thread, which is also where the window is drawn."""

    def __init__(self, window: QQuickWindow) -> None:
        super().__init__()
        self._window = window
        self._waiting: list[Painted] = []
        window.frameSwapped.connect(self._tell)

    def await_frame(self, painted: Painted) -> None:
        """Call `painted` once, on the main thread, after the next frame."""
        self._waiting.append(painted)
        # What looks as before makes no frame of its own.
        self._window.update()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for painted in waiting:
            painted()
