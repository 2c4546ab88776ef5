"""Where the kiosk's parts report how they are; screens and JSON lines read it there."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from scanner_app.gate.kiosk import KioskPhase, KioskStatus
from shared.admission.facts import Direction


class StatusBoard:
    """Holds the newest KioskStatus; any thread may report, and every change is told once."""

    def __init__(
        self, tell: Callable[[KioskStatus], None], direction: Direction = Direction.ENTRY
    ) -> None:
        """`tell` is called on the reporting thread, in the order of the changes."""
        self._status = KioskStatus(KioskPhase.STARTING, direction=direction)
        self._tell = tell
        self._lock = threading.Lock()

    @property
    def status(self) -> KioskStatus:
        return self._status

    def report(self, **changes: Any) -> None:  # noqa: ANN401 - the fields of KioskStatus
        """Change some fields of the status."""
        with self._lock:
            status = replace(self._status, **changes)
            if status == self._status:
                return
            self._status = status
            self._tell(status)
