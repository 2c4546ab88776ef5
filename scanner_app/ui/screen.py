"""The one value a window shows: every string finished, every choice made. Pure; draws nothing."""

from dataclasses import dataclass
from enum import StrEnum

from scanner_app.ui.palette import Colours
from scanner_app.ui.verdict_screens import Shape


class View(StrEnum):
    """Which picture fills the screen; the value names its QML file."""

    NOTICE = "NoticeView"
    ENROLMENT = "EnrolmentView"
    CONFIRMATION = "ConfirmationView"
    SCANNING = "ScanningView"
    VERDICT = "VerdictView"


class Level(StrEnum):
    """How much a line of the status deserves to be looked at."""

    GOOD = "good"
    NOTE = "note"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class StatusItem:
    """One fact of the status line, in words."""

    text: str
    level: Level


@dataclass(frozen=True, slots=True)
class RecentScan:
    """A line of what was scanned; it never holds a code."""

    time: str
    word: str
    shape: Shape
    who: str
    """Ticket type and the holder's initials, as far as known."""
    background: str
    text: str


@dataclass(frozen=True, slots=True)
class LanguageChoice:
    """A language on offer, under its own name."""

    code: str
    name: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Labels:
    """Words of buttons and headings, which do not change with the state."""

    language: str
    other_theme: str
    close: str
    erase: str
    done: str
    address: str
    letters: str
    send: str
    recent: str
    recent_none: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Everything that is to be seen now.

    `headline`, `instruction` and `next_step` are the verdict's word, meaning and advice on a
    verdict screen, and title, explanation and advice on the others.
    """

    view: View
    shape: Shape
    headline: str
    instruction: str
    next_step: str
    colours: Colours
    neutral: Colours
    """The colours of status line, buttons and sheets."""
    labels: Labels
    event: str
    gate: str
    details: tuple[str, ...] = ()
    problem: str = ""
    """Why the last enrolment failed and what to do; empty where there was none."""
    status: tuple[StatusItem, ...] = ()
    recent: tuple[RecentScan, ...] = ()
    languages: tuple[LanguageChoice, ...] = ()
    live: bool = True
    """Whether the camera's picture is worth showing."""
