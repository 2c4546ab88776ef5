from typing import Any

import pytest

from scanner_app.bootstrap.phase import Situation, fault_of_situation, phase_of
from scanner_app.gate.kiosk import Fault, KioskPhase
from scanner_app.sync.enrolment import EnrolmentProgress, EnrolmentStage

OPEN: dict[str, Any] = {"store_open": True}
NEW = OPEN | {"enrolled": False}
ENROLLED = OPEN | {"enrolled": True}
SCANNING = ENROLLED | {"knows_event": True}


def stage(name: EnrolmentStage) -> dict[str, Any]:
    return {"enrolling": EnrolmentProgress(name)}


TABLE: list[tuple[dict[str, Any], KioskPhase, Fault | None]] = [
    ({}, KioskPhase.STARTING, None),
    (OPEN, KioskPhase.STARTING, None),
    (OPEN | {"knows_event": True}, KioskPhase.STARTING, None),
    (NEW, KioskPhase.AWAITING_ENROLMENT, None),
    (NEW | stage(EnrolmentStage.CONTACTING), KioskPhase.ENROLLING, None),
    (
        NEW | stage(EnrolmentStage.AWAITING_CONFIRMATION),
        KioskPhase.AWAITING_CONFIRMATION,
        None,
    ),
    (NEW | stage(EnrolmentStage.DOWNLOADING), KioskPhase.DOWNLOADING, None),
    (NEW | stage(EnrolmentStage.FINISHED), KioskPhase.DOWNLOADING, None),
    (NEW | stage(EnrolmentStage.FAILED), KioskPhase.AWAITING_ENROLMENT, None),
    (ENROLLED, KioskPhase.DOWNLOADING, None),
    (SCANNING, KioskPhase.SCANNING, None),
    (SCANNING | {"snapshot_damaged": True}, KioskPhase.SCANNING, None),
    (SCANNING | {"download_damaged": True}, KioskPhase.SCANNING, None),
    (SCANNING | {"scan_fault": Fault.DISK_FULL}, KioskPhase.SCANNING, Fault.DISK_FULL),
    (SCANNING | {"revoked": True}, KioskPhase.REVOKED, None),
    (ENROLLED | {"revoked": True}, KioskPhase.REVOKED, None),
    (
        SCANNING | {"revoked": True} | stage(EnrolmentStage.CONTACTING),
        KioskPhase.ENROLLING,
        None,
    ),
    (SCANNING | {"revoked": True} | stage(EnrolmentStage.FAILED), KioskPhase.REVOKED, None),
    (ENROLLED | {"snapshot_damaged": True}, KioskPhase.FAULT, Fault.SNAPSHOT_CORRUPT),
    (ENROLLED | {"download_damaged": True}, KioskPhase.FAULT, Fault.SNAPSHOT_CORRUPT),
    ({"store_failed": True, "fault": Fault.WRONG_KEY}, KioskPhase.FAULT, Fault.WRONG_KEY),
    ({"store_failed": True}, KioskPhase.FAULT, None),
    (
        SCANNING | {"store_failed": True, "fault": Fault.JOURNAL_CORRUPT},
        KioskPhase.FAULT,
        Fault.JOURNAL_CORRUPT,
    ),
]


@pytest.mark.parametrize(("said", "phase", "fault"), TABLE)
def test_the_phase_follows_from_what_the_parts_said(
    said: dict[str, Any], phase: KioskPhase, fault: Fault | None
) -> None:
    situation = Situation().with_changes(**said)
    assert (phase_of(situation), fault_of_situation(situation)) == (phase, fault)


def test_every_phase_can_be_reached() -> None:
    assert {phase for _, phase, _ in TABLE} == set(KioskPhase)
