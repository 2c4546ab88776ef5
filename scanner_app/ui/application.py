"""Opens the window and wires its parts. Decides nothing; the only file that starts Qt."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QColor, QFont, QGuiApplication
from PySide6.QtQml import QQmlApplicationEngine, QQmlError, qmlRegisterType
from PySide6.QtQuick import QQuickWindow

from scanner_app.gate.kiosk import KioskStatus
from scanner_app.ui.dispatch import MainThreadDispatcher
from scanner_app.ui.painting import Painted, PaintWatch
from scanner_app.ui.palette import Theme
from scanner_app.ui.presentation import Manner
from scanner_app.ui.preview import CameraPreview, Frame, PreviewFeed
from scanner_app.ui.sounds import SoundPlayer
from scanner_app.ui.texts import LANGUAGES, load_wordings
from scanner_app.ui.verdict_words import ShownVerdict
from scanner_app.ui.view_model import KioskCommands, KioskViewModel
from scanner_app.ui.wedge import KeyWedgeFilter
from shared.clock import Clock

_MAIN_FILE: Final = Path(__file__).parent / "qml" / "Main.qml"
_FONT: Final = "DejaVu Sans"


class BrokenWindowError(Exception):
    """The window's own files do not load: a fault of the program or its installation."""


@dataclass(frozen=True, slots=True)
class WindowSettings:
    """How the window opens; without a size it fills the screen."""

    language: str = LANGUAGES[0]
    theme: Theme = Theme.DAY
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class WindowParts:
    """What the window works with from outside."""

    commands: KioskCommands
    sounds: SoundPlayer
    on_character: Callable[[str, int], None]
    """Hears each character typed outside a field, with a monotonic time; on the main thread."""
    clock: Clock


class KioskWindow:
    """The kiosk's window. `show_*`, `post` and `close` may be called from any thread."""

    def __init__(
        self, application: QGuiApplication, parts: WindowParts, how: WindowSettings
    ) -> None:
        self._application = application
        self._sounds = parts.sounds
        self._dispatcher = MainThreadDispatcher()
        self._feed = PreviewFeed()
        manner = Manner(how.language, how.theme)
        self._view_model = KioskViewModel(parts.commands, load_wordings(), manner)
        self._wedge = KeyWedgeFilter(parts.on_character, parts.clock)
        self._engine = QQmlApplicationEngine()
        self._window = self._load()
        self._paint_watch = PaintWatch(self._window)
        application.installEventFilter(self._wedge)
        self._open(how.size)

    @property
    def view_model(self) -> KioskViewModel:
        """What the window shows; for the main thread only."""
        return self._view_model

    @property
    def window(self) -> QQuickWindow:
        """The window itself; for the main thread only."""
        return self._window

    def show_status(self, status: KioskStatus) -> None:
        """Show how the kiosk stands."""
        self.post(lambda: self._view_model.show_status(status))

    def show_verdict(self, verdict: ShownVerdict, painted: Painted | None = None) -> None:
        """Sound and show a verdict, in place of the one before.

        `painted` is called on the main thread when it is on the screen.
        """
        self._sounds.play(verdict.face.sound)
        self.post(lambda: self._put_up(verdict, painted))

    def show_frame(self, frame: Frame) -> None:
        """Show a camera's picture, unless the one before is still on its way."""
        if self._feed.offer(frame):
            self.post(self._feed.announce)

    def post(self, work: Callable[[], object]) -> None:
        """Have work done on the main thread."""
        self._dispatcher.post(work)

    def grab(self, path: Path) -> bool:
        """Save a picture of the window, on the main thread; say whether it worked."""
        return self._window.grabWindow().save(str(path))

    def close(self) -> None:
        """Close the window, which ends `run_window`."""
        self.post(self._window.close)

    def dispose(self) -> None:
        """Take the window apart, on the main thread."""
        self._application.removeEventFilter(self._wedge)
        self._window.close()
        self._window.deleteLater()
        self._engine.deleteLater()

    def _put_up(self, verdict: ShownVerdict, painted: Painted | None) -> None:
        if painted is not None:
            self._paint_watch.await_frame(painted)
        self._view_model.show_verdict(verdict)
        self._window.update()  # A repeat changes nothing, and must be told of all the same.

    def _load(self) -> QQuickWindow:
        qmlRegisterType(CameraPreview, "Zeraket.Gate", 1, 0, "CameraPreview")  # type: ignore[call-overload]
        faults: list[QQmlError] = []
        self._engine.warnings.connect(faults.extend)
        self._engine.setInitialProperties({"kiosk": self._view_model, "feed": self._feed})
        self._engine.load(str(_MAIN_FILE))
        roots = self._engine.rootObjects()
        if not roots or not isinstance(roots[0], QQuickWindow):
            raise BrokenWindowError("; ".join(fault.toString() for fault in faults))
        return roots[0]

    def _open(self, size: tuple[int, int] | None) -> None:
        self._window.setColor(QColor(self._view_model.screen.colours.background))
        if size is None:
            # Without a window manager, as on many kiosks, nobody else makes it fill the screen.
            self._window.setGeometry(self._window.screen().geometry())
            self._window.showFullScreen()
        else:
            self._window.resize(QSize(*size))
            self._window.show()


def make_application() -> QGuiApplication:
    """Give Qt's application, made once a process, with a font that has every language's letters."""
    os.environ.setdefault("LC_ALL", "C.UTF-8")  # Qt warns of any other.
    # Drawing on a thread of its own would wait for Python while Python waits for the drawing.
    os.environ.setdefault("QSG_RENDER_LOOP", "basic")
    application = QGuiApplication.instance() or QGuiApplication(["zeraket-gate"])
    if not isinstance(application, QGuiApplication):
        message = "an application without a screen runs in this process already"
        raise BrokenWindowError(message)
    application.setApplicationDisplayName("ZERAKET Gate")
    font = QFont(_FONT)
    font.setStyleHint(QFont.StyleHint.SansSerif)
    application.setFont(font)
    return application


def run_window(
    parts: WindowParts, how: WindowSettings, started: Callable[[KioskWindow], None]
) -> int:
    """Show the window until it is closed; `started` is called once, on the main thread.

    Gives the exit code.
    """
    application = make_application()
    application.setOverrideCursor(Qt.CursorShape.BlankCursor)
    window = KioskWindow(application, parts, how)
    window.post(lambda: started(window))
    exit_code = application.exec()
    window.dispose()
    return exit_code
