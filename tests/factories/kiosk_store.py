"""Kiosk stores as they stand at a gate: enrolled, with a snapshot, and drafts of scans to write."""

from dataclasses import replace
from pathlib import Path
from typing import Final

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.ports import ScanDraft
from scanner_app.store.files import StoreFiles
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.journal.entry import Cursor
from shared.wire.snapshots import Manifest
from tests.factories.admission import DEVICE, GATE, NOW_MS, a_scan_id
from tests.factories.changes import changed
from tests.factories.credentials import COUNTER, TICKET_ID
from tests.factories.journal import BOOT_ID
from tests.factories.snapshots import DEPLOYMENT, FILE_KEY, SnapshotContent, build_snapshot

STORE_KEY: Final = bytes(range(32, 64))


def an_enrolment(**changes: object) -> Enrolment:
    """Make the enrolment of the device that the other factories speak of."""
    enrolment = Enrolment(
        device_id=DEVICE,
        deployment_id=DEPLOYMENT,
        deployment_name="Saturday",
        gate_id=GATE,
        gate_name="North",
        server_address="https://tickets.example",
        server_key=bytes(32),
    )
    return changed(enrolment, changes)


def a_draft(number: int = 1, **changes: object) -> ScanDraft:
    """Make an admission of the factory's ticket; the number makes id and time its own."""
    draft = ScanDraft(
        scan_id=a_scan_id(number),
        boot_id=BOOT_ID,
        monotonic_ns=number,
        gate_time_ms=NOW_MS + number,
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
        snapshot_version=1,
        cursor=Cursor(100, 0),
        lease_id=None,
        online=True,
        admitted=True,
    )
    return changed(draft, changes)


def install_snapshot(side: SyncSide, content: SnapshotContent, key: bytes = FILE_KEY) -> Manifest:
    """Build a snapshot where a download would land, and put it in use."""
    unnamed = side.shelf.partial_path("unnamed")
    manifest = build_snapshot(unnamed, key, content)
    unnamed.rename(side.shelf.partial_path(manifest.sha256))
    side.shelf.install(manifest, key)
    return manifest


def make_store(directory: Path, content: SnapshotContent | None = None) -> None:
    """Leave an enrolled store with a snapshot on disk, closed."""
    KioskStore.open(directory, STORE_KEY).close()
    side = SyncSide(StoreFiles(directory, STORE_KEY))
    try:
        side.enrolment.save_enrolment(an_enrolment())
        install_snapshot(side, content or SnapshotContent())
    finally:
        side.close()


def with_cursor(content: SnapshotContent, version: int, cursor: tuple[int, int]) -> SnapshotContent:
    """Make the next snapshot of the same event."""
    return replace(content, version=version, cursor=cursor)
