"""Puts the kiosk's standing in the words of the status line. Pure; measures nothing."""

from typing import Final

from scanner_app.gate.kiosk import CameraCondition, KioskStatus
from scanner_app.ui.screen import Level, StatusItem
from scanner_app.ui.verdict_words import time_ago
from scanner_app.ui.wording import Wording

CLOCK_DEGRADED_MS: Final = 10_000
"""Beyond this uncertainty rotating codes are judged with the widest grace: people should know."""
SNAPSHOT_OLD_SECONDS: Final = 6 * 3_600
_MILLISECONDS: Final = 1_000

_CAMERA_LEVELS: Final = {
    CameraCondition.STARTING: Level.NOTE,
    CameraCondition.WORKING: Level.GOOD,
    CameraCondition.LOST: Level.TROUBLE,
    CameraCondition.ABSENT: Level.NOTE,
}


def status_items(status: KioskStatus, wording: Wording) -> tuple[StatusItem, ...]:
    """Say in plain words how the kiosk stands: always the same facts, in the same places."""
    return (
        _network(status, wording),
        _waiting(status, wording),
        _tickets(status, wording),
        _clock(status, wording),
        _camera(status, wording),
        _conflicts(status, wording),
    )


def _network(status: KioskStatus, wording: Wording) -> StatusItem:
    if status.online:
        return StatusItem(wording.say("status.online"), Level.GOOD)
    return StatusItem(wording.say("status.offline"), Level.NOTE)


def _waiting(status: KioskStatus, wording: Wording) -> StatusItem:
    if status.waiting_scans == 0:
        return StatusItem(wording.say("status.waiting_none"), Level.GOOD)
    return StatusItem(wording.count("status.waiting", status.waiting_scans), Level.NOTE)


def _tickets(status: KioskStatus, wording: Wording) -> StatusItem:
    age_seconds, count = status.snapshot_age_seconds, status.ticket_count
    if status.snapshot_damaged:
        return StatusItem(wording.say("status.tickets_damaged"), Level.TROUBLE)
    if age_seconds is None or count is None:
        return StatusItem(wording.say("status.tickets_none"), Level.NOTE)
    ago = time_ago(wording, age_seconds * _MILLISECONDS)
    level = Level.NOTE if age_seconds > SNAPSHOT_OLD_SECONDS else Level.GOOD
    return StatusItem(wording.count("status.tickets", count, ago=ago), level)


def _clock(status: KioskStatus, wording: Wording) -> StatusItem:
    uncertainty_ms = status.clock_uncertainty_ms
    if uncertainty_ms is None:
        return StatusItem(wording.say("status.clock_unknown"), Level.TROUBLE)
    if uncertainty_ms > CLOCK_DEGRADED_MS:
        return StatusItem(wording.say("status.clock_degraded"), Level.NOTE)
    return StatusItem(wording.say("status.clock_sure"), Level.GOOD)


def _camera(status: KioskStatus, wording: Wording) -> StatusItem:
    text = wording.say(f"status.camera_{status.camera}")
    return StatusItem(text, _CAMERA_LEVELS[status.camera])


def _conflicts(status: KioskStatus, wording: Wording) -> StatusItem:
    if status.conflicts == 0:
        return StatusItem(wording.say("status.conflicts_none"), Level.GOOD)
    return StatusItem(wording.count("status.conflicts", status.conflicts), Level.TROUBLE)
