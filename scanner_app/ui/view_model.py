"""Holds the one Screen for QML and hands a person's taps on. Words nothing and decides nothing."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Protocol

from PySide6.QtCore import Property, QObject, QTimer, Signal, Slot

from scanner_app.gate.kiosk import KioskPhase, KioskStatus
from scanner_app.ui.palette import Theme
from scanner_app.ui.presentation import Manner, Presented, present, with_recent
from scanner_app.ui.screen import Screen
from scanner_app.ui.verdict_words import ShownVerdict
from scanner_app.ui.wording import Wording


class KioskCommands(Protocol):
    """What a person at the screen may ask for; called on the main thread, so it must not wait."""

    def enrol_scanned(self, text: str) -> None:
        """Enrol with the text of a setup code that a hand scanner typed into a field."""
        ...

    def enrol_typed(self, address: str, letters: str) -> None:
        """Enrol with an address and letters that a person typed."""
        ...

    def choose_language(self, code: str) -> None:
        """Remember the language; the screen has changed already."""
        ...

    def choose_theme(self, name: str) -> None:
        """Remember the theme; the screen has changed already."""
        ...

    def dismiss(self) -> None:
        """Hear that a person has tapped the verdict away."""
        ...


class KioskViewModel(QObject):
    """What the window shows; lives on the main thread.

    A verdict replaces the one before it at once and leaves by itself after its time.
    """

    shown_changed = Signal()

    def __init__(
        self, commands: KioskCommands, wordings: Mapping[str, Wording], manner: Manner
    ) -> None:
        super().__init__()
        self._commands = commands
        self._wordings = wordings
        self._manner = manner
        self._presented = Presented(KioskStatus(KioskPhase.STARTING))
        self._dwell = QTimer(self, singleShot=True)
        self._dwell.timeout.connect(self._clear_verdict)
        self._screen = present(self._presented, manner, wordings)
        self._shown_json = _as_json(self._screen)

    @property
    def screen(self) -> Screen:
        """What is to be seen now."""
        return self._screen

    def _shown(self) -> str:
        return self._shown_json

    # As text, because QML then makes one object of it, where it would convert a map anew for
    # every binding that reads a member.
    shown = Property(str, _shown, notify=shown_changed)

    def show_status(self, status: KioskStatus) -> None:
        """Take in how the kiosk stands."""
        self._show(replace(self._presented, status=status))

    def show_verdict(self, verdict: ShownVerdict) -> None:
        """Put a verdict on the screen, whatever is there."""
        recent = self._presented.recent
        if not _repeats(verdict):
            recent = with_recent(recent, verdict)
        self._dwell.start(verdict.face.dwell_ms)
        self._show(replace(self._presented, verdict=verdict, recent=recent))

    @Slot(str)
    def enrol_scanned(self, text: str) -> None:
        self._commands.enrol_scanned(text.strip())

    @Slot(str, str)
    def enrol_typed(self, address: str, letters: str) -> None:
        self._commands.enrol_typed(address.strip(), letters.strip())

    @Slot(str)
    def choose_language(self, code: str) -> None:
        self._manner = replace(self._manner, language=code)
        self._show(self._presented)
        self._commands.choose_language(code)

    @Slot()
    def switch_theme(self) -> None:
        """Change from day to night or back."""
        theme = Theme.DAY if self._manner.theme is Theme.NIGHT else Theme.NIGHT
        self._manner = replace(self._manner, theme=theme)
        self._show(self._presented)
        self._commands.choose_theme(theme)

    @Slot()
    def dismiss(self) -> None:
        """Go back to scanning before the verdict's time is over."""
        self._dwell.stop()
        self._clear_verdict()
        self._commands.dismiss()

    def _clear_verdict(self) -> None:
        self._show(replace(self._presented, verdict=None))

    def _show(self, presented: Presented) -> None:
        self._presented = presented
        screen = present(presented, self._manner, self._wordings)
        if screen != self._screen:
            self._screen = screen
            self._shown_json = _as_json(screen)
            self.shown_changed.emit()


def _as_json(screen: Screen) -> str:
    return json.dumps(asdict(screen), ensure_ascii=False)


def _repeats(shown: ShownVerdict) -> bool:
    return getattr(shown.verdict, "repeat_of", None) is not None
