"""A kiosk window under test: opened, looked into, tapped on. It asserts nothing."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtQuick import QQuickItem
from PySide6.QtTest import QTest

from scanner_app.ui.application import KioskWindow, WindowParts, WindowSettings, make_application
from scanner_app.ui.palette import Theme
from scanner_app.ui.verdict_screens import Sound
from scanner_app.ui.verdict_words import ShownVerdict
from shared.clock import SettableClock


@dataclass
class Outside:
    """Everything the window talks to; it only remembers."""

    said: list[tuple[str, ...]] = field(default_factory=list)
    sounds: list[Sound] = field(default_factory=list)
    characters: list[tuple[str, int]] = field(default_factory=list)

    def play(self, sound: Sound) -> None:
        self.sounds.append(sound)

    def hear(self, character: str, at_ns: int) -> None:
        self.characters.append((character, at_ns))

    def enrol_scanned(self, text: str) -> None:
        self.said.append(("enrol_scanned", text))

    def enrol_typed(self, address: str, letters: str) -> None:
        self.said.append(("enrol_typed", address, letters))

    def choose_language(self, code: str) -> None:
        self.said.append(("choose_language", code))

    def choose_theme(self, name: str) -> None:
        self.said.append(("choose_theme", name))

    def dismiss(self) -> None:
        self.said.append(("dismiss",))


@dataclass
class Tally:
    """Counts how often something happened."""

    count: int = 0

    def add(self) -> None:
        self.count += 1


@dataclass
class Kiosk:
    """A window and its outside."""

    window: KioskWindow
    outside: Outside
    painted: Tally = field(default_factory=Tally)

    def show_verdict(self, verdict: ShownVerdict) -> None:
        """Show a verdict as a worker thread would."""
        self.window.show_verdict(verdict, self.painted.add)

    def settle(self) -> None:
        """Let everything happen that is due."""
        QTest.qWait(1)

    def items(self, name: str) -> list[QQuickItem]:
        """List the items of that name that can be seen."""
        return [
            item for item in _below(self.window.window.contentItem()) if item.objectName() == name
        ]

    def tap(self, name: str) -> None:
        """Touch the middle of an item."""
        self.window.window.grabWindow()  # Rows and columns find their places while drawing.
        (item,) = self.items(name)
        middle = item.mapToScene(QPointF(item.width() / 2, item.height() / 2))
        QTest.mouseClick(
            self.window.window,
            Qt.MouseButton.LeftButton,
            Qt.KeyboardModifier.NoModifier,
            QPoint(int(middle.x()), int(middle.y())),
        )
        self.settle()

    def type(self, text: str) -> None:
        """Press the keys of a text, one after the other."""
        for character in text:
            QTest.keyClick(self.window.window, ord(character))
        self.settle()

    def press(self, key: Qt.Key) -> None:
        """Press one key."""
        QTest.keyClick(self.window.window, key)
        self.settle()

    def clipped_texts(self) -> list[str]:
        """List what is to be read but does not fit its place."""
        return [
            str(item.property("text")) for item in self.items("fitText") if item.property("clipped")
        ]


OpenKiosk = Callable[..., Kiosk]


def open_kiosk(size: tuple[int, int] = (1024, 600), theme: Theme = Theme.DAY) -> Kiosk:
    """Open a window; the caller disposes of it."""
    outside = Outside()
    parts = WindowParts(outside, outside, outside.hear, SettableClock(0, elapsed_ns=7))
    window = KioskWindow(make_application(), parts, WindowSettings(theme=theme, size=size))
    QTest.qWaitForWindowActive(window.window)
    return Kiosk(window, outside)


def _below(item: QQuickItem) -> Iterator[QQuickItem]:
    for child in item.childItems():
        if child.isVisible():
            yield child
            yield from _below(child)
