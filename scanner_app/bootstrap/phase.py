"""Which phase a kiosk is in, from what its parts say. Pure; one table, looked at from the top."""

from dataclasses import dataclass, replace
from typing import Final

from scanner_app.gate.kiosk import Fault, KioskPhase
from scanner_app.sync.enrolment import EnrolmentProgress, EnrolmentStage


@dataclass(frozen=True, slots=True)
class Situation:
    """What the kiosk's parts have said last."""

    store_open: bool = False
    fault: Fault | None = None
    store_failed: bool = False
    """The store cannot be used; `fault` names the failure where it has a screen of its own."""
    scan_fault: Fault | None = None
    """Why the last scan could not be judged or kept; the gate goes on trying."""
    revoked: bool = False
    enrolled: bool | None = None
    """None until somebody has looked."""
    enrolling: EnrolmentProgress | None = None
    knows_event: bool = False
    snapshot_damaged: bool = False
    """The gate cannot use the snapshot on its disk."""
    download_damaged: bool = False
    """Sync has fetched a snapshot that cannot be used."""

    def with_changes(self, **changes: object) -> "Situation":
        return replace(self, **changes)  # type: ignore[arg-type] # fields by name

    @property
    def newest_snapshot_damaged(self) -> bool:
        return self.snapshot_damaged or self.download_damaged


_STAGES: Final = {
    EnrolmentStage.CONTACTING: KioskPhase.ENROLLING,
    EnrolmentStage.AWAITING_CONFIRMATION: KioskPhase.AWAITING_CONFIRMATION,
    EnrolmentStage.DOWNLOADING: KioskPhase.DOWNLOADING,
    # The office has still to begin work with what was downloaded.
    EnrolmentStage.FINISHED: KioskPhase.DOWNLOADING,
}


def phase_of(situation: Situation) -> KioskPhase:
    """Say what the kiosk is doing as a whole."""
    if situation.store_failed:
        return KioskPhase.FAULT
    if not situation.store_open or situation.enrolled is None:
        return KioskPhase.STARTING
    enrolling = situation.enrolling
    in_progress = None if enrolling is None else _STAGES.get(enrolling.stage)
    return in_progress or _settled_phase(situation)


def _settled_phase(situation: Situation) -> KioskPhase:
    if situation.revoked:
        return KioskPhase.REVOKED
    if not situation.enrolled:
        return KioskPhase.AWAITING_ENROLMENT
    if situation.knows_event:
        return KioskPhase.SCANNING
    return KioskPhase.FAULT if situation.newest_snapshot_damaged else KioskPhase.DOWNLOADING


def fault_of_situation(situation: Situation) -> Fault | None:
    """Say which fault screen fits, or while the gate goes on, what hinders it."""
    without_tickets = situation.enrolled and not situation.knows_event
    if not situation.store_failed and without_tickets and situation.newest_snapshot_damaged:
        return Fault.SNAPSHOT_CORRUPT
    return situation.fault if situation.store_failed else situation.scan_fault
