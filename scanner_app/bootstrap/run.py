"""`zeraket-gate run`: the composition root. Chooses the parts, starts them, ends them in order."""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scanner_app.bootstrap.endings import EXIT_USAGE, Ending, complain, end_on_bugs
from scanner_app.bootstrap.gate_worker import JudgedCode
from scanner_app.bootstrap.json_lines import JsonLines
from scanner_app.bootstrap.kiosk import Kiosk, KioskAudience, KioskPlan
from scanner_app.bootstrap.logging import configure_logging
from scanner_app.bootstrap.machine import this_machine
from scanner_app.bootstrap.signals import wait_for_stop_signal
from scanner_app.gate.kiosk import KioskStatus
from scanner_app.peripherals.code_source import (
    CameraPicture,
    CameraUnusableError,
    check_camera,
)
from scanner_app.settings import KioskSettings, read_settings
from shared.admission.facts import Direction
from shared.wire.enrolment_code import EnrolmentCode

_NAME_LENGTH_MAX: Final = 80


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line says; `window` is a size in pixels, None for the full screen."""

    camera: str
    state: Path | None = None
    enrolment_code: str | None = None
    headless: bool = False
    json_lines: bool = False
    window: tuple[int, int] | None = None
    screenshots: Path | None = None
    direction: Direction = Direction.ENTRY


class Audiences:
    """Several audiences as one; they may join while the kiosk already runs."""

    def __init__(self) -> None:
        self._members: tuple[KioskAudience, ...] = ()

    def join(self, audience: KioskAudience) -> None:
        self._members = (*self._members, audience)

    def on_status(self, status: KioskStatus) -> None:
        for member in self._members:
            member.on_status(status)

    def on_verdict(self, judged: JudgedCode) -> None:
        for member in self._members:
            member.on_verdict(judged)

    def on_picture(self, picture: CameraPicture) -> None:
        for member in self._members:
            member.on_picture(picture)

    def on_shown(self, judged: JudgedCode, shown_at_ns: int) -> None:
        for member in self._members:
            member.on_shown(judged, shown_at_ns)


def run_kiosk(options: RunOptions) -> int:
    """Run a kiosk until it is told to stop, and give the exit code.

    The caller has held the stop signals back.
    """
    configure_logging(sys.stderr)
    end_on_bugs()
    settings = read_settings(os.environ, options.state)
    try:
        check_camera(options.camera, production=settings.production)
    except CameraUnusableError as error:
        complain(str(error))
        return EXIT_USAGE
    return _run(options, settings, Ending())


def _run(options: RunOptions, settings: KioskSettings, ending: Ending) -> int:
    machine = this_machine()
    name = platform.node()[:_NAME_LENGTH_MAX] or "kiosk"
    plan = KioskPlan(
        settings.state_directory, options.camera, settings.production, name, options.direction
    )
    audiences = Audiences()
    if options.json_lines:
        audiences.join(JsonLines(sys.stdout))
    kiosk = Kiosk(plan, machine, audiences, ending.as_unusable)
    begin = _beginning(kiosk, options)
    if options.headless:
        _run_headless(kiosk, begin)
        return ending.exit_code
    # Only a kiosk with a window needs Qt.
    from scanner_app.bootstrap.window import WindowPlan, run_with_window  # noqa: PLC0415

    window_plan = WindowPlan(settings.state_directory, options.window, options.screenshots)
    exit_code = run_with_window(kiosk, audiences, window_plan, begin, machine.clock)
    return ending.exit_code or exit_code


def _beginning(kiosk: Kiosk, options: RunOptions) -> Callable[[], None]:
    def begin() -> None:
        kiosk.start()
        text = options.enrolment_code
        if text is not None:
            kiosk.enrol(lambda: EnrolmentCode.from_text(text))

    return begin


def _run_headless(kiosk: Kiosk, begin: Callable[[], None]) -> None:
    begin()
    wait_for_stop_signal()
    kiosk.stop()
