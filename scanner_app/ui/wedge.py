"""Catches the keys of a hand scanner wherever the focus is; a callback puts the text together."""

from collections.abc import Callable
from typing import Final

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QGuiApplication, QKeyEvent, QWindow

from shared.clock import NANOSECONDS_PER_MILLISECOND, Clock

_LATE_NS_MAX: Final = 2_000_000_000
"""Later than this no key is handled: its stamp and our clock have drifted apart instead."""
_PASSED_ON: Final = Qt.Key.Key_Escape
_COMMANDING: Final = (
    Qt.KeyboardModifier.ControlModifier
    | Qt.KeyboardModifier.AltModifier
    | Qt.KeyboardModifier.MetaModifier
)


class KeyTimes:
    """Tells when keys were pressed, by the system's stamps, as times of our monotonic clock.

    Keys wait while a picture is painted; by the times at which they are handled, a scanner's text
    would fall into two. The stamps begin anywhere, so the key that waited least sets them right.
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None

    def pressed_at_ns(self, stamp_ms: int, handled_at_ns: int) -> int:
        """Give a key's time; it is never later than the moment at which the key is handled."""
        stamp_ns = stamp_ms * NANOSECONDS_PER_MILLISECOND
        offset_ns = handled_at_ns - stamp_ns
        known_ns = self._offset_ns
        if known_ns is None or not 0 <= offset_ns - known_ns <= _LATE_NS_MAX:
            self._offset_ns = known_ns = offset_ns
        return stamp_ns + known_ns


class KeyWedgeFilter(QObject):
    """Install on the application. While a person types into a field, every key is the field's."""

    def __init__(self, on_character: Callable[[str, int], None], clock: Clock) -> None:
        super().__init__()
        self._on_character = on_character
        self._clock = clock
        self._times = KeyTimes()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take a typed character out of the stream of events."""
        if event.type() != QEvent.Type.KeyPress or not isinstance(watched, QWindow):
            return False
        if not isinstance(event, QKeyEvent) or _is_for_others(event):
            return False
        if not event.isAutoRepeat():
            handled_at_ns = self._clock.monotonic_ns()
            pressed_at_ns = self._times.pressed_at_ns(event.timestamp(), handled_at_ns)
            self._on_character(event.text(), pressed_at_ns)
        return True


def _is_for_others(event: QKeyEvent) -> bool:
    wordless = not event.text() or event.key() == _PASSED_ON
    return wordless or bool(event.modifiers() & _COMMANDING) or _is_typing()


def _is_typing() -> bool:
    focus: QObject | None = QGuiApplication.focusObject()
    return focus is not None and focus.inherits("QQuickTextInput")
