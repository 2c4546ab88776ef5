"""Snapshot files as the server writes them: real SQLCipher files, with rows a test cares about."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlcipher3 import dbapi2

from shared.admission.facts import Passage, TicketStatus
from shared.credentials.keys import HolderKey
from shared.credentials.layout import Core
from shared.ids import DeploymentId, GateId, TicketId, to_signed_64
from shared.wire.rules import RuleBookDocument
from shared.wire.snapshots import SNAPSHOT_SCHEMA, IssuerKeyMember, KeySetMember, Manifest
from tests.factories.admission import GATE, HOUR_MS, NOW_MS, OTHER_GATE
from tests.factories.credentials import EventKeys, P256Holder, a_core

DEPLOYMENT: Final = DeploymentId(UUID("018f0000-0000-7000-8000-0000000000d0"))
FILE_KEY: Final = bytes(range(32))
TIER: Final = 2


@dataclass(frozen=True)
class SnapshotTicket:
    """A row of the table `tickets`: by default the ticket of the credential factory."""

    core: Core = field(default_factory=a_core)
    holder: HolderKey | None = field(default_factory=lambda: P256Holder().key)
    status: TicketStatus = TicketStatus.VALID
    attention: bool = False
    holder_name: str | None = None
    seat: str | None = None

    def values(self) -> tuple[object, ...]:
        """List the columns in order."""
        holder = self.holder
        return (
            to_signed_64(self.core.ticket_id),
            self.core.generation,
            self.status.value,
            None if holder is None else int(holder.algorithm),
            None if holder is None else holder.encoded,
            self.core.to_bytes(),
            None,
            None,
            self.attention,
            self.holder_name,
            self.seat,
        )


@dataclass(frozen=True)
class SnapshotContent:
    """All that goes into a snapshot, and what its manifest says."""

    tickets: Iterable[SnapshotTicket] = (SnapshotTicket(),)
    passages: tuple[tuple[TicketId, Passage], ...] = ()
    rules: RuleBookDocument = field(default_factory=RuleBookDocument)
    event: EventKeys = field(default_factory=EventKeys)
    gates: tuple[tuple[GateId, str, int], ...] = (
        (GATE, "North", 0xFFFF),
        (OTHER_GATE, "South", 0xFFFF),
    )
    deployment_id: DeploymentId = DEPLOYMENT
    version: int = 1
    version_min: int = 1
    cursor: tuple[int, int] = (100, 0)
    timezone: str = "Africa/Nairobi"


def build_snapshot(
    path: Path, key: bytes = FILE_KEY, content: SnapshotContent | None = None
) -> Manifest:
    """Write a snapshot file and give its manifest; the path is taken as it is."""
    content = content or SnapshotContent()
    path.unlink(missing_ok=True)
    connection = dbapi2.connect(str(path), isolation_level=None)
    try:
        connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        connection.execute("PRAGMA journal_mode = OFF")
        connection.executescript(f"BEGIN; {SNAPSHOT_SCHEMA}")
        _fill(connection, content)
        count: int = connection.execute("SELECT count(*) FROM tickets").fetchone()[0]
        connection.execute("COMMIT")
    finally:
        connection.close()
    return _manifest(path, content, count)


def _fill(connection: dbapi2.Connection, content: SnapshotContent) -> None:
    event = content.event
    connection.executemany(
        "INSERT INTO tickets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (ticket.values() for ticket in content.tickets),
    )
    connection.executemany(
        "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                passage.scan_id.bytes,
                to_signed_64(ticket_id),
                passage.device_id.bytes,
                passage.gate_id.bytes,
                passage.direction.value,
                passage.at_ms,
            )
            for ticket_id, passage in content.passages
        ],
    )
    connection.executemany(
        "INSERT INTO gates VALUES (?, ?, ?, ?)",
        [
            (gate_id.bytes, number, name, zones)
            for number, (gate_id, name, zones) in enumerate(content.gates, start=1)
        ],
    )
    connection.execute("INSERT INTO tiers VALUES (?, 'Regular', 'qr_or_nfc')", (TIER,))
    connection.execute("INSERT INTO key_sets VALUES (1, ?, ?)", (event.key_set_id, event.event_key))
    connection.execute(
        "INSERT INTO issuer_keys VALUES (?, ?)", (event.issuer_key_id, event.issuer_public_key)
    )
    rules = content.rules.model_dump_json(exclude_unset=True)
    connection.execute("INSERT INTO meta VALUES ('rules', ?)", (rules,))


def _manifest(path: Path, content: SnapshotContent, ticket_count: int) -> Manifest:
    event = content.event
    data = path.read_bytes()
    issuer_key = IssuerKeyMember(ikid=event.issuer_key_id, public_key=event.issuer_public_key)
    return Manifest(
        deployment_id=content.deployment_id,
        event_id=event.event_id,
        event_name="Nyege Nyege",
        version=content.version,
        version_min=content.version_min,
        cursor=content.cursor,
        sha256=sha256(data).hexdigest(),
        size_bytes=len(data),
        ticket_count=ticket_count,
        frozen_at_ms=NOW_MS - HOUR_MS,
        base_time_ms=NOW_MS - 6 * HOUR_MS,
        timezone=content.timezone,
        key_sets=(KeySetMember(kid=event.key_set_id),),
        issuer_keys=(issuer_key,),
    )
