"""Draws every screen of the kiosk into a folder, from made-up scans; judges nothing.

Usage: screenshots.py [FOLDER]
"""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Final
from uuid import UUID

import numpy as np
from PySide6.QtCore import Qt
from PySide6.QtQuick import QQuickItem
from PySide6.QtTest import QTest

from scanner_app.gate.kiosk import (
    CameraCondition,
    EnrolmentProblem,
    Fault,
    KioskPhase,
    KioskStatus,
)
from scanner_app.ui.application import KioskWindow, WindowParts, WindowSettings, make_application
from scanner_app.ui.palette import Theme
from scanner_app.ui.preview import Frame
from scanner_app.ui.texts import LANGUAGES
from scanner_app.ui.verdict_screens import Sound
from scanner_app.ui.verdict_words import ShownVerdict
from shared.admission.verdict import (
    Admit,
    Explanation,
    Outcome,
    Reason,
    Refusal,
    Refuse,
    Verdict,
)
from shared.clock import system_clock
from shared.ids import GateId

DEFAULT_FOLDER: Final = Path(".demo/screenshots")
SIZES: Final = ((1024, 600), (1920, 1080), (3840, 2160), (600, 1024))

NOW_MS: Final = 1_795_447_800_000
"""23 November 2026, 18:30 in Kampala."""
_MINUTE_MS: Final = 60_000
_THIS_GATE: Final = GateId(UUID("018f0000-0000-7000-8000-00000000000a"))
_OTHER_GATE: Final = GateId(UUID("018f0000-0000-7000-8000-00000000000b"))

_GROUNDS: Final = {
    Refusal.LEASE_EXPIRED: Reason(Refusal.LEASE_EXPIRED, at_ms=NOW_MS - 20 * _MINUTE_MS),
    Refusal.STALE_CODE: Reason(Refusal.STALE_CODE, at_ms=NOW_MS - 3 * _MINUTE_MS),
    Refusal.TOO_EARLY: Reason(
        Refusal.TOO_EARLY, Explanation.TIME_WINDOW, at_ms=NOW_MS + 90 * _MINUTE_MS
    ),
    Refusal.TOO_LATE: Reason(
        Refusal.TOO_LATE, Explanation.TICKET_VALIDITY, at_ms=NOW_MS - 30 * 60 * _MINUTE_MS
    ),
    Refusal.RULE_REFUSED: Reason(
        Refusal.RULE_REFUSED,
        Explanation.MINUTES_BETWEEN,
        at_ms=NOW_MS + 12 * _MINUTE_MS,
        limit=30,
    ),
    Refusal.ALREADY_INSIDE_HERE: Reason(
        Refusal.ALREADY_INSIDE_HERE, at_ms=NOW_MS - 4 * _MINUTE_MS, gate_id=_THIS_GATE
    ),
    Refusal.ALREADY_INSIDE_OTHER_GATE: Reason(
        Refusal.ALREADY_INSIDE_OTHER_GATE, at_ms=NOW_MS - 12 * _MINUTE_MS, gate_id=_OTHER_GATE
    ),
    Refusal.MAX_ENTRIES: Reason(
        Refusal.MAX_ENTRIES, Explanation.ENTRIES_TOTAL, at_ms=NOW_MS - 125 * _MINUTE_MS, limit=3
    ),
    Refusal.CAPACITY_REACHED: Reason(Refusal.CAPACITY_REACHED, Explanation.CAPACITY, limit=12_000),
}

STANDING: Final = KioskStatus(
    KioskPhase.SCANNING,
    online=True,
    snapshot_age_seconds=240,
    ticket_count=100_000,
    clock_uncertainty_ms=60,
    camera=CameraCondition.WORKING,
    event_name="Nyege Nyege 2026, Jinja",
    gate_name="Gate A · Main entrance",
)
TROUBLED: Final = replace(
    STANDING,
    online=False,
    waiting_scans=1_284,
    snapshot_damaged=True,
    clock_uncertainty_ms=None,
    camera=CameraCondition.LOST,
    conflicts=2,
)


@dataclass(frozen=True, slots=True)
class Silence:
    """A sound player for pictures."""

    def play(self, sound: Sound) -> None:
        """Make no sound."""


@dataclass(frozen=True, slots=True)
class NobodyAsks:
    """Commands for a window that nobody touches."""

    def enrol_scanned(self, text: str) -> None: ...
    def enrol_typed(self, address: str, letters: str) -> None: ...
    def choose_language(self, code: str) -> None: ...
    def choose_theme(self, name: str) -> None: ...
    def dismiss(self) -> None: ...


def sample_verdicts() -> Iterator[ShownVerdict]:
    """Make one verdict of each kind, with the grounds it would have."""
    for outcome in Outcome:
        looks = outcome is Outcome.ADMIT_ATTENTION
        yield _shown(Admit(outcome, check_identity=looks))
    for refusal in Refusal:
        yield _shown(Refuse((_GROUNDS.get(refusal, Reason(refusal)),)))


def _shown(verdict: Verdict) -> ShownVerdict:
    known = verdict.code not in {Refusal.NOT_A_TICKET, Refusal.DEVICE_ERROR}
    return ShownVerdict(
        verdict=verdict,
        at_ms=NOW_MS,
        timezone="Africa/Kampala",
        gate_names={_THIS_GATE: "Gate A", _OTHER_GATE: "Gate B"},
        tier_name="VIP" if known else "",
        holder_name="Amina Nakato" if known else "",
        seat="C 14" if known else "",
    )


def sample_standings() -> Iterator[tuple[str, KioskStatus]]:
    """Name every way a kiosk can stand that has a picture of its own."""
    phases = set(KioskPhase) - {KioskPhase.FAULT}
    for phase in sorted(phases):
        digits = "482917" if phase is KioskPhase.AWAITING_CONFIRMATION else ""
        yield phase, replace(STANDING, phase=phase, confirmation_digits=digits)
    yield "scanning-troubled", TROUBLED
    for fault in Fault:
        yield f"fault-{fault}", replace(STANDING, phase=KioskPhase.FAULT, fault=fault)
    for problem in EnrolmentProblem:
        waiting = replace(STANDING, phase=KioskPhase.AWAITING_ENROLMENT)
        yield f"enrolment-{problem}", replace(waiting, enrolment_problem=problem)


def sample_frame() -> Frame:
    """Draw something a camera might see: light falling off to the sides, a phone in the middle."""
    rows, columns = np.mgrid[0:720, 0:1280]
    light = 190 - np.hypot(rows - 300, columns - 640) / 6
    frame = np.stack([light * 0.8, light * 0.9, light], axis=-1).clip(0, 255).astype(np.uint8)
    frame[140:600, 510:770] = 30
    frame[170:570, 525:755] = 245
    numbers = np.arange(23 * 23).reshape(23, 23)
    dots = numbers * numbers * 2_654_435_761 >> 13 & 1
    frame[270:454, 548:732] = np.kron(dots, np.ones((8, 8)))[..., None].astype(np.uint8) * 240
    return frame


@dataclass(frozen=True, slots=True)
class Studio:
    """A window to be photographed, and where the pictures go."""

    window: KioskWindow
    folder: Path

    def take(self, name: str) -> None:
        """Let the window settle and save its picture."""
        QTest.qWait(1)
        path = self.folder / f"{name}.png"
        if not self.window.grab(path):
            message = f"could not write {path}"
            raise OSError(message)


def _take_all(studio: Studio, language: str) -> None:
    model = studio.window.view_model
    model.choose_language(language)
    for name, status in sample_standings():
        model.show_status(status)
        studio.take(f"{name}-{language}")
    _take_touched(studio, language)
    model.show_status(STANDING)
    for shown in sample_verdicts():
        model.show_verdict(shown)
        studio.take(f"verdict-{shown.verdict.code.lower()}-{language}")
    model.dismiss()
    studio.take(f"scanning-recent-{language}")


def _take_touched(studio: Studio, language: str) -> None:
    """Take what shows after a tap: the keys to type with, the languages to choose from."""
    window = studio.window.window
    studio.window.view_model.show_status(replace(STANDING, phase=KioskPhase.AWAITING_ENROLMENT))
    field = window.findChild(QQuickItem, "addressField")
    if field is None:
        message = "there is no field for the address"
        raise LookupError(message)
    window.grabWindow()  # Rows and columns find their places while drawing.
    middle = field.mapToScene(field.boundingRect().center()).toPoint()
    QTest.mouseClick(window, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier, middle)
    window.grabWindow()
    studio.take(f"enrolment-typing-{language}")
    window.setProperty("choosingLanguage", True)  # noqa: FBT003 - Qt's order of arguments
    studio.take(f"languages-{language}")
    window.setProperty("choosingLanguage", False)  # noqa: FBT003


def _take_few(studio: Studio, language: str) -> None:
    """Take what differs most: the longest words, the fullest pages."""
    telling = {Outcome.ADMIT, Outcome.ADMIT_ATTENTION, Refusal.ALREADY_INSIDE_OTHER_GATE}
    model = studio.window.view_model
    model.choose_language(language)
    model.show_status(TROUBLED)
    for shown in sample_verdicts():
        if shown.verdict.code in telling:
            model.show_verdict(shown)
            studio.take(f"verdict-{shown.verdict.code.lower()}-{language}")
    model.dismiss()
    studio.take(f"scanning-troubled-{language}")


def _with_window(
    folder: Path, theme: Theme, size: tuple[int, int], work: Callable[[Studio], None]
) -> int:
    folder = folder / f"{theme}-{size[0]}x{size[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    parts = WindowParts(NobodyAsks(), Silence(), lambda _character, _at_ns: None, system_clock())
    window = KioskWindow(make_application(), parts, WindowSettings(theme=theme, size=size))
    window.show_frame(sample_frame())
    QTest.qWait(1)
    work(Studio(window, folder))
    window.dispose()
    return len(list(folder.glob("*.png")))


def _every_language(studio: Studio) -> None:
    for language in LANGUAGES:
        _take_few(studio, language)


def main(folder: Path) -> int:
    """Draw all screens in English by day, and samples of every language, theme and size."""
    first, *_ = SIZES
    count = _with_window(folder, Theme.DAY, first, lambda studio: _take_all(studio, LANGUAGES[0]))
    rest = chain(product([Theme.NIGHT], [first]), product([Theme.DAY], SIZES[1:]))
    count += sum(_with_window(folder, theme, size, _every_language) for theme, size in rest)
    print(f"{count} pictures in {folder}")
    return 0


if __name__ == "__main__":
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ.setdefault("QT_QUICK_BACKEND", "software")
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_FOLDER))
