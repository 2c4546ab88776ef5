"""Facts that lead to ADMIT, so that a test states only what makes the difference."""

from typing import Final
from uuid import UUID

from shared.admission.decide import decide
from shared.admission.facts import (
    CredentialFacts,
    Direction,
    Facts,
    GateFacts,
    Passage,
    PresentedForm,
    TicketFacts,
    TimeFacts,
)
from shared.admission.policy import Policy
from shared.admission.verdict import Admit, Refuse
from shared.ids import DeviceId, GateId, ScanId, new_uuid7
from tests.factories.changes import changed
from tests.factories.credentials import COUNTER, TICKET_ID, WINDOW_START_MS

GATE: Final = GateId(UUID("018f0000-0000-7000-8000-00000000000a"))
OTHER_GATE: Final = GateId(UUID("018f0000-0000-7000-8000-00000000000b"))
DEVICE: Final = DeviceId(UUID("018f0000-0000-7000-8000-0000000000da"))
OTHER_DEVICE: Final = DeviceId(UUID("018f0000-0000-7000-8000-0000000000db"))
NOW_MS: Final = WINDOW_START_MS + 5_000
"""Five seconds into the window that the credential factory's codes are shown in."""
DAY_START_MS: Final = NOW_MS - 12 * 3_600_000
SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS


def a_scan_id(number: int = 1) -> ScanId:
    """Make a scan's id; the same number gives the same id."""
    return ScanId(new_uuid7(NOW_MS + number, number.to_bytes(10, "big")))


def a_gate(**changes: object) -> GateFacts:
    """Make an entry gate to all zones, in touch with the others."""
    return changed(GateFacts(gate_id=GATE, device_id=DEVICE), changes)


def a_time(**changes: object) -> TimeFacts:
    """Make a gate's time, known exactly, without a lease."""
    facts = TimeFacts(now_ms=NOW_MS, uncertainty_ms=0, day_start_ms=DAY_START_MS)
    return changed(facts, changes)


def a_credential(**changes: object) -> CredentialFacts:
    """Make a rotating code by reference, shown in the window that runs now."""
    facts = CredentialFacts(form=PresentedForm.ROTATING_REFERENCE, counter=COUNTER)
    return changed(facts, changes)


def a_ticket(**changes: object) -> TicketFacts:
    """Make a valid ticket without re-entry, six hours either side of now."""
    facts = TicketFacts(
        ticket_id=TICKET_ID,
        generation=1,
        tier=2,
        zones=0b111,
        valid_from_ms=NOW_MS - 6 * HOUR_MS,
        valid_until_ms=NOW_MS + 6 * HOUR_MS,
    )
    return changed(facts, changes)


def a_passage(**changes: object) -> Passage:
    """Make an entry at this gate and device, an hour ago."""
    passage = Passage(
        scan_id=a_scan_id(),
        device_id=DEVICE,
        gate_id=GATE,
        direction=Direction.ENTRY,
        at_ms=NOW_MS - HOUR_MS,
    )
    return changed(passage, changes)


def some_facts(**changes: object) -> Facts:
    """Make facts that are admitted: a first entry under the default policy."""
    facts = Facts(
        gate=a_gate(),
        time=a_time(),
        credential=a_credential(),
        ticket=a_ticket(),
        history=(),
        policy=Policy(),
    )
    return changed(facts, changes)


def admission(facts: Facts) -> Admit:
    """Decide, and fail the test unless somebody is admitted."""
    verdict = decide(facts)
    assert isinstance(verdict, Admit), verdict
    return verdict


def refusal(facts: Facts) -> Refuse:
    """Decide, and fail the test unless somebody is refused."""
    verdict = decide(facts)
    assert isinstance(verdict, Refuse), verdict
    return verdict


EXIT_GATE: Final = a_gate(direction=Direction.EXIT)
ENTERED: Final = a_passage(at_ms=NOW_MS - HOUR_MS)
LEFT: Final = a_passage(scan_id=a_scan_id(2), direction=Direction.EXIT, at_ms=NOW_MS - HOUR_MS // 2)
CAME_AND_WENT: Final = (ENTERED, LEFT)
"""A history: in an hour ago, out half an hour ago."""
