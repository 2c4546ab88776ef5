"""What the scanner server of the tests knows, and how it is told to fail."""

import json
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from shared.errors import ZeraketError
from shared.wire.changes import Change
from shared.wire.problems import ProblemDocument
from shared.wire.scanners import EnrolmentRequest, EnrolmentState, Heartbeat, SignedRevocation
from shared.wire.snapshots import Manifest
from tests.factories.sync import DEPLOYMENT

CODE: Final = bytes(range(16))
FILE_KEY: Final = bytes(range(32))
EVENT: Final = UUID("018f0000-0000-7000-8000-0000000000e0")
SNAPSHOT: Final = bytes(range(256)) * 4_000


class Refusal(ZeraketError):
    """A problem to be answered."""

    def __init__(self, status: int, code: str, revocation: SignedRevocation | None = None) -> None:
        super().__init__(code)
        self.problem = ProblemDocument(title=code, status=status, code=code, revocation=revocation)


@dataclass
class Faults:
    """What goes wrong, until a test mends it; counts run down by themselves."""

    download_cut_at: int | None = None
    replies_dropped: int = 0
    garbage: bool = False
    silent: bool = False
    """Like a pulled cable: connections stay, and nothing comes through them."""
    manifest_forged: bool = False
    file_damaged: bool = False
    wrong_nonce: bool = False
    revoked: bool = False
    revocation_forged: bool = False
    changes_broken: bool = False
    scans_broken: bool = False
    unreadable_seqs: frozenset[int] = frozenset()
    quarantined_seqs: frozenset[int] = frozenset()
    lost_seqs: frozenset[int] = frozenset()
    token_lifetime_ms: int = 600_000


@dataclass
class ServerState:
    """What the server knows; it outlives a stop."""

    key: ed25519.Ed25519PrivateKey = field(default_factory=ed25519.Ed25519PrivateKey.generate)
    faults: Faults = field(default_factory=Faults)
    state: EnrolmentState = EnrolmentState.ENROLLED
    enrolled: EnrolmentRequest | None = None
    session_id: UUID | None = None
    token: str | None = None
    proofs_used: set[str] = field(default_factory=set)
    manifest_changes: dict[str, object] = field(default_factory=dict)
    changes: list[Change] = field(default_factory=list)
    scans: dict[int, bytes] = field(default_factory=dict)
    batches: list[tuple[int, ...]] = field(default_factory=list)
    heartbeats: list[Heartbeat] = field(default_factory=list)
    ranges: list[str] = field(default_factory=list)
    renewals: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def public_key(self) -> bytes:
        return self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def announce(self, change: Change) -> None:
        """Add a change and wake every stream."""
        with self.changed:
            self.changes.append(change)
            self.changed.notify_all()


def a_manifest(**changes: object) -> Manifest:
    """Make the manifest of the file this server has, for the factories' deployment."""
    fields: dict[str, object] = {
        "deployment_id": str(DEPLOYMENT),
        "event_id": str(EVENT),
        "event_name": "Nyege Nyege",
        "version": 3,
        "version_min": 1,
        "cursor": (0, 0),
        "sha256": sha256(SNAPSHOT).hexdigest(),
        "size_bytes": len(SNAPSHOT),
        "ticket_count": 2,
        "frozen_at_ms": 1_000,
        "base_time_ms": 0,
        "timezone": "Africa/Kampala",
        "key_sets": (),
        "issuer_keys": (),
    }
    return Manifest.model_validate_json(json.dumps({**fields, **changes}))
