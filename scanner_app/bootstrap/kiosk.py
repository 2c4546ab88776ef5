"""The kiosk put together: camera, gate, office and screen, each on its thread, joined here only."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from scanner_app.bootstrap.gate_worker import (
    GateOutlook,
    GateWorker,
    JudgedCode,
    NetworkConditions,
)
from scanner_app.bootstrap.office import Office, OfficeParts
from scanner_app.bootstrap.phase import Situation, fault_of_situation, phase_of
from scanner_app.bootstrap.status_board import StatusBoard
from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.kiosk import (
    CameraCondition,
    EnrolmentProblem,
    Fault,
    KioskPhase,
    KioskStatus,
)
from scanner_app.gate.ports import GateError
from scanner_app.peripherals.code_source import (
    CameraPicture,
    CameraReport,
    CameraUnusableError,
    CodeSource,
    ShownCode,
)
from scanner_app.store.errors import fault_of
from scanner_app.store.keyring import load_store_key, trusted_system_keyring
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.sync.enrolment import EnrolmentProgress
from scanner_app.sync.ports import DeviceHealth, Machine
from scanner_app.sync.status import SyncStatus
from shared.admission.facts import Direction
from shared.errors import ZeraketError
from shared.wire.enrolment_code import PREFIX as ENROLMENT_PREFIX
from shared.wire.enrolment_code import EnrolmentCode, InvalidEnrolmentCodeError
from shared.wire.scanners import Health

_LOGGER: Final = logging.getLogger(__name__)
_CAMERA_HEALTH: Final = {
    CameraCondition.WORKING: Health.GOOD,
    CameraCondition.STARTING: Health.DEGRADED,
    CameraCondition.LOST: Health.FAILED,
    CameraCondition.ABSENT: Health.ABSENT,
}
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class KioskAudience(Protocol):
    """Who sees and hears the kiosk: a window, JSON lines, or both; called on any thread."""

    def on_status(self, status: KioskStatus) -> None: ...
    def on_verdict(self, judged: JudgedCode) -> None: ...
    def on_picture(self, picture: CameraPicture) -> None: ...
    def on_shown(self, judged: JudgedCode, shown_at_ns: int) -> None:
        """Hear that a window has painted a verdict, at this monotonic time."""
        ...


@dataclass(frozen=True, slots=True)
class KioskPlan:
    """What a kiosk is made from."""

    state_directory: Path
    camera: str
    production: bool
    kiosk_name: str
    direction: Direction = Direction.ENTRY
    """Which way people walk past this kiosk."""


class Kiosk:
    """A kiosk at work, from `start` to `stop`."""

    def __init__(
        self,
        plan: KioskPlan,
        machine: Machine,
        audience: KioskAudience,
        end: Callable[[str], None],
    ) -> None:
        """`end` is called, on any thread, with the reason why it makes no sense to go on."""
        self._plan = plan
        self._end = end
        self._machine = machine
        self._audience = audience
        self._board = StatusBoard(audience.on_status, plan.direction)
        self._situation = Situation()
        self._situation_lock = threading.Lock()
        self._network: NetworkConditions | None = None
        self._troubles: dict[str, str] = {}
        self._gate = GateWorker(self._open_store, self, machine, plan.direction)
        self._office = Office(OfficeParts(machine, self, self, plan.kiosk_name))
        self._somebody_waits = False
        self._cameras = CodeSource(
            plan.camera, machine.clock.monotonic_ns, self, production=plan.production
        )

    @property
    def status(self) -> KioskStatus:
        return self._board.status

    def start(self) -> None:
        self._audience.on_status(self._board.status)
        self._gate.start()
        self._cameras.start()

    def stop(self) -> None:
        """End all threads; nothing that was journaled is lost, nothing that was not was shown."""
        self._cameras.stop()
        # Before the office, which the gate starts when its store is open.
        self._gate.stop()
        self._office.stop()

    def submit(self, code: ShownCode) -> None:
        """Take in a code from a hand scanner."""
        self._gate.submit(code)

    def enrol(self, read_code: Callable[[], EnrolmentCode]) -> None:
        """Enrol with a code, or show what is wrong with it."""
        try:
            code = read_code()
        except InvalidEnrolmentCodeError:
            self._board.report(enrolment_problem=EnrolmentProblem.CODE_INVALID)
            return
        if self._plan.production and not _is_confidential(code.server_address):
            self._board.report(enrolment_problem=EnrolmentProblem.SERVER_UNTRUSTED)
            return
        self._office.enrol(code)

    # What the gate's thread says.

    def _open_store(self) -> KioskStore:
        directory = self._plan.state_directory
        key = load_store_key(directory, self._machine.randomness, trusted_system_keyring())
        return KioskStore.open(directory, key)

    def on_store_open(self, store: KioskStore) -> None:
        self._change(store_open=True)
        self._office.start(store.sync_side)

    def on_store_fault(self, error: GateError) -> None:
        self._note_trouble("store", error)
        self._change(store_failed=True, fault=fault_of(error))

    def on_judged(self, judged: JudgedCode) -> None:
        judgement = judged.judgement
        if judgement.admitted:
            self._cameras.new_codes.admitted(judged.code.text)
        self._audience.on_verdict(judged)
        if judgement.entry is not None:
            self._office.scan_journaled()
        if judgement.entry is not None or judgement.fault is not None:
            self._note_trouble("scan", judgement.fault)
            self._change(scan_fault=_fault_behind(judgement.fault))

    def on_outlook(self, outlook: GateOutlook) -> None:
        self._note_trouble("store", None)
        self._note_trouble("snapshot", outlook.snapshot_problem)
        self._change(
            store_failed=False,
            fault=None,
            knows_event=outlook.knowledge is not None,
            snapshot_damaged=outlook.snapshot_problem is not None,
        )
        if outlook.knowledge is not None:
            self._board.report(event_name=outlook.knowledge.event_name)
        if outlook.time is not None:
            self._board.report(clock_uncertainty_ms=outlook.time.uncertainty_ms)

    def on_code_without_gate(self, code: ShownCode) -> None:
        waiting = {KioskPhase.AWAITING_ENROLMENT, KioskPhase.REVOKED}
        if code.text.startswith(ENROLMENT_PREFIX) and self._board.status.phase in waiting:
            self.enrol(lambda: EnrolmentCode.from_text(code.text))
        self.on_code_passed_over(code)

    def on_code_passed_over(self, code: ShownCode) -> None:
        if code.text.startswith(ENROLMENT_PREFIX):
            return
        with self._situation_lock:
            # They may hold it up still when the gate can judge.
            self._somebody_waits = phase_of(self._situation) is not KioskPhase.SCANNING
            if not self._somebody_waits:
                self._cameras.new_codes.look_again()

    def network(self) -> NetworkConditions | None:
        return self._network

    # What the office's threads say.

    def on_identity(self, enrolment: Enrolment | None, *, revoked: bool) -> None:
        self._note_trouble("office", None)
        self._network = NetworkConditions(revoked=revoked)
        self._change(enrolled=enrolment is not None, revoked=revoked, enrolling=None)
        if enrolment is not None:
            # The event's own name comes with the snapshot.
            event_name = self._board.status.event_name or enrolment.deployment_name
            self._board.report(gate_name=enrolment.gate_name, event_name=event_name)
        self._gate.wake()

    def on_office_fault(self, error: GateError) -> None:
        self._note_trouble("office", error)

    def on_enrolment(self, progress: EnrolmentProgress) -> None:
        # The digits first: the screen that shows them must not come up without.
        self._board.report(confirmation_digits=progress.digits, enrolment_problem=progress.problem)
        self._change(enrolling=progress)

    def on_sync(self, status: SyncStatus) -> None:
        revoked = status.revocation is not None
        peers = status.active_devices
        self._network = NetworkConditions(
            online=status.online, has_peers=peers is None or peers > 1, revoked=revoked
        )
        self._change(revoked=revoked, download_damaged=status.snapshot_damaged)
        newest = status.changes_age_seconds
        self._board.report(
            online=status.online,
            waiting_scans=status.waiting_scans,
            snapshot_age_seconds=status.snapshot_age_seconds if newest is None else newest,
            snapshot_version=status.snapshot_version,
            ticket_count=status.ticket_count,
            conflicts=status.conflicts,
        )

    def health(self) -> DeviceHealth:
        return DeviceHealth(camera=_CAMERA_HEALTH[self._board.status.camera])

    # What the camera's thread says.

    def on_code(self, code: ShownCode) -> None:
        self._gate.submit(code)

    def on_picture(self, picture: CameraPicture) -> None:
        self._audience.on_picture(picture)

    def on_camera(self, report: CameraReport) -> None:
        self._board.report(camera=CameraCondition(report.condition))

    def on_camera_unusable(self, error: CameraUnusableError) -> None:
        self._board.report(camera=CameraCondition.ABSENT)
        self._end(str(error))

    def _note_trouble(self, part: str, error: ZeraketError | None) -> None:
        """Log a failure once, not at every attempt, until it is over."""
        code = None if error is None else error.code
        if code == self._troubles.get(part):
            return
        if error is None:
            self._troubles.pop(part, None)
            _LOGGER.info("trouble_over", extra={"part": part})
            return
        self._troubles[part] = error.code
        _LOGGER.error("trouble", extra={"part": part, "code": error.code, "error": str(error)})

    def _change(self, **changes: object) -> None:
        with self._situation_lock:
            situation = self._situation.with_changes(**changes)
            if situation == self._situation:
                return
            before, after = phase_of(self._situation), phase_of(situation)
            self._situation = situation
            if after is KioskPhase.SCANNING and before is not after and self._somebody_waits:
                self._somebody_waits = False
                self._cameras.new_codes.look_again()
            self._board.report(
                phase=after,
                fault=fault_of_situation(situation),
                snapshot_damaged=situation.newest_snapshot_damaged,
            )


def _fault_behind(error: ZeraketError | None) -> Fault | None:
    return fault_of(error) if isinstance(error, GateError) else None


def _is_confidential(address: str) -> bool:
    """Whether nobody on the way can listen: TLS, or a server on this very machine."""
    parts = urlsplit(address)
    return parts.scheme == "https" or parts.hostname in _THIS_MACHINE
