"""The kiosk's events as JSON lines, for programs that watch a gate; without codes and names."""

import json
import logging
import threading
from dataclasses import asdict
from typing import Final, TextIO

from scanner_app.bootstrap.gate_worker import JudgedCode
from scanner_app.gate.kiosk import KioskStatus
from scanner_app.peripherals.code_source import CameraPicture
from shared.admission.verdict import Admit, reason_codes
from shared.clock import NANOSECONDS_PER_MILLISECOND
from shared.ids import ticket_id_to_hex

_LOGGER: Final = logging.getLogger(__name__)


class JsonLines:
    """A KioskAudience that writes one line for every event."""

    def __init__(self, output: TextIO) -> None:
        self._output: TextIO | None = output
        self._lock = threading.Lock()

    def on_status(self, status: KioskStatus) -> None:
        self.write({"event": "status", **asdict(status)})

    def on_verdict(self, judged: JudgedCode) -> None:
        """Write what was decided; a repeat is the same visitor's same presentation."""
        judgement = judged.judgement
        ticket = None if judgement.facts is None else judgement.facts.ticket
        verdict = judgement.verdict
        self.write(
            {
                "event": "verdict",
                "scan_id": str(judgement.scan_id),
                "seq": None if judgement.entry is None else judgement.entry.seq,
                "verdict": verdict.code,
                "reasons": list(reason_codes(verdict)),
                "repeat": isinstance(verdict, Admit) and verdict.repeat_of is not None,
                "form": None if judgement.facts is None else judgement.facts.credential.form,
                "ticket_id": None if ticket is None else ticket_id_to_hex(ticket.ticket_id),
                "source": judged.code.source,
                "latency_ms": _milliseconds(judged.judged_at_ns - judged.code.seen_at_ns),
                "journaled": judgement.entry is not None,
                "fault": None if judgement.fault is None else judgement.fault.code,
            }
        )

    def on_picture(self, picture: CameraPicture) -> None:
        """Pictures are not events."""

    def on_shown(self, judged: JudgedCode, shown_at_ns: int) -> None:
        """Write when a verdict was on the screen; monotonic, as the camera's times are."""
        self.write(
            {
                "event": "shown",
                "scan_id": str(judged.judgement.scan_id),
                "latency_ms": _milliseconds(shown_at_ns - judged.code.seen_at_ns),
                "shown_at_ns": shown_at_ns,
            }
        )

    def write(self, event: dict[str, object]) -> None:
        """Write one line, whole, whichever thread it comes from."""
        line = json.dumps(event, default=str)
        with self._lock:
            if self._output is None:
                return
            try:
                print(line, file=self._output, flush=True)
            except OSError as error:
                # Whoever watched has gone; that is no reason to close a gate.
                self._output = None
                _LOGGER.warning("json_lines_end", extra={"error": str(error)})


def _milliseconds(nanoseconds: int) -> float:
    return round(nanoseconds / NANOSECONDS_PER_MILLISECOND, 3)
