"""A gate to measure: an enrolled store with 100,000 tickets, a camera that knows when it sent what,
and the kiosk's own program. It needs no server, and there is none.
"""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hardware.simulators.mjpeg_camera import MjpegCameraServer
from scanner_app.bootstrap.machine import this_machine
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.store.files import StoreFiles
from scanner_app.store.keyring import KEY_FILE
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.credentials.layout import counter_at
from shared.ids import to_signed_64
from tests.factories.admission import NOW_MS
from tests.factories.credentials import P256Holder
from tests.factories.kiosk_store import STORE_KEY, an_enrolment, install_snapshot
from tests.factories.snapshots import SnapshotContent, SnapshotTicket
from tests.factories.visitors import visitor_core

TICKETS: Final = 100_000
WINDOW: Final = "1024x600"
_NOBODY_LISTENS: Final = "http://127.0.0.1:9"
_STOPPING_SECONDS: Final = 30
_LOG_CHARACTERS: Final = 2_000
Event = dict[str, Any]


class NoAnswerError(Exception):
    """The kiosk did not say what was waited for."""


def make_gate(directory: Path, tickets: int = TICKETS) -> int:
    """Leave an enrolled store with its key file; give the boot time that stands for NOW_MS."""
    KioskStore.open(directory, STORE_KEY).close()
    key_file = directory / KEY_FILE
    key_file.touch(mode=0o600)
    key_file.write_bytes(STORE_KEY)
    side = SyncSide(StoreFiles(directory, STORE_KEY))
    machine = this_machine()
    anchored_ns = machine.clock.boottime_ns()
    try:
        side.enrolment.save_enrolment(replace(an_enrolment(), server_address=_NOBODY_LISTENS))
        install_snapshot(side, SnapshotContent(tickets=_tickets(tickets)))
        side.times.save_anchor(TimeAnchor(NOW_MS, anchored_ns, 20, machine.boot_id))
    finally:
        side.close()
    return anchored_ns


def counter_now(anchored_ns: int) -> int:
    """Give the window that rotating codes are in, by the gate's own time."""
    elapsed_ms = (this_machine().clock.boottime_ns() - anchored_ns) // 1_000_000
    return counter_at(NOW_MS + elapsed_ms)


def _tickets(count: int) -> Iterator[SnapshotTicket]:
    holder = P256Holder().key
    cores = map(visitor_core, range(count))
    # In the order of the file's keys, which makes writing it fast.
    for core in sorted(cores, key=lambda core: to_signed_64(core.ticket_id)):
        yield SnapshotTicket(core=core, holder=holder)


class TimedCamera(MjpegCameraServer):
    """Sends a picture a frame time on a steady beat, and notes when a picture was first sent."""

    def __init__(self, rate_per_second: float) -> None:
        super().__init__(rate_per_second=rate_per_second)
        self._period_ns = round(1e9 / rate_per_second)
        self._due_ns = 0
        self._next: list[bytes] = []
        self._turn = 0
        self.first_sent_ns: int | None = None

    def present(self, jpegs: list[bytes]) -> None:
        """Show these pictures in turn, from the next frame on; `first_sent_ns` starts anew."""
        self.first_sent_ns = None
        self._turn = 0
        self._next = jpegs

    def next_jpeg(self, ending: threading.Event) -> bytes | None:
        """Wait for the beat; a beat that was missed is left out."""
        late_ns = time.monotonic_ns() - self._due_ns
        self._due_ns += max(late_ns, self._period_ns)
        if ending.wait(max(0.0, (self._due_ns - time.monotonic_ns()) / 1e9)) or not self._next:
            return None
        jpegs = self._next
        jpeg = jpegs[self._turn % len(jpegs)]
        self._turn += 1
        if self.first_sent_ns is None:
            self.first_sent_ns = time.monotonic_ns()
        return jpeg


@dataclass(frozen=True, slots=True)
class KioskProgram:
    """`zeraket-gate run` as it is started; on one core where one is named."""

    state: Path
    camera_url: str
    core: int | None = None
    headless: bool = False

    @property
    def command(self) -> list[str]:
        shown = ["--headless"] if self.headless else ["--window", WINDOW]
        camera = ["--camera", self.camera_url]
        run = [sys.executable, "-m", "scanner_app", "run"]
        return [*run, "--state", str(self.state), *camera, "--json", *shown]

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ | {
            "ZERAKET_GATE_ENVIRONMENT": "development",
            "QT_QPA_PLATFORM": "offscreen",
            "QT_QUICK_BACKEND": "software",
        }


class RunningKiosk:
    """The kiosk's process and what it says; each event has the time at which it was heard."""

    def __init__(self, program: KioskProgram) -> None:
        self._events: queue.Queue[Event] = queue.Queue()
        self._log = tempfile.TemporaryFile("w+")  # noqa: SIM115 - as long as the process
        self.started_ns = time.monotonic_ns()
        self._process = subprocess.Popen(
            program.command,
            env=program.environment,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.process_id = self._process.pid
        threading.Thread(target=self._listen, daemon=True).start()

    def wait_for(self, wanted: Callable[[Event], bool], seconds: float) -> Event:
        """Give the next event that is wanted; raise NoAnswerError."""
        end_ns = time.monotonic_ns() + round(seconds * 1e9)
        while (left_ns := end_ns - time.monotonic_ns()) > 0:
            try:
                event = self._events.get(timeout=left_ns / 1e9)
            except queue.Empty:
                break
            if wanted(event):
                return event
        message = f"the kiosk said nothing of it in {seconds:g} s; its log:\n{self._log_text()}"
        raise NoAnswerError(message)

    def memory_mb(self) -> float:
        """Give the most memory that was ever resident."""
        status = Path(f"/proc/{self.process_id}/status").read_text(encoding="utf-8")
        return round(int(status.partition("VmHWM:")[2].split()[0]) / 1024, 1)

    def processor_seconds(self) -> float:
        """Give the processor time used so far, of all threads."""
        fields = Path(f"/proc/{self.process_id}/stat").read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def _log_text(self) -> str:
        self._log.seek(0)
        return self._log.read()[-_LOG_CHARACTERS:]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_STOPPING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        for line in self._process.stdout or ():
            self._events.put({**json.loads(line), "heard_ns": time.monotonic_ns()})


@contextmanager
def running(program: KioskProgram) -> Iterator[RunningKiosk]:
    """Start a kiosk, on its core if it has one, and stop it in the end."""
    cores = os.sched_getaffinity(0)
    try:
        # A process starts where its parent may run, with all its threads.
        os.sched_setaffinity(0, cores if program.core is None else {program.core})
        kiosk = RunningKiosk(program)
    finally:
        os.sched_setaffinity(0, cores)
    try:
        yield kiosk
    finally:
        kiosk.stop()


def is_scanning(event: Event) -> bool:
    return bool(event["event"] == "status" and event["phase"] == "scanning")


def is_watching(event: Event) -> bool:
    """Whether the kiosk scans and has a camera."""
    return is_scanning(event) and bool(event["camera"] == "working")
