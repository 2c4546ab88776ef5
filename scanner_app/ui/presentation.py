"""Computes the one Screen from how the kiosk stands and what it judged last.

Pure: no clock, no Qt.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from scanner_app.gate.kiosk import CameraCondition, Fault, KioskPhase, KioskStatus
from scanner_app.gate.local_time import local_moment
from scanner_app.ui.palette import PALETTES, Theme
from scanner_app.ui.screen import Labels, LanguageChoice, RecentScan, Screen, View
from scanner_app.ui.status_words import status_items
from scanner_app.ui.verdict_screens import ColourFamily, Shape
from scanner_app.ui.verdict_words import ShownVerdict, initials, verdict_details
from scanner_app.ui.wording import Wording
from shared.admission.facts import Direction
from shared.admission.verdict import Refusal

RECENT_SCANS_MAX: Final = 10
_BLIND: Final = frozenset({CameraCondition.ABSENT, CameraCondition.LOST})

_VIEWS: Final = {
    KioskPhase.AWAITING_ENROLMENT: View.ENROLMENT,
    KioskPhase.AWAITING_CONFIRMATION: View.CONFIRMATION,
    KioskPhase.SCANNING: View.SCANNING,
}
"""The phases with a picture of their own; all others are told by a notice."""

FAULT_SHAPES: Final = {
    Fault.DISK_FULL: Shape.DEVICE,
    Fault.JOURNAL_CORRUPT: Shape.DEVICE,
    Fault.SNAPSHOT_CORRUPT: Shape.DEVICE,
    Fault.WRONG_KEY: Shape.CROSS,
    Fault.KEY_FILE_EXPOSED: Shape.ATTENTION,
    Fault.NO_SNAPSHOT: Shape.QUESTION,
}


@dataclass(frozen=True, slots=True)
class Presented:
    """What there is to show, before it is put in words."""

    status: KioskStatus
    verdict: ShownVerdict | None = None
    """None once it has been up for its time."""
    recent: tuple[ShownVerdict, ...] = ()
    """The newest first."""


@dataclass(frozen=True, slots=True)
class Manner:
    """How a person at this gate wants it shown."""

    language: str
    theme: Theme = Theme.DAY


def present(presented: Presented, manner: Manner, wordings: Mapping[str, Wording]) -> Screen:
    """Compute what is to be seen; a verdict goes before everything but a gate that has stopped."""
    status, wording = presented.status, wordings[manner.language]
    frame = _frame(presented, manner, wordings)
    if presented.verdict is not None and status.phase is KioskPhase.SCANNING:
        screen = _verdict_screen(presented.verdict, frame, manner.theme, wording)
        return _with_fault(screen, presented, wording)
    match _VIEWS.get(status.phase, View.NOTICE):
        case View.ENROLMENT:
            return _enrolment_screen(status, frame, wording)
        case View.CONFIRMATION:
            return _confirmation_screen(status, frame, wording)
        case View.SCANNING:
            return _scanning_screen(frame, wording)
        case _:
            return _notice_screen(status, frame, manner.theme, wording)


def with_recent(recent: Iterable[ShownVerdict], newest: ShownVerdict) -> tuple[ShownVerdict, ...]:
    """Put the newest verdict before the others and let go of the oldest."""
    return (newest, *recent)[:RECENT_SCANS_MAX]


def _frame(presented: Presented, manner: Manner, wordings: Mapping[str, Wording]) -> Screen:
    """Make what is alike on all screens; the rest is still empty."""
    wording = wordings[manner.language]
    neutral = PALETTES[manner.theme][ColourFamily.NEUTRAL]
    return Screen(
        view=View.NOTICE,
        shape=Shape.CLOCK,
        headline="",
        instruction="",
        next_step="",
        colours=neutral,
        neutral=neutral,
        labels=_labels(manner.theme, wording),
        event=presented.status.event_name,
        gate=_gate(presented.status, wording),
        status=status_items(presented.status, wording),
        recent=tuple(_recent_scan(scan, manner.theme, wording) for scan in presented.recent),
        languages=tuple(
            LanguageChoice(code, other.name, code == manner.language)
            for code, other in wordings.items()
        ),
        live=presented.status.camera not in _BLIND,
    )


def _gate(status: KioskStatus, wording: Wording) -> str:
    """Name the gate; one where people leave says so, since a verdict there means another thing."""
    if status.direction is Direction.ENTRY or not status.gate_name:
        return status.gate_name
    return wording.say("scanning.exit_gate", gate=status.gate_name)


def _verdict_screen(shown: ShownVerdict, frame: Screen, theme: Theme, wording: Wording) -> Screen:
    face = shown.face
    return replace(
        frame,
        view=View.VERDICT,
        shape=face.shape,
        headline=wording.say(face.word_key),
        instruction=wording.say(face.instruction_key),
        next_step=wording.say(face.next_key),
        colours=PALETTES[theme][face.family],
        details=verdict_details(shown, wording),
    )


def _with_fault(screen: Screen, presented: Presented, wording: Wording) -> Screen:
    """Say what hinders the gate, where that has a name, under a verdict that only says no."""
    shown, fault = presented.verdict, presented.status.fault
    if shown is None or fault is None or shown.verdict.code != Refusal.DEVICE_ERROR:
        return screen
    said = (wording.say(f"notice.{fault}.{part}") for part in ("title", "next"))
    return replace(screen, details=tuple(said))


def _scanning_screen(frame: Screen, wording: Wording) -> Screen:
    key = "scanning.invitation" if frame.live else "scanning.no_camera"
    return replace(frame, view=View.SCANNING, shape=Shape.PHONE, headline=wording.say(key))


def _enrolment_screen(status: KioskStatus, frame: Screen, wording: Wording) -> Screen:
    problem = status.enrolment_problem
    return replace(
        frame,
        view=View.ENROLMENT,
        shape=Shape.PHONE,
        headline=wording.say("enrolment.title"),
        instruction=wording.say("enrolment.instruction"),
        problem="" if problem is None else wording.say(f"enrolment.problem.{problem}"),
        details=() if frame.live else (wording.say(f"status.camera_{status.camera}"),),
    )


def _confirmation_screen(status: KioskStatus, frame: Screen, wording: Wording) -> Screen:
    return replace(
        frame,
        view=View.CONFIRMATION,
        shape=Shape.QUESTION,
        headline=wording.say("confirmation.title"),
        instruction=wording.say("confirmation.instruction"),
        next_step=wording.say("confirmation.next"),
        details=tuple(status.confirmation_digits),
    )


def _notice_screen(status: KioskStatus, frame: Screen, theme: Theme, wording: Wording) -> Screen:
    name, shape = _notice(status)
    stopped = status.phase in {KioskPhase.REVOKED, KioskPhase.FAULT}
    family = ColourFamily.FAULT if stopped else ColourFamily.NEUTRAL
    return replace(
        frame,
        shape=shape,
        headline=wording.say(f"notice.{name}.title"),
        instruction=wording.say(f"notice.{name}.body"),
        next_step=wording.say(f"notice.{name}.next"),
        colours=PALETTES[theme][family],
    )


def _notice(status: KioskStatus) -> tuple[str, Shape]:
    if status.phase is KioskPhase.REVOKED:
        return status.phase, Shape.HAND
    if status.phase is not KioskPhase.FAULT:
        return status.phase, Shape.CLOCK
    if status.fault is None:
        return "unknown", Shape.DEVICE
    return status.fault, FAULT_SHAPES[status.fault]


def _labels(theme: Theme, wording: Wording) -> Labels:
    return Labels(
        language=wording.say("button.language"),
        other_theme=wording.say("button.night" if theme is Theme.DAY else "button.day"),
        close=wording.say("button.close"),
        erase=wording.say("button.erase"),
        done=wording.say("button.done"),
        address=wording.say("enrolment.address"),
        letters=wording.say("enrolment.letters"),
        send=wording.say("enrolment.send"),
        recent=wording.say("scanning.recent"),
        recent_none=wording.say("scanning.recent_none"),
    )


def _recent_scan(shown: ShownVerdict, theme: Theme, wording: Wording) -> RecentScan:
    face = shown.face
    colours = PALETTES[theme][face.family]
    who = " · ".join(part for part in (shown.tier_name, initials(shown.holder_name)) if part)
    return RecentScan(
        time=f"{local_moment(shown.at_ms, shown.timezone):%H:%M:%S}",
        word=wording.say(face.word_key),
        shape=face.shape,
        who=who,
        background=colours.background,
        text=colours.text,
    )
