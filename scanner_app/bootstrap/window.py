"""The kiosk with its window: what the parts say goes to the screen, what people do goes back."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from scanner_app.bootstrap.gate_worker import JudgedCode
from scanner_app.bootstrap.kiosk import Kiosk, KioskAudience
from scanner_app.bootstrap.signals import wait_for_stop_signal
from scanner_app.gate.kiosk import KioskPhase, KioskStatus
from scanner_app.peripherals.code_source import CameraPicture
from scanner_app.peripherals.hand_scanner import HandScanner
from scanner_app.preferences import change_preference, read_preferences
from scanner_app.ui.application import KioskWindow, WindowParts, WindowSettings, run_window
from scanner_app.ui.palette import Theme
from scanner_app.ui.showing import shown_verdict
from scanner_app.ui.sounds import TonePlayer
from scanner_app.ui.texts import LANGUAGES
from shared.clock import Clock
from shared.wire.enrolment_code import EnrolmentCode

_PREVIEW_PERIOD_NS: Final = 66_000_000
"""Fifteen pictures a second are enough to aim a phone by."""
_PICTURED_PHASES: Final = frozenset(KioskPhase) - {KioskPhase.STARTING}


@dataclass(frozen=True, slots=True)
class WindowPlan:
    """How the window is to be, beyond what people chose at it."""

    state_directory: Path
    size: tuple[int, int] | None = None
    screenshots: Path | None = None


@dataclass(frozen=True, slots=True)
class Commands:
    """What people do at the screen, handed to the kiosk."""

    kiosk: Kiosk
    state_directory: Path

    def enrol_scanned(self, text: str) -> None:
        self.kiosk.enrol(lambda: EnrolmentCode.from_text(text))

    def enrol_typed(self, address: str, letters: str) -> None:
        self.kiosk.enrol(lambda: EnrolmentCode.from_typed(address, letters))

    def choose_language(self, code: str) -> None:
        change_preference(self.state_directory, "language", code)

    def choose_theme(self, name: str) -> None:
        change_preference(self.state_directory, "theme", name)

    def dismiss(self) -> None:
        """Nothing more to do: the screen has gone back by itself."""


class Audiences(Protocol):
    """The kiosk's audiences, which the window joins and tells what it has shown."""

    def join(self, audience: KioskAudience) -> None: ...
    def on_shown(self, judged: JudgedCode, shown_at_ns: int) -> None: ...


class WindowAudience:
    """Shows what the kiosk says; every method may be called on any thread."""

    def __init__(
        self, window: KioskWindow, audiences: Audiences, clock: Clock, screenshots: Path | None
    ) -> None:
        self._window = window
        self._audiences = audiences
        self._clock = clock
        self._screenshots = screenshots
        self._pictures = 0 if screenshots is None else len(list(screenshots.glob("*.png")))
        self._pictured: tuple[KioskPhase, bool] | None = None
        self._preview_due_ns = 0

    def on_status(self, status: KioskStatus) -> None:
        self._window.show_status(status)
        view = (status.phase, status.online)
        changed, self._pictured = view != self._pictured, view
        if changed and status.phase in _PICTURED_PHASES:
            self._take_picture(f"{status.phase}-{'online' if status.online else 'offline'}")

    def on_verdict(self, judged: JudgedCode) -> None:
        shown = shown_verdict(judged.judgement, judged.knowledge, self._clock.now_ms())
        self._window.show_verdict(shown, lambda: self._tell_shown(judged))
        self._take_picture(judged.judgement.verdict.code)

    def on_picture(self, picture: CameraPicture) -> None:
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._preview_due_ns:
            self._preview_due_ns = now_ns + _PREVIEW_PERIOD_NS
            self._window.show_frame(picture())

    def on_shown(self, judged: JudgedCode, shown_at_ns: int) -> None:
        """It was the window that said so."""

    def _tell_shown(self, judged: JudgedCode) -> None:
        self._audiences.on_shown(judged, self._clock.monotonic_ns())

    def _take_picture(self, name: str) -> None:
        if self._screenshots is None:
            return
        folder = self._screenshots
        self._window.post(lambda: self._grab(folder, name))

    def _grab(self, folder: Path, name: str) -> None:
        """Save a picture under the next number; on the main thread, which alone counts."""
        self._pictures += 1
        self._window.grab(folder / f"{self._pictures:03d}-{name.lower()}.png")


def run_with_window(
    kiosk: Kiosk,
    audiences: Audiences,
    plan: WindowPlan,
    begin: Callable[[], None],
    clock: Clock,
) -> int:
    """Run until the window is closed or the program is told to stop, and give the exit code."""
    if plan.screenshots is not None:
        plan.screenshots.mkdir(parents=True, exist_ok=True)
    sounds = TonePlayer()
    commands = Commands(kiosk, plan.state_directory)
    parts = WindowParts(commands, sounds, HandScanner(kiosk.submit).hear, clock)

    def started(window: KioskWindow) -> None:
        audiences.join(WindowAudience(window, audiences, clock, plan.screenshots))
        watch = threading.Thread(
            target=_close_on_signal, args=(window,), name="signals", daemon=True
        )
        watch.start()
        begin()

    exit_code = run_window(parts, _window_settings(plan), started)
    kiosk.stop()
    sounds.close()
    return exit_code


def _close_on_signal(window: KioskWindow) -> None:
    wait_for_stop_signal()
    window.close()


def _window_settings(plan: WindowPlan) -> WindowSettings:
    preferences = read_preferences(plan.state_directory)
    language = preferences.language if preferences.language in LANGUAGES else LANGUAGES[0]
    theme = Theme.NIGHT if preferences.theme == Theme.NIGHT else Theme.DAY
    return WindowSettings(language, theme, plan.size)
