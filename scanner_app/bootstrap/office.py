"""The kiosk's office thread: who this kiosk is, enrolling it, and keeping sync running.

It judges nothing and shows nothing; what happens is told to an observer.
"""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from scanner_app.gate.enrolment import Enrolment
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


class OfficeObserver(Protocol):
    """Whoever wants to know; called on the office's or sync's threads."""

    def on_identity(self, enrolment: Enrolment | None) -> None: ...
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
            self._thread.join()

    def _run(self, open_side: Callable[[], SyncSide]) -> None:
        side = open_side()
        try:
            while not self._stopping.is_set():
                self._work(side)
        finally:
            self._end_sync()
            side.close()

    def _work(self, side: SyncSide) -> None:
        enrolment = side.enrolment.enrolment()
        self._parts.observer.on_identity(enrolment)
        if enrolment is not None:
            self._begin_sync(side, enrolment)
        code = self._next_code()
        at_work = enrolment is not None and side.revocations.revocation() is None
        if code is not None and not at_work:
            self._end_sync()
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
        self._end_sync()
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
