"""The kiosk's office thread: who this kiosk is, enrolling it, and keeping sync running.

It judges nothing and shows nothing; what happens is told to an observer.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.ports import GateError
from scanner_app.store.sync_side import SyncSide
from scanner_app.sync.enrolment import (
    EnrolmentFlow,
    EnrolmentOffer,
    EnrolmentProgress,
    EnrolmentStore,
)
from scanner_app.sync.loop import SyncLoop
from scanner_app.sync.ports import HealthSource, Identity, Machine, SyncStore
from scanner_app.sync.status import SyncStatus
from shared.wire.enrolment_code import EnrolmentCode

_RETRY_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 2.0
"""An enrolment that waits longer for an answer is left to the end of the process."""


class OfficeObserver(Protocol):
    """Whoever wants to know; called on the office's or sync's threads."""

    def on_identity(self, enrolment: Enrolment | None, *, revoked: bool) -> None:
        """Hear who this kiosk is; told before sync begins, and after every enrolment."""
        ...

    def on_office_fault(self, error: GateError) -> None:
        """Hear that the store fails the office, which tries again; the gate goes on."""
        ...

    def on_enrolment(self, progress: EnrolmentProgress) -> None: ...
    def on_sync(self, status: SyncStatus) -> None: ...


@dataclass(frozen=True, slots=True)
class OfficeParts:
    """What the office works with."""

    machine: Machine
    health: HealthSource
    observer: OfficeObserver
    kiosk_name: str


class Office:
    """Runs on a thread of its own, from the moment the store is open."""

    def __init__(self, parts: OfficeParts) -> None:
        self._parts = parts
        self._codes: queue.Queue[EnrolmentCode | None] = queue.Queue()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: SyncLoop | None = None

    def start(self, open_side: Callable[[], SyncSide]) -> None:
        """Begin; `open_side` is called on the office's thread."""
        self._thread = threading.Thread(
            target=self._run, args=(open_side,), name="office", daemon=True
        )
        self._thread.start()

    def enrol(self, code: EnrolmentCode) -> None:
        """Enrol with a code, unless this kiosk is at work; of several, the last one counts."""
        self._codes.put(code)

    def scan_journaled(self) -> None:
        """Upload soon; never waits."""
        loop = self._loop
        if loop is not None:
            loop.wake()

    def stop(self) -> None:
        self._stopping.set()
        self._codes.put(None)
        if self._thread is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self, open_side: Callable[[], SyncSide]) -> None:
        side = self._open_when_possible(open_side)
        if side is None:
            return
        try:
            while not self._stopping.is_set():
                self._attempt(side)
        finally:
            self._end_sync()
            side.close()

    def _open_when_possible(self, open_side: Callable[[], SyncSide]) -> SyncSide | None:
        while not self._stopping.is_set():
            try:
                return open_side()
            except GateError as error:
                self._wait_out(error)
        return None

    def _attempt(self, side: SyncSide) -> None:
        try:
            self._work(side)
        except GateError as error:
            self._wait_out(error)

    def _wait_out(self, error: GateError) -> None:
        self._parts.observer.on_office_fault(error)
        self._stopping.wait(_RETRY_SECONDS)

    def _work(self, side: SyncSide) -> None:
        """Do the office's work as who this kiosk is, until it is to become another."""
        enrolment = side.enrolment.enrolment()
        self._parts.observer.on_identity(enrolment, revoked=_is_revoked(side))
        if enrolment is not None:
            self._begin_sync(side, enrolment)
        code = self._next_code()
        while code is not None and enrolment is not None and not _is_revoked(side):
            code = self._next_code()
        self._end_sync()
        if code is not None:
            self._enrol(side, code)

    def _next_code(self) -> EnrolmentCode | None:
        code = self._codes.get()
        while not self._codes.empty():
            code = self._codes.get_nowait() or code
        return code

    def _enrol(self, side: SyncSide, code: EnrolmentCode) -> None:
        flow = EnrolmentFlow(
            EnrolmentOffer(code, self._parts.kiosk_name),
            side.keys,
            EnrolmentStore(side.enrolment, side.times, side.shelf),
            self._parts.machine,
            self._parts.observer.on_enrolment,
        )
        flow.run(self._stopping)

    def _begin_sync(self, side: SyncSide, enrolment: Enrolment) -> None:
        self._end_sync()  # One that a failure left behind.
        store = SyncStore(side.revocations, side.times, side.shelf, side.changes, side.outbox)
        self._loop = SyncLoop(
            Identity(enrolment, side.keys),
            store,
            self._parts.machine,
            self._parts.health,
            self._parts.observer.on_sync,
        )
        self._loop.start()

    def _end_sync(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None:
            loop.stop()


def _is_revoked(side: SyncSide) -> bool:
    return side.revocations.revocation() is not None
