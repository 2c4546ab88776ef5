"""A screen that says no for the gate's own sake says why, and what helps."""

import pytest

from scanner_app.gate.kiosk import CameraCondition, Fault, KioskPhase, KioskStatus
from scanner_app.ui.presentation import Manner, Presented, present
from scanner_app.ui.screen import Screen
from scanner_app.ui.texts import load_wordings
from scanner_app.ui.verdict_words import ShownVerdict
from shared.admission.verdict import Reason, Refusal, Refuse
from tests.factories.admission import NOW_MS

_WORDINGS = load_wordings()


def _screen(status: KioskStatus, refusal: Refusal | None = None) -> Screen:
    verdict = (
        None if refusal is None else ShownVerdict(verdict=Refuse((Reason(refusal),)), at_ms=NOW_MS)
    )
    return present(Presented(status, verdict), Manner("en"), _WORDINGS)


def test_a_gate_fault_names_its_cause_and_what_helps() -> None:
    status = KioskStatus(KioskPhase.SCANNING, fault=Fault.DISK_FULL)
    screen = _screen(status, Refusal.DEVICE_ERROR)
    assert screen.details[0] == "Disk is full"
    assert "Free space" in screen.details[1]


@pytest.mark.parametrize("refusal", [Refusal.BAD_SIGNATURE, Refusal.NOT_A_TICKET])
def test_a_visitors_own_refusal_says_nothing_of_the_gate(refusal: Refusal) -> None:
    hindered = KioskStatus(KioskPhase.SCANNING, fault=Fault.DISK_FULL)
    assert _screen(hindered, refusal) == _screen(KioskStatus(KioskPhase.SCANNING), refusal)


@pytest.mark.parametrize(
    ("camera", "said"),
    [
        (CameraCondition.WORKING, ()),
        (CameraCondition.STARTING, ()),
        (CameraCondition.LOST, ("Camera lost: check cable",)),
        (CameraCondition.ABSENT, ("No camera: use scanner",)),
    ],
)
def test_setting_up_without_a_camera_says_so(
    camera: CameraCondition, said: tuple[str, ...]
) -> None:
    assert _screen(KioskStatus(KioskPhase.AWAITING_ENROLMENT, camera=camera)).details == said
