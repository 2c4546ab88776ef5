"""The scanner session: begun, renewed in time, kept alive by heartbeats that bring the time.

It runs no thread; the loop calls it.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeAnchor, TimeReading, read_gate_time
from scanner_app.sync.client import Access, ScannerClient
from scanner_app.sync.errors import ServerRefusal
from scanner_app.sync.plan import ROUND_TRIP_MAX_MS, TokenLife
from scanner_app.sync.ports import DeviceHealth, Machine, TimeRecord
from scanner_app.sync.trust import check_time
from shared.clock import MILLISECONDS_PER_SECOND, NANOSECONDS_PER_MILLISECOND
from shared.ids import ScannerSessionId
from shared.wire.problems import ScannerProblem
from shared.wire.scanners import (
    Health,
    Heartbeat,
    HeartbeatAnswer,
    SessionAnswer,
    SessionRequest,
    SignedTime,
)
from shared.wire.signing import NONCE_BYTES

_LOGGER: Final = logging.getLogger(__name__)
_HEARTBEAT_INTERVAL_MS: Final = 15_000
TOKEN_OVER: Final = frozenset({ScannerProblem.TOKEN_EXPIRED.value, "token_invalid"})
"""Refusals of a call after which the token should be renewed."""
_SESSION_LOST: Final = TOKEN_OVER | {"not_found", "scanner_session_not_found"}
"""Refusals of a renewal after which only a new session helps."""


@dataclass(frozen=True, slots=True)
class Burden:
    """What the kiosk still has to send, and what it works with."""

    waiting: int
    journal_seq: int
    snapshot_version: int


class SessionKeeper:
    """Keeps one session of one device; `begin` and `beat` may be called from any thread."""

    def __init__(
        self,
        client: ScannerClient,
        enrolment: Enrolment,
        times: TimeRecord,
        machine: Machine,
        on_begun: Callable[[], None] = lambda: None,
    ) -> None:
        self.heartbeat_interval_ms = _HEARTBEAT_INTERVAL_MS
        self._client = client
        self._enrolment = enrolment
        self._times = times
        self._machine = machine
        self._on_begun = on_begun
        self._lock = threading.Lock()
        self._token_life: TokenLife | None = None

    def begin(self) -> None:
        """Make sure that there is a session with a token that will last; raise SyncError."""
        with self._lock:
            access = self._client.access
            if access is None:
                self._start()
            elif self._renewal_due():
                self._renew(access.session_id)

    def expire(self) -> None:
        """Renew at the next `begin`, since the server said that the token is over."""
        # Without the lock: a renewal under way may take long, and no other duty waits for it.
        self._token_life = None

    def beat(self, health: DeviceHealth, burden: Burden) -> HeartbeatAnswer:
        """Say how the kiosk is, and learn the time; raise SyncError."""
        reading = self.read_time()
        nonce = self._nonce()
        heartbeat = Heartbeat(
            queue_length=burden.waiting,
            journal_seq=burden.journal_seq,
            snapshot_version=burden.snapshot_version,
            camera=health.camera,
            reader=health.reader,
            clock=clock_health(reading),
            clock_uncertainty_ms=reading.uncertainty_ms,
            battery_percent=health.battery_percent,
            software_version=self._machine.software_version,
            nonce=nonce,
        )
        asked_ns = self._machine.clock.boottime_ns()
        answer = self._client.heartbeat(heartbeat)
        self._learn_time(answer.time, nonce, asked_ns)
        return answer

    def read_time(self) -> TimeReading:
        """Read the gate's time as the last signed one and the clock since boot give it."""
        return read_gate_time(
            self._times.anchor(),
            self._machine.boot_id,
            self._machine.clock.boottime_ns(),
            self._times.time_seen_ms(),
        )

    def keep_time(self) -> None:
        """Keep the time as the highest seen, where something vouches for it."""
        reading = self.read_time()
        if reading.uncertainty_ms is not None:
            self._times.raise_time_seen(reading.now_ms)

    def _start(self) -> None:
        nonce = self._nonce()
        asked_ns = self._machine.clock.boottime_ns()
        request = SessionRequest(device_id=self._enrolment.device_id, nonce=nonce)
        self._accept(self._client.start_session(request), nonce, asked_ns)
        _LOGGER.info("session_start", extra={"device_id": str(self._enrolment.device_id)})
        self._on_begun()

    def _renew(self, session_id: ScannerSessionId) -> None:
        nonce = self._nonce()
        asked_ns = self._machine.clock.boottime_ns()
        request = SessionRequest(device_id=self._enrolment.device_id, nonce=nonce)
        try:
            answer = self._client.renew_session(session_id, request)
        except ServerRefusal as refusal:
            if refusal.problem_code in _SESSION_LOST:
                self._client.access = None
            raise
        self._accept(answer, nonce, asked_ns)
        self._on_begun()

    def _accept(self, answer: SessionAnswer, nonce: bytes, asked_ns: int) -> None:
        self._learn_time(answer.time, nonce, asked_ns)
        self._client.access = Access(ScannerSessionId(answer.session_id), answer.access_token)
        self._token_life = TokenLife(asked_ns, answer.expires_at_ms - answer.time.time_ms)
        self.heartbeat_interval_ms = answer.heartbeat_interval_seconds * MILLISECONDS_PER_SECOND

    def _renewal_due(self) -> bool:
        now_ns = self._machine.clock.boottime_ns()
        return self._token_life is None or self._token_life.needs_renewal(now_ns)

    def _learn_time(self, time: SignedTime, nonce: bytes, asked_ns: int) -> None:
        """Anchor the gate's time to a signed one, unless what is known is as good."""
        check_time(time, self._enrolment, nonce)
        heard_ns = self._machine.clock.boottime_ns()
        anchor = TimeAnchor(
            time_ms=time.time_ms,
            boottime_ns=heard_ns,
            round_trip_ms=(heard_ns - asked_ns) // NANOSECONDS_PER_MILLISECOND,
            boot_id=self._machine.boot_id,
        )
        if anchor.round_trip_ms > ROUND_TRIP_MAX_MS:
            _LOGGER.info("time_answer_slow", extra={"round_trip_ms": anchor.round_trip_ms})
            return
        known = self.read_time().uncertainty_ms
        if known is None or anchor.round_trip_ms // 2 <= known:
            self._times.save_anchor(anchor)
        self._times.raise_time_seen(time.time_ms)

    def _nonce(self) -> bytes:
        return self._machine.randomness(NONCE_BYTES)


def clock_health(reading: TimeReading) -> Health:
    """Say how the clock is, as a heartbeat tells it."""
    if reading.uncertainty_ms is None:
        return Health.FAILED
    return Health.DEGRADED if reading.degraded else Health.GOOD
