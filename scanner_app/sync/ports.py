"""What sync needs from the kiosk's store and keys. Protocols and values only.

Sync never writes the journal: it reads entries, and keeps what it knows of them elsewhere, so that
an upload can never make a scan wait.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from uuid import UUID

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeAnchor
from shared.clock import Clock
from shared.journal.chain import ChainedEntry
from shared.journal.entry import Cursor
from shared.wire.changes import ChangesPage
from shared.wire.scanners import Health, SignedRevocation
from shared.wire.scans import EntryAnswer, Finding
from shared.wire.snapshots import Manifest


class DeviceKeys(Protocol):
    """The kiosk's two P-256 key pairs; private keys never leave the store."""

    @property
    def signing_public(self) -> bytes:
        """Compressed point; identifies the device."""
        ...

    @property
    def sealing_public(self) -> bytes:
        """Compressed point; the server wraps snapshot keys to it."""
        ...

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 SHA-256, raw r‖s."""
        ...

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        """Open HPKE (RFC 9180: DHKEM P-256, HKDF-SHA256, AES-256-GCM); raise UnsealError."""
        ...


class EnrolmentRecord(Protocol):
    """Who this kiosk is, on disk."""

    def enrolment(self) -> Enrolment | None: ...
    def save_enrolment(self, enrolment: Enrolment) -> None: ...
    def forget_enrolment(self) -> None:
        """Forget deployment and snapshot keys; journal and device keys stay."""
        ...


class RevocationRecord(Protocol):
    """The order that stopped this kiosk, on disk, so that a restart stays stopped.

    Enrolling again is the way back; whoever saves the new enrolment forgets the order.
    """

    def revocation(self) -> SignedRevocation | None: ...
    def save_revocation(self, revocation: SignedRevocation) -> None: ...


class TimeRecord(Protocol):
    """The last signed time, and the highest time ever seen."""

    def save_anchor(self, anchor: TimeAnchor) -> None: ...
    def anchor(self) -> TimeAnchor | None: ...
    def time_seen_ms(self) -> int: ...
    def raise_time_seen(self, time_ms: int) -> None: ...


class SnapshotShelf(Protocol):
    """Where snapshot files land; a file that is not right never replaces the last good one."""

    def current(self) -> Manifest | None:
        """The manifest of the snapshot in use."""
        ...

    def highest_version_seen(self) -> int:
        """Kept apart from the files, so that a restored file cannot lower it."""
        ...

    def partial_path(self, sha256: str) -> Path:
        """Where to write the download; what is there already may be continued."""
        ...

    def install(self, manifest: Manifest, file_key: bytes) -> None:
        """Check hash, size, key and tables of the finished download and put it in use.

        Raise SnapshotUnreadableError and keep the last good one otherwise.
        """
        ...


class ChangeSink(Protocol):
    """Where changes are applied, in one transaction with the cursor."""

    def cursor(self) -> Cursor: ...
    def apply(self, page: ChangesPage) -> None: ...


class Outbox(Protocol):
    """The journal as sync sees it: read-only entries, and beside them what the server answered."""

    def head_seq(self) -> int: ...
    def waiting(self) -> int:
        """Count entries the server has not acknowledged."""
        ...

    def unacknowledged(self, limit: int) -> tuple[ChainedEntry, ...]:
        """List the oldest entries without an answer, in order."""
        ...

    def entries_between(self, first_seq: int, last_seq: int) -> tuple[ChainedEntry, ...]: ...
    def record_answers(
        self, answers: tuple[EntryAnswer, ...], findings: tuple[Finding, ...]
    ) -> None: ...
    def conflict_count(self) -> int:
        """Count the conflicts that scans of this kiosk are part of."""
        ...


@dataclass(frozen=True, slots=True)
class Identity:
    """Who this kiosk is, and the keys that prove it."""

    enrolment: Enrolment
    keys: DeviceKeys


@dataclass(frozen=True, slots=True)
class SyncStore:
    """All that sync reads and keeps; each part may be called from any of sync's threads."""

    revocations: RevocationRecord
    times: TimeRecord
    shelf: SnapshotShelf
    changes: ChangeSink
    outbox: Outbox


@dataclass(frozen=True, slots=True)
class Machine:
    """What sync needs of the machine it runs on."""

    clock: Clock
    randomness: Callable[[int], bytes]
    boot_id: UUID
    software_version: str


@dataclass(frozen=True, slots=True)
class DeviceHealth:
    """How the kiosk's equipment is; sync itself knows how the clock is."""

    camera: Health
    reader: Health = Health.ABSENT
    battery_percent: int | None = None


class HealthSource(Protocol):
    """Who knows how the equipment is."""

    def health(self) -> DeviceHealth: ...
