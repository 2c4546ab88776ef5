"""Catches the keys of a hand scanner wherever the focus is; a callback puts the text together."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QWindow

from shared.clock import Clock

_PASSED_ON: Final = Qt.Key.Key_Escape
_COMMANDING: Final = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


class KeyWedgeFilter(QObject):
    """Install on the application. While a person types into a field, every key is the field's."""

    def __init__(self, on_character: Callable[[str, int], None], clock: Clock) -> None:
        super().__init__()
        self._on_character = on_character
        self._clock = clock

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take a typed character out of the stream of events."""
        if event.type() != QEvent.Type.KeyPress or not isinstance(watched, QWindow):
            return False
        if not isinstance(event, QKeyEvent) or _is_for_others(event):
            return False
        if not event.isAutoRepeat():
            self._on_character(event.text(), self._clock.monotonic_ns())
        return True


def _is_for_others(event: QKeyEvent) -> bool:
    wordless = not event.text() or event.key() == _PASSED_ON
    return wordless or bool(event.modifiers() & _COMMANDING) or _is_typing()


def _is_typing() -> bool:
    focus: QObject | None = QGuiApplication.focusObject()
    return focus is not None and focus.inherits("QQuickTextInput")
