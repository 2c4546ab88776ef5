"""Journal entries and chains of them, as an undisturbed kiosk writes them."""

from typing import Final
from uuid import UUID

from shared.ids import ScanId, new_uuid7
from shared.journal.chain import ChainedEntry, Head
from shared.journal.entry import GENESIS_HASH, Cursor, ScanEntry
from tests.factories.admission import DEVICE, GATE, NOW_MS, SECOND_MS
from tests.factories.changes import changed
from tests.factories.credentials import COUNTER, TICKET_ID

BOOT_ID: Final = UUID("018f0000-0000-4000-8000-0000000000b0")


def an_entry(**changes: object) -> ScanEntry:
    """Make the first entry of a device: an admission by reference, online."""
    entry = ScanEntry(
        scan_id=ScanId(new_uuid7(NOW_MS, bytes(10))),
        device_id=DEVICE,
        seq=1,
        boot_id=BOOT_ID,
        monotonic_ns=1_000_000_000,
        gate_time_ms=NOW_MS,
        uncertainty_ms=20,
        gate_id=GATE,
        direction="entry",
        ticket_id=TICKET_ID,
        foreign_hash=None,
        form="R",
        generation=1,
        counter=COUNTER,
        medium="qr",
        verdict="ADMIT",
        reasons=(),
        staff_id=None,
        override_reason=None,
        snapshot_version=1,
        cursor=Cursor(0, 0),
        lease_id=None,
        online=True,
        prev_hash=GENESIS_HASH,
    )
    return changed(entry, changes)


def chained(entry: ScanEntry) -> ChainedEntry:
    """Store an entry with its true hash."""
    return ChainedEntry(entry, entry.entry_hash())


def a_chain(length: int, after: Head | None = None, **changes: object) -> list[ChainedEntry]:
    """Make consecutive entries one second apart, linked to one another and to `after`."""
    head = after or Head()
    chain: list[ChainedEntry] = []
    for seq in range(head.seq + 1, head.seq + 1 + length):
        own = {
            "scan_id": ScanId(new_uuid7(NOW_MS + seq, seq.to_bytes(10, "big"))),
            "seq": seq,
            "monotonic_ns": seq * 1_000_000_000,
            "gate_time_ms": NOW_MS + seq * SECOND_MS,
            "prev_hash": head.entry_hash,
        }
        chain.append(chained(an_entry(**{**own, **changes})))
        head = Head(seq, chain[-1].entry_hash)
    return chain
