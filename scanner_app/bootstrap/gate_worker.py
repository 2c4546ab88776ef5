"""The gate's thread: it alone owns the gate's side of the store, and judges one code at a time."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from scanner_app.gate.gate_time import TimeReading, read_gate_time
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.ports import EventKnowledge, GateError, GatePost, SnapshotUnreadableError
from scanner_app.gate.session import GateSession, Judgement
from scanner_app.peripherals.code_source import ShownCode
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.sync.ports import Machine
from shared.clock import Clock

WAITING_CODES_MAX: Final = 8
"""Codes beyond this are of phones that have long been taken away."""
_LOOK_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class NetworkConditions:
    """What the sync side knows that a verdict depends on."""

    online: bool = False
    has_peers: bool = True
    """Until the server says that this kiosk is alone, another may be admitting too."""
    revoked: bool = False


@dataclass(frozen=True, slots=True)
class JudgedCode:
    """A judgement with what a screen and a log want to know about it."""

    code: ShownCode
    judgement: Judgement
    knowledge: EventKnowledge
    judged_at_ns: int


@dataclass(frozen=True, slots=True)
class GateOutlook:
    """What the gate can see when it looks at its store."""

    knowledge: EventKnowledge | None
    time: TimeReading | None
    snapshot_problem: SnapshotUnreadableError | None


class GateWorkerObserver(Protocol):
    """Whoever shows and counts verdicts; called on the gate's thread."""

    def on_store_open(self, store: KioskStore) -> None: ...
    def on_store_fault(self, error: GateError) -> None: ...
    def on_judged(self, judged: JudgedCode) -> None: ...
    def on_outlook(self, outlook: GateOutlook) -> None:
        """Hear what the gate knows now; told whenever it looked."""
        ...

    def on_code_without_gate(self, code: ShownCode) -> None:
        """Hear of a code that came while the kiosk cannot judge: perhaps an enrolment code."""
        ...

    def network(self) -> NetworkConditions: ...


class GateWorker:
    """Judges codes on a thread of its own until stopped."""

    def __init__(
        self,
        open_store: Callable[[], KioskStore],
        observer: GateWorkerObserver,
        machine: Machine,
    ) -> None:
        self._open_store = open_store
        self._observer = observer
        self._machine = machine
        self._codes: queue.Queue[ShownCode | None] = queue.Queue(WAITING_CODES_MAX)
        self._thread = threading.Thread(target=self._run, name="gate", daemon=True)
        self._stopping = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Finish the code in hand, close the store, end the thread."""
        self._stopping.set()
        self.wake()
        self._thread.join()

    def wake(self) -> None:
        """Look at the store again soon: a snapshot or an enrolment has arrived."""
        self._offer(None)

    def submit(self, code: ShownCode) -> None:
        """Hand over a code; called from the camera's or the window's thread."""
        self._offer(code)

    def _offer(self, item: ShownCode | None) -> None:
        try:
            self._codes.put_nowait(item)
        except queue.Full:
            return  # The gate is far behind; whoever stands there shows the code again.

    def _run(self) -> None:
        store = self._open_when_possible()
        if store is None:
            return
        self._observer.on_store_open(store)
        try:
            while not self._stopping.is_set():
                self._step(store)
        finally:
            store.close()

    def _open_when_possible(self) -> KioskStore | None:
        """Try until the store opens: a person may mend the disk or the key file meanwhile."""
        while not self._stopping.is_set():
            try:
                return self._open_store()
            except GateError as error:
                self._observer.on_store_fault(error)
            self._stopping.wait(_RETRY_SECONDS)
        return None

    def _step(self, store: KioskStore) -> None:
        try:
            code = self._codes.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            code = None
        outlook = self._look(store)
        if code is None:
            self._observer.on_outlook(outlook)
            return
        enrolment = store.enrolment()
        network = self._observer.network()
        if outlook.knowledge is None or enrolment is None or network.revoked:
            self._observer.on_code_without_gate(code)
            return
        post = GatePost(enrolment.device_id, enrolment.gate_id, self._machine.boot_id)
        self._judge(code, outlook.knowledge, post, store)

    def _look(self, store: KioskStore) -> GateOutlook:
        try:
            return GateOutlook(store.knowledge(), self._time(store), store.snapshot_problem())
        except SnapshotUnreadableError as problem:
            return GateOutlook(None, None, problem)

    def _judge(
        self, code: ShownCode, knowledge: EventKnowledge, post: GatePost, store: KioskStore
    ) -> None:
        network = self._observer.network()
        conditions = GateConditions(
            time=self._time(store), online=network.online, has_peers=network.has_peers
        )
        shown = _Presentation(code, knowledge, self._observer, self._machine.clock)
        session = GateSession(
            post, store.gate_store(), shown, self._machine.clock, self._machine.randomness
        )
        session.judge(code.text, knowledge, conditions)

    def _time(self, store: KioskStore) -> TimeReading:
        return read_gate_time(
            store.time_anchor(),
            self._machine.boot_id,
            self._machine.clock.boottime_ns(),
            store.time_seen_ms(),
        )


@dataclass(frozen=True, slots=True)
class _Presentation:
    """The gate's actuator for one code: the verdict goes out with its circumstances."""

    code: ShownCode
    knowledge: EventKnowledge
    observer: GateWorkerObserver
    clock: Clock

    def actuate(self, judgement: Judgement) -> None:
        judged_at_ns = self.clock.monotonic_ns()
        self.observer.on_judged(JudgedCode(self.code, judgement, self.knowledge, judged_at_ns))
