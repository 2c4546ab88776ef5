"""Which phase a kiosk is in, from what its parts say. Pure; one table, looked at from the top."""

from dataclasses import dataclass, replace

from scanner_app.gate.kiosk import EnrolmentProblem, Fault, KioskPhase
from scanner_app.sync.enrolment import EnrolmentProgress, EnrolmentStage


@dataclass(frozen=True, slots=True)
class Situation:
    """What the kiosk's parts have said last."""

    store_open: bool = False
    fault: Fault | None = None
    store_failed: bool = False
    """A failure without a screen of its own."""
    revoked: bool = False
    enrolled: bool = False
    enrolling: EnrolmentProgress | None = None
    knows_event: bool = False
    snapshot_damaged: bool = False

    def with_changes(self, **changes: object) -> "Situation":
        return replace(self, **changes)  # type: ignore[arg-type] # fields by name

    @property
    def enrolment_problem(self) -> EnrolmentProblem | None:
        return None if self.enrolling is None else self.enrolling.problem


_STAGES = {
    EnrolmentStage.CONTACTING: KioskPhase.ENROLLING,
    EnrolmentStage.AWAITING_CONFIRMATION: KioskPhase.AWAITING_CONFIRMATION,
    EnrolmentStage.DOWNLOADING: KioskPhase.DOWNLOADING,
}


def phase_of(situation: Situation) -> KioskPhase:
    """Say what the kiosk is doing as a whole."""
    if situation.fault is not None or situation.store_failed:
        return KioskPhase.FAULT
    if not situation.store_open:
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
    return KioskPhase.FAULT if situation.snapshot_damaged else KioskPhase.DOWNLOADING


def fault_of_situation(situation: Situation) -> Fault | None:
    """Say which fault screen fits, where the phase is a fault."""
    without_tickets = situation.enrolled and not situation.knows_event
    if situation.fault is None and without_tickets and situation.snapshot_damaged:
        return Fault.SNAPSHOT_CORRUPT
    return situation.fault
