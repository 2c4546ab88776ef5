"""What sync needs from the kiosk's store and keys. Protocols and values only.

Sync never writes the journal: it reads entries, and keeps what it knows of them elsewhere, so that
an upload can never make a scan wait.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from scanner_app.gate.gate_time import TimeAnchor
from shared.ids import DeploymentId, DeviceId, GateId
from shared.journal.chain import ChainedEntry
from shared.journal.entry import Cursor
from shared.wire.changes import ChangesPage
from shared.wire.scans import EntryAnswer, Finding
from shared.wire.snapshots import Manifest


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What a kiosk knows about itself once it is enrolled."""

    device_id: DeviceId
    deployment_id: DeploymentId
    deployment_name: str
    gate_id: GateId
    gate_name: str
    server_address: str
    server_key: bytes
    """The server's raw Ed25519 signing key, pinned at enrolment."""


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


class TimeRecord(Protocol):
    """The last signed time, and the highest time ever seen."""

    def save_anchor(self, anchor: TimeAnchor) -> None: ...
    def anchor(self) -> TimeAnchor | None: ...
    def time_seen_ms(self) -> int: ...
    def raise_time_seen(self, time_ms: int) -> None: ...


class SnapshotShelf(Protocol):
    """Where snapshot files land. A file that is not whole and right never replaces the last good one."""

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
