"""The gate's thread: it alone owns the gate's side of the store, and judges one code at a time."""

import queue
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeReading, read_gate_time
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.ports import EventKnowledge, GateError, GatePost, SnapshotUnreadableError
from scanner_app.gate.session import GateSession, Judgement
from scanner_app.peripherals.code_source import ShownCode
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.sync.ports import Machine
from shared.admission.facts import Direction
from shared.clock import NANOSECONDS_PER_MILLISECOND, Clock

WAITING_CODES_MAX: Final = 8
"""Codes beyond this are of phones that have long been taken away."""
WAITED_MS_MAX: Final = 5_000
"""A code that waited longer, for a disk say, is not judged: whoever showed it may have gone."""
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

    knowledge: EventKnowledge | None = None
    enrolment: Enrolment | None = None
    time: TimeReading | None = None
    snapshot_problem: SnapshotUnreadableError | None = None


class GateWorkerObserver(Protocol):
    """Whoever shows and counts verdicts; called on the gate's thread."""

    def on_store_open(self, store: KioskStore) -> None: ...
    def on_store_fault(self, error: GateError) -> None: ...
    def on_judged(self, judged: JudgedCode) -> None: ...
    def on_outlook(self, outlook: GateOutlook) -> None:
        """Hear what the gate knows now; told whenever it could look, before it judges."""
        ...

    def on_code_without_gate(self, code: ShownCode) -> None:
        """Hear of a code that came while the kiosk cannot judge: perhaps an enrolment code."""
        ...

    def on_code_passed_over(self, code: ShownCode) -> None:
        """Hear of a code that waited too long, or came while the store could not be read."""
        ...

    def network(self) -> NetworkConditions | None:
        """Give what sync knows; None until it has read whether this kiosk was revoked."""
        ...


class GateWorker:
    """Judges codes on a thread of its own until stopped."""

    def __init__(
        self,
        open_store: Callable[[], KioskStore],
        observer: GateWorkerObserver,
        machine: Machine,
        direction: Direction = Direction.ENTRY,
    ) -> None:
        self._direction = direction
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
        if self._thread.ident is not None:
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
        try:
            self._observer.on_store_open(store)
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
                self._wait_out(error)
        return None

    def _wait_out(self, error: GateError) -> None:
        self._observer.on_store_fault(error)
        self._stopping.wait(_RETRY_SECONDS)

    def _step(self, store: KioskStore) -> None:
        code = self._next_code()
        try:
            outlook = self._look(store)
        except GateError as error:
            self._wait_out(error)
            if code is not None:
                self._observer.on_code_passed_over(code)
            return
        self._observer.on_outlook(outlook)
        if code is None:
            return
        if self._waited_ms(code) <= WAITED_MS_MAX:
            self._meet(code, outlook, store)
        else:
            self._observer.on_code_passed_over(code)

    def _next_code(self) -> ShownCode | None:
        try:
            return self._codes.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            return None

    def _waited_ms(self, code: ShownCode) -> int:
        waited_ns = self._machine.clock.monotonic_ns() - code.seen_at_ns
        return waited_ns // NANOSECONDS_PER_MILLISECOND

    def _look(self, store: KioskStore) -> GateOutlook:
        """Read what the gate stands on; raise GateError where the journal itself is in doubt."""
        try:
            return GateOutlook(
                store.knowledge(), store.enrolment(), self._time(store), store.snapshot_problem()
            )
        except SnapshotUnreadableError as problem:
            return GateOutlook(snapshot_problem=problem)

    def _meet(self, code: ShownCode, outlook: GateOutlook, store: KioskStore) -> None:
        knowledge, enrolment = outlook.knowledge, outlook.enrolment
        conditions = self._conditions(outlook.time)
        if knowledge is None or enrolment is None or conditions is None:
            self._observer.on_code_without_gate(code)
            return
        post = GatePost(enrolment.device_id, enrolment.gate_id, self._machine.boot_id)
        session = self._session(code, knowledge, post, store)
        judgement = session.judge(code.text, knowledge, conditions)
        if isinstance(judgement.fault, SnapshotUnreadableError):
            store.doubt_snapshot()

    def _conditions(self, time: TimeReading | None) -> GateConditions | None:
        """Say how the gate stands; None while it may not judge."""
        network = self._observer.network()
        if time is None or network is None or network.revoked:
            return None
        return GateConditions(
            time=time,
            direction=self._direction,
            online=network.online,
            has_peers=network.has_peers,
        )

    def _session(
        self, code: ShownCode, knowledge: EventKnowledge, post: GatePost, store: KioskStore
    ) -> GateSession:
        clock = self._machine.clock
        shown = _Presentation(code, knowledge, self._observer, clock)
        return GateSession(post, store.gate_store(), shown, clock, self._machine.randomness)

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
