"""One snapshot file: checked against its manifest, its rows turned into what a gate knows."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from scanner_app.gate.ports import EventKnowledge, Gate, SnapshotUnreadableError, TicketRow, Tier
from scanner_app.store.database import Access, Database, Row
from scanner_app.store.errors import snapshot_fault
from shared.admission.facts import Direction, MediumDemand, Passage, TicketStatus
from shared.credentials.keys import EventKeySet, HolderKey
from shared.credentials.layout import Core, HolderAlgorithm
from shared.credentials.opening import EventKeyring
from shared.errors import ZeraketError
from shared.ids import DeviceId, EventId, GateId, ScanId, TicketId, to_signed_64
from shared.journal.entry import Cursor
from shared.wire.rules import RuleBookDocument
from shared.wire.snapshots import SNAPSHOT_FORMAT, Manifest

TICKET_COLUMNS: Final = (
    "generation, status, holder_algorithm, holder_key, core, medium, attention, holder_name, seat"
)
PASSAGE_COLUMNS: Final = "scan_id, device_id, gate_id, direction, at_ms"
_FIND: Final = f"SELECT {TICKET_COLUMNS} FROM tickets WHERE id = ?"  # noqa: S608 - constants
PASSAGES_OF_TICKET: Final = f"SELECT {PASSAGE_COLUMNS} FROM passages WHERE ticket_id = ?"  # noqa: S608 - constants
_TABLES: Final = frozenset(
    {"meta", "tickets", "tiers", "gates", "key_sets", "issuer_keys", "passages"}
)


@dataclass(frozen=True, slots=True)
class SnapshotRecord:
    """What is kept beside a snapshot file: what the server signed, and the key that opens it."""

    manifest: Manifest
    file_key: bytes

    @property
    def file_name(self) -> str:
        """Named by content."""
        return f"{self.manifest.sha256}.db"


def check_file(path: Path, manifest: Manifest) -> None:
    """Raise SnapshotUnreadableError unless the file is whole and the one the manifest speaks of."""
    try:
        size_bytes = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise snapshot_fault(error) from error
    if size_bytes < manifest.size_bytes:
        message = f"the download is not whole: {size_bytes} of {manifest.size_bytes} bytes"
        raise SnapshotUnreadableError(message)
    if size_bytes != manifest.size_bytes or digest != manifest.sha256:
        message = "the file is not the snapshot that the server signed: it is fetched again"
        raise SnapshotUnreadableError(message)


class SnapshotFile:
    """An open snapshot; belongs to the thread that opened it."""

    def __init__(self, path: Path, record: SnapshotRecord) -> None:
        """Open a checked file; raise SnapshotUnreadableError for a wrong key."""
        self.manifest = record.manifest
        self.cursor = Cursor(*record.manifest.cursor)
        self._path = path
        self._access = Access(record.file_key, snapshot_fault)
        self._database = Database.frozen(path, self._access)

    def check_content(self) -> None:
        """Raise SnapshotUnreadableError unless every page and table is there, in our format."""
        if self.manifest.format != SNAPSHOT_FORMAT:
            message = "the snapshot is of a format unknown to this program: update the kiosk"
            raise SnapshotUnreadableError(message)
        damage = self._database.all("PRAGMA cipher_integrity_check")
        if damage:
            message = f"the snapshot is damaged in {len(damage)} places: it is fetched again"
            raise SnapshotUnreadableError(message)
        tables = {name for (name,) in self._database.all("SELECT name FROM sqlite_master")}
        if not tables >= _TABLES:
            message = f"the snapshot lacks {', '.join(sorted(_TABLES - tables))}"
            raise SnapshotUnreadableError(message)
        count = self._database.number("SELECT count(*) FROM tickets")
        if count != self.manifest.ticket_count:
            message = f"the snapshot holds {count} tickets, not {self.manifest.ticket_count}"
            raise SnapshotUnreadableError(message)

    def find(self, ticket_id: TicketId) -> TicketRow | None:
        with self._fresh_after_damage():
            row = self._database.one(_FIND, (to_signed_64(ticket_id),))
        return None if row is None else ticket_from_row(ticket_id, row)

    def passages(self, ticket_id: TicketId) -> list[Passage]:
        with self._fresh_after_damage():
            rows = self._database.all(PASSAGES_OF_TICKET, (to_signed_64(ticket_id),))
        return [passage_from_row(row) for row in rows]

    def all_passages(self) -> list[Row]:
        """List ticket, scan, direction and time of every passage."""
        return self._database.all("SELECT ticket_id, scan_id, direction, at_ms FROM passages")

    def knowledge(self) -> EventKnowledge:
        """Read what the gate knows apart from tickets; raise SnapshotUnreadableError."""
        try:
            return self._knowledge()
        except (ValueError, TypeError, ZeraketError) as error:
            raise snapshot_fault(error) from error

    def _knowledge(self) -> EventKnowledge:
        manifest = self.manifest
        rules = self._database.one("SELECT value FROM meta WHERE key = 'rules'")
        document = RuleBookDocument.model_validate_json("{}" if rules is None else rules[0])
        return EventKnowledge(
            event_id=EventId(manifest.event_id),
            event_name=manifest.event_name,
            base_time_ms=manifest.base_time_ms,
            timezone=manifest.timezone,
            keyring=self._keyring(),
            rule_book=document.to_rule_book(),
            gates=self._gates(),
            tiers=self._tiers(),
            snapshot_version=manifest.version,
            frozen_at_ms=manifest.frozen_at_ms,
            cursor=self.cursor,
        )

    def _keyring(self) -> EventKeyring:
        event_id = self.manifest.event_id
        key_sets = self._database.all("SELECT kid, event_key FROM key_sets ORDER BY position")
        issuer_keys = self._database.all("SELECT ikid, public_key FROM issuer_keys")
        return EventKeyring(
            [EventKeySet(event_id, kid, event_key) for kid, event_key in key_sets],
            dict(issuer_keys),
        )

    def _gates(self) -> dict[GateId, Gate]:
        rows = self._database.all("SELECT id, name, zones FROM gates ORDER BY number")
        gates = [Gate(GateId(UUID(bytes=value)), name, zones) for value, name, zones in rows]
        return {gate.gate_id: gate for gate in gates}

    def _tiers(self) -> dict[int, Tier]:
        rows = self._database.all("SELECT tier, name, medium FROM tiers")
        return {tier: Tier(tier, name, MediumDemand(medium)) for tier, name, medium in rows}

    @contextmanager
    def _fresh_after_damage(self) -> Iterator[None]:
        """Open the file again after a damaged page: SQLCipher reads nothing more until then."""
        try:
            yield
        except SnapshotUnreadableError:
            fresh = Database.frozen(self._path, self._access)
            self._database.close()
            self._database = fresh
            raise

    def close(self) -> None:
        self._database.close()


def ticket_from_row(ticket_id: TicketId, row: Row) -> TicketRow:
    """Read TICKET_COLUMNS; raise SnapshotUnreadableError where they make no ticket."""
    generation, status, algorithm, holder_key, core, medium, attention, holder_name, seat = row
    try:
        holder = None
        if algorithm is not None and holder_key is not None:
            holder = HolderKey(HolderAlgorithm(algorithm), holder_key)
        return TicketRow(
            ticket_id=ticket_id,
            generation=generation,
            status=TicketStatus(status),
            core=Core.from_bytes(core),
            holder=holder,
            medium=None if medium is None else MediumDemand(medium),
            attention=bool(attention),
            holder_name=holder_name,
            seat=seat,
        )
    except (ValueError, TypeError, ZeraketError) as error:
        raise snapshot_fault(error) from error


def passage_from_row(row: Row) -> Passage:
    """Read PASSAGE_COLUMNS; raise SnapshotUnreadableError where they make no passage."""
    scan_id, device_id, gate_id, direction, at_ms = row
    try:
        return Passage(
            scan_id=ScanId(UUID(bytes=scan_id)),
            device_id=DeviceId(UUID(bytes=device_id)),
            gate_id=GateId(UUID(bytes=gate_id)),
            direction=Direction(direction),
            at_ms=at_ms,
        )
    except (ValueError, TypeError) as error:
        raise snapshot_fault(error) from error
