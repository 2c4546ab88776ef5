"""Recorded scans, as the server keeps them: admitted entries at one gate unless told otherwise."""

from hashlib import sha256

from shared.admission.facts import Direction
from shared.admission.fold import RecordedScan
from tests.factories.admission import DEVICE, GATE, NOW_MS, a_scan_id
from tests.factories.changes import changed
from tests.factories.credentials import TICKET_ID


def a_scan(
    number: int = 1, after_ms: int = 0, spread_ms: int = 0, **changes: object
) -> RecordedScan:
    """Make the scan with this number, so long after the first, known to within the spread."""
    scan = RecordedScan(
        scan_id=a_scan_id(number),
        device_id=DEVICE,
        seq=number,
        entry_hash=sha256(number.to_bytes(8, "big")).digest(),
        gate_id=GATE,
        direction=Direction.ENTRY,
        earliest_ms=NOW_MS + after_ms - spread_ms,
        latest_ms=NOW_MS + after_ms + spread_ms,
        ticket_id=TICKET_ID,
        admitted=True,
    )
    return changed(scan, changes)
