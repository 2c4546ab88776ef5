"""A kiosk's side of sync in memory: real keys, and stores that fit scanner_app.sync.ports."""

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.gate.ports import SnapshotUnreadableError
from scanner_app.sync.ports import DeviceHealth, Identity, Machine, SyncStore
from scanner_app.sync.status import SyncStatus
from shared.clock import SystemClock
from shared.errors import CredentialError
from shared.ids import DeploymentId
from shared.journal.chain import ChainedEntry
from shared.journal.entry import Cursor
from shared.wire.changes import Change, ChangesPage
from shared.wire.scanners import Health, SignedRevocation
from shared.wire.scans import EntryAnswer, EntryResult, Finding
from shared.wire.snapshots import Manifest
from tests.factories.admission import DEVICE, GATE
from tests.factories.changes import changed

DEPLOYMENT: Final = DeploymentId(UUID("018f0000-0000-7000-8000-0000000000d0"))
BOOT: Final = UUID("018f0000-0000-4000-8000-0000000000b0")
HPKE_SUITE: Final = hpke.Suite(hpke.KEM.P256, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM)


def compressed(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


class MemoryKeys:
    """Two P-256 key pairs, made anew."""

    def __init__(self) -> None:
        self._signing = ec.generate_private_key(ec.SECP256R1())
        self._sealing = ec.generate_private_key(ec.SECP256R1())

    @cached_property
    def signing_public(self) -> bytes:
        return compressed(self._signing.public_key())

    @cached_property
    def sealing_public(self) -> bytes:
        return compressed(self._sealing.public_key())

    def sign(self, message: bytes) -> bytes:
        r, s = decode_dss_signature(self._signing.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def unseal(self, sealed: bytes, info: bytes) -> bytes:
        try:
            return HPKE_SUITE.decrypt(sealed, self._sealing, info)
        except InvalidTag as error:
            raise CredentialError from error


@dataclass
class MemoryRecords:
    """Enrolment, revocation and time, as if on disk."""

    saved: Enrolment | None = None
    stopped: SignedRevocation | None = None
    time_anchor: TimeAnchor | None = None
    highest_ms: int = 0

    def enrolment(self) -> Enrolment | None:
        return self.saved

    def save_enrolment(self, enrolment: Enrolment) -> None:
        self.saved = enrolment

    def forget_enrolment(self) -> None:
        self.saved = None

    def revocation(self) -> SignedRevocation | None:
        return self.stopped

    def save_revocation(self, revocation: SignedRevocation) -> None:
        self.stopped = revocation

    def save_anchor(self, anchor: TimeAnchor) -> None:
        self.time_anchor = anchor

    def anchor(self) -> TimeAnchor | None:
        return self.time_anchor

    def time_seen_ms(self) -> int:
        return self.highest_ms

    def raise_time_seen(self, time_ms: int) -> None:
        self.highest_ms = max(self.highest_ms, time_ms)


@dataclass
class MemoryShelf:
    """Downloads in a folder, and a file that is right when its hash and its key are."""

    folder: Path
    manifest: Manifest | None = None
    version_seen: int = 0
    file_key: bytes = b""
    installed: threading.Event = field(default_factory=threading.Event)

    def current(self) -> Manifest | None:
        return self.manifest

    def highest_version_seen(self) -> int:
        return self.version_seen

    def partial_path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.part"

    def install(self, manifest: Manifest, file_key: bytes) -> None:
        data = self.partial_path(manifest.sha256).read_bytes()
        if sha256(data).hexdigest() != manifest.sha256:
            raise SnapshotUnreadableError
        self.manifest, self.file_key = manifest, file_key
        self.version_seen = max(self.version_seen, manifest.version)
        self.installed.set()


@dataclass
class MemoryChanges:
    """Applied changes with their cursor."""

    place: Cursor = field(default_factory=lambda: Cursor(0, 0))
    applied: list[Change] = field(default_factory=list)
    news: threading.Event = field(default_factory=threading.Event)

    def cursor(self) -> Cursor:
        return self.place

    def apply(self, page: ChangesPage) -> None:
        self.applied += page.changes
        self.place = Cursor(*page.cursor)
        if page.changes:
            self.news.set()


@dataclass
class MemoryOutbox:
    """A journal as sync sees it; `drained` is set while nothing waits."""

    entries: dict[int, ChainedEntry] = field(default_factory=dict)
    answers: dict[int, EntryAnswer] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    drained: threading.Event = field(default_factory=threading.Event)

    def add(self, entries: Iterable[ChainedEntry]) -> None:
        self.drained.clear()
        self.entries.update({chained.entry.seq: chained for chained in entries})

    def head_seq(self) -> int:
        return max(self.entries, default=0)

    def waiting(self) -> int:
        return len(self.entries.keys() - self.answers.keys())

    def unacknowledged(self, limit: int) -> tuple[ChainedEntry, ...]:
        seqs = sorted(self.entries.keys() - self.answers.keys())
        return tuple(self.entries[seq] for seq in seqs[:limit])

    def entries_between(self, first_seq: int, last_seq: int) -> tuple[ChainedEntry, ...]:
        return tuple(
            self.entries[seq] for seq in range(first_seq, last_seq + 1) if seq in self.entries
        )

    def record_answers(
        self, answers: tuple[EntryAnswer, ...], findings: tuple[Finding, ...]
    ) -> None:
        self.answers.update({answer.seq: answer for answer in answers})
        self.findings += findings
        if not self.waiting():
            self.drained.set()

    def conflict_count(self) -> int:
        return len(self.findings)

    def results(self) -> Mapping[int, EntryResult]:
        return {seq: answer.result for seq, answer in self.answers.items()}


class StatusWatch:
    """Keeps every status sync publishes, so that a test can wait for one."""

    def __init__(self) -> None:
        self.seen: list[SyncStatus] = []
        self._arrival = threading.Condition()

    def __call__(self, status: SyncStatus) -> None:
        with self._arrival:
            self.seen.append(status)
            self._arrival.notify_all()

    def wait_for(
        self, condition: Callable[[SyncStatus], bool], timeout_seconds: float = 20
    ) -> SyncStatus:
        """Give the first status, published or yet to come, that fits after the last one given."""
        with self._arrival:
            arrived = self._arrival.wait_for(
                lambda: any(condition(status) for status in self.seen), timeout_seconds
            )
            assert arrived, f"no such status among {self.seen[-3:]}"
            position = next(n for n, status in enumerate(self.seen) if condition(status))
            found = self.seen[position]
            del self.seen[: position + 1]
            return found


class GoodHealth:
    """A kiosk whose camera works."""

    def health(self) -> DeviceHealth:
        return DeviceHealth(camera=Health.GOOD)


@dataclass
class Kiosk:
    """All parts of one kiosk's sync side."""

    keys: MemoryKeys
    records: MemoryRecords
    shelf: MemoryShelf
    changes: MemoryChanges
    outbox: MemoryOutbox
    machine: Machine

    @property
    def store(self) -> SyncStore:
        return SyncStore(self.records, self.records, self.shelf, self.changes, self.outbox)

    def identity(self) -> Identity:
        enrolment = self.records.saved
        assert enrolment is not None
        return Identity(enrolment, self.keys)


def a_machine(**changes: object) -> Machine:
    """Make this very machine: its clock, its randomness."""
    machine = Machine(
        clock=SystemClock(), randomness=os.urandom, boot_id=BOOT, software_version="test"
    )
    return changed(machine, changes)


def a_kiosk(folder: Path) -> Kiosk:
    """Make a kiosk that was never enrolled."""
    return Kiosk(
        MemoryKeys(),
        MemoryRecords(),
        MemoryShelf(folder),
        MemoryChanges(),
        MemoryOutbox(),
        a_machine(),
    )


def an_enrolment(server_key: bytes, server_address: str = "http://127.0.0.1:1") -> Enrolment:
    """Make the enrolment of the factories' device at the factories' gate."""
    return Enrolment(
        device_id=DEVICE,
        deployment_id=DEPLOYMENT,
        deployment_name="Main gates",
        gate_id=GATE,
        gate_name="North",
        server_address=server_address,
        server_key=server_key,
    )
