"""Sync at work: upload, changes, snapshot, session and wake-ups, each a duty of its own.

It connects parts and judges nothing; what to do next stands in plan.py.
"""

import logging
import threading
from collections.abc import Callable
from typing import Final

from scanner_app.gate.ports import SnapshotUnreadableError
from scanner_app.sync.backoff import Backoff
from scanner_app.sync.client import ScannerClient
from scanner_app.sync.contact import Contact
from scanner_app.sync.duty import Duty
from scanner_app.sync.errors import (
    ServerRefusal,
    ServerUnreachable,
    SessionMissing,
    SessionRevoked,
)
from scanner_app.sync.plan import (
    MANIFEST_MS,
    POLL_SPEAKING_MS,
    poll_wait_ms,
    wants_snapshot,
)
from scanner_app.sync.ports import HealthSource, Identity, Machine, SyncStore
from scanner_app.sync.session import TOKEN_OVER, Burden, SessionKeeper
from scanner_app.sync.snapshots import SnapshotFetcher
from scanner_app.sync.status import SyncStatus
from scanner_app.sync.stream import WakeUpStream
from scanner_app.sync.uploads import Uploader
from shared.clock import MILLISECONDS_PER_SECOND, NANOSECONDS_PER_MILLISECOND
from shared.errors import ZeraketError
from shared.wire.scanners import RevocationOrder

_LOGGER: Final = logging.getLogger(__name__)
_WATCH_MS: Final = 150
_STOP_MS: Final = 1_000
_SNAPSHOT_BACKOFF: Final = Backoff(first_ms=1_000, longest_ms=300_000)
"""A file that is whole and wrong is fetched again, but not on somebody's mobile data all day."""
_FRACTION_BYTES: Final = 4
StatusObserver = Callable[[SyncStatus], None]


class SyncLoop:
    """Runs sync on threads of its own, from `start` to `stop` or to the order that revokes it.

    `observe` is called on one of those threads, with every status that differs from the last.
    """

    def __init__(
        self,
        identity: Identity,
        store: SyncStore,
        machine: Machine,
        health: HealthSource,
        observe: StatusObserver,
    ) -> None:
        self._store = store
        self._health = health
        self._observe = observe
        self._machine = machine
        self._lock = threading.Lock()
        self._publishing = threading.Lock()
        self._halted = threading.Event()
        self._status = SyncStatus()
        self._errors: dict[str, str] = {}
        self._snapshot_damaged = False
        self._active_devices: int | None = None
        self._revocation: RevocationOrder | None = None
        self._server = Contact(machine.clock)
        self._newest = Contact(machine.clock)
        enrolment = identity.enrolment
        self._client = ScannerClient(
            enrolment.server_address, identity.keys, machine, enrolment, self._heard
        )
        self._session = SessionKeeper(
            self._client, enrolment, store.times, machine, self._session_begun
        )
        self._fetcher = SnapshotFetcher(self._client, identity, store.shelf)
        self._uploader = Uploader(self._client, identity, store.outbox, machine)
        self._stream = WakeUpStream(self._client, Contact(machine.clock), self._changed)
        self._duties = {
            name: Duty(name, step, self._note_outcome, self._fraction, backoff)
            for name, step, backoff in (
                ("session", self._keep_session, Backoff()),
                ("upload", self._upload, Backoff()),
                ("changes", self._follow_changes, Backoff()),
                ("snapshot", self._fetch_snapshot, _SNAPSHOT_BACKOFF),
                ("stream", self._stream.follow, Backoff()),
                ("watch", self._watch, Backoff()),
            )
        }

    @property
    def status(self) -> SyncStatus:
        """The status last published."""
        with self._lock:
            return self._status

    def start(self) -> None:
        """Begin, unless an order to stop was received before; then only say so."""
        signed = self._store.revocations.revocation()
        if signed is not None:
            self._revocation = RevocationOrder.model_validate_json(signed.order)
            self._publish()
            return
        for duty in self._duties.values():
            duty.start()

    def wake(self) -> None:
        """Upload now: a scan was journaled. It never waits, and may be called from any thread."""
        self._duties["upload"].wake()

    def stop(self) -> None:
        """End all threads; one that is just connecting ends by itself, and touches nothing."""
        self._halt()
        ends_ns = self._machine.clock.monotonic_ns() + _STOP_MS * NANOSECONDS_PER_MILLISECOND
        ended = [duty.join(self._seconds_until(ends_ns)) for duty in self._duties.values()]
        if all(ended):
            self._client.close()

    def _seconds_until(self, ends_ns: int) -> float:
        left_ns = max(0, ends_ns - self._machine.clock.monotonic_ns())
        return left_ns / NANOSECONDS_PER_MILLISECOND / MILLISECONDS_PER_SECOND

    def _halt(self) -> None:
        self._halted.set()
        self._client.stop()
        for duty in self._duties.values():
            duty.stop()

    def _keep_session(self) -> int:
        self._session.keep_time()
        self._session.begin()
        answer = self._session.beat(self._health.health(), self._burden())
        self._active_devices = answer.active_devices
        current = self._store.shelf.current()
        if wants_snapshot(answer.snapshot_version, None if current is None else current.version):
            self._duties["snapshot"].wake()
        return self._session.heartbeat_interval_ms

    def _upload(self) -> int:
        return self._uploader.send()

    def _follow_changes(self) -> int:
        if self._store.shelf.current() is None:
            return POLL_SPEAKING_MS
        page = self._client.changes(self._store.changes.cursor())
        self._store.changes.apply(page)
        if page.more:
            return 0
        self._newest.heard()
        return poll_wait_ms(self._stream.contact.heard_ago_ms())

    def _fetch_snapshot(self) -> int:
        try:
            fetched = self._fetcher.fetch()
        except SnapshotUnreadableError:
            self._snapshot_damaged = True
            raise
        self._snapshot_damaged = False
        if fetched is not None:
            self._changed()
        return MANIFEST_MS

    def _watch(self) -> int:
        self._publish()
        return _WATCH_MS

    def _burden(self) -> Burden:
        current = self._store.shelf.current()
        return Burden(
            waiting=self._store.outbox.waiting(),
            journal_seq=self._store.outbox.head_seq(),
            snapshot_version=0 if current is None else current.version,
        )

    def _changed(self) -> None:
        self._duties["changes"].wake()

    def _heard(self) -> None:
        if self._server.heard():
            self._retry_all()

    def _session_begun(self) -> None:
        self._retry_all()

    def _retry_all(self) -> None:
        for duty in self._duties.values():
            duty.retry_now()

    def _note_outcome(self, name: str, error: ZeraketError | None) -> None:
        """Remember or forget a duty's failure, and act on those that concern the others."""
        if isinstance(error, SessionRevoked):
            self._obey(error)
            return
        if isinstance(error, ServerUnreachable):
            self._server.missed()
        if isinstance(error, ServerRefusal) and error.problem_code in TOKEN_OVER:
            self._session.expire()
            self._duties["session"].retry_now()
        if self._halted.is_set():
            return  # What was cut off by stopping is no failure.
        with self._lock:
            known = self._errors.pop(name, None)
            if error is None or isinstance(error, SessionMissing):
                return
            code = error.problem_code if isinstance(error, ServerRefusal) else error.code
            self._errors[name] = code
        if code != known:
            _LOGGER.warning("sync_failure", extra={"duty": name, "error": str(error)})

    def _obey(self, revoked: SessionRevoked) -> None:
        """Stop for good: first on disk, so that a restart stays stopped, then here."""
        with self._lock:
            first, self._revocation = self._revocation is None, revoked.order
        if not first:
            return
        _LOGGER.warning("session_revocation", extra={"reason": revoked.order.reason})
        try:
            self._store.revocations.save_revocation(revoked.signed)
        finally:
            self._halt()
            self._publish()

    def _publish(self) -> None:
        with self._publishing:
            status = self._read_status()
            if status == self.status:
                return
            with self._lock:
                self._status = status
            self._observe(status)

    def _read_status(self) -> SyncStatus:
        current = self._store.shelf.current()
        reading = self._session.read_time()
        newest_ms = self._newest.heard_ago_ms()
        age_ms = None
        if current is not None and reading.uncertainty_ms is not None:
            age_ms = max(0, reading.now_ms - current.frozen_at_ms)
        with self._lock:
            online = self._revocation is None and self._server.online()
            return SyncStatus(
                online=online,
                waiting_scans=self._store.outbox.waiting(),
                snapshot_version=None if current is None else current.version,
                snapshot_age_seconds=_seconds(age_ms),
                changes_age_seconds=_seconds(newest_ms),
                snapshot_damaged=self._snapshot_damaged,
                ticket_count=None if current is None else current.ticket_count,
                event_name="" if current is None else current.event_name,
                clock_uncertainty_ms=reading.uncertainty_ms,
                conflicts=self._store.outbox.conflict_count(),
                active_devices=self._active_devices,
                last_error=next(iter(self._errors.values()), None),
                revocation=self._revocation,
            )

    def _fraction(self) -> float:
        randomness = self._machine.randomness(_FRACTION_BYTES)
        return int.from_bytes(randomness, "big") / (1 << 8 * _FRACTION_BYTES)


def _seconds(milliseconds: int | None) -> int | None:
    return None if milliseconds is None else milliseconds // MILLISECONDS_PER_SECOND
