"""The append-only journal of this device's scans, each on disk before `append` returns."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Final, Protocol

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.ports import JournalUnwritableError, ScanDraft
from scanner_app.store.database import Database, Row
from scanner_app.store.errors import journal_corrupt
from shared.ids import DeploymentId, DeviceId, TicketId, to_signed_64
from shared.journal.chain import ChainBreak, ChainedEntry, Head, verify_chain
from shared.journal.entry import MalformedEntryError, ScanEntry

TAIL_ENTRIES: Final = 200
"""How many of the newest entries are verified at every start."""
_READ_AT_ONCE: Final = 1_000
_ENTRIES: Final = "SELECT seq, scan_id, entry_hash, canonical FROM entries WHERE device_id = ?"
_DRAFT_FIELDS: Final = tuple(field.name for field in fields(ScanDraft) if field.name != "admitted")


class PassageListener(Protocol):
    """Who counts the people inside."""

    def passed(self, ticket_id: TicketId) -> None:
        """Hear that a passage of this ticket is on disk."""
        ...


@dataclass(slots=True)
class _Chain:
    """The chain being written: whose it is, and where it ends."""

    device_id: DeviceId
    deployment_id: DeploymentId
    head: Head


class StoredJournal:
    """Implements ScanJournal; the only writer of its file."""

    def __init__(self, database: Database, listener: PassageListener) -> None:
        self._database = database
        self._listener = listener
        self._chain: _Chain | None = None

    @property
    def head(self) -> Head:
        """The end of the chain as it is on disk."""
        return Head() if self._chain is None else self._chain.head

    def write_as(self, enrolment: Enrolment | None) -> None:
        """Go on with this device's chain; raise JournalCorruptError where its end does not hold."""
        if enrolment is None:
            self._chain = None
            return
        device_id = enrolment.device_id
        if self._chain is None or self._chain.device_id != device_id:
            head = verified_tail(self._database, device_id)
            self._chain = _Chain(device_id, enrolment.deployment_id, head)
        self._chain.deployment_id = enrolment.deployment_id

    def append(self, draft: ScanDraft) -> ScanEntry:
        """Write entry and passage in one transaction; the chain moves on when both are on disk."""
        chain = self._chain
        if chain is None:
            message = "the kiosk is not enrolled, so its journal has no owner: enrol it first"
            raise JournalUnwritableError(message)
        content = {name: getattr(draft, name) for name in _DRAFT_FIELDS}
        entry = ScanEntry(
            device_id=chain.device_id,
            seq=chain.head.seq + 1,
            prev_hash=chain.head.entry_hash,
            **content,
        )
        head = self._write(entry, chain.deployment_id, admitted=draft.admitted)
        chain.head = head
        if draft.admitted and entry.ticket_id is not None:
            self._listener.passed(entry.ticket_id)
        return entry

    def _write(self, entry: ScanEntry, deployment_id: DeploymentId, *, admitted: bool) -> Head:
        head = Head(entry.seq, entry.entry_hash())
        device, scan = entry.device_id.bytes, entry.scan_id.bytes
        with self._database.transaction():
            self._database.run(
                "INSERT INTO entries (device_id, seq, scan_id, entry_hash, canonical)"
                " VALUES (?, ?, ?, ?, ?)",
                (device, entry.seq, scan, head.entry_hash, entry.canonical_bytes()),
            )
            if admitted and entry.ticket_id is not None:
                self._database.run(
                    "INSERT INTO passages"
                    " (deployment_id, ticket_id, scan_id, device_id, gate_id, direction, at_ms)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        deployment_id.bytes,
                        to_signed_64(entry.ticket_id),
                        scan,
                        device,
                        entry.gate_id.bytes,
                        entry.direction,
                        entry.gate_time_ms,
                    ),
                )
        return head


def head_seq(database: Database, device_id: DeviceId) -> int:
    """Give the last number used by a device."""
    return database.number("SELECT max(seq) FROM entries WHERE device_id = ?", (device_id.bytes,))


def entries_between(
    database: Database, device_id: DeviceId, first_seq: int, last_seq: int
) -> tuple[ChainedEntry, ...]:
    """Read entries in order; raise JournalCorruptError where the bytes are none."""
    rows = database.all(
        f"{_ENTRIES} AND seq BETWEEN ? AND ? ORDER BY seq", (device_id.bytes, first_seq, last_seq)
    )
    return tuple(_read(row) for row in rows)


def verified_tail(database: Database, device_id: DeviceId) -> Head:
    """Verify the newest entries and give the head; raise JournalCorruptError."""
    last = head_seq(database, device_id)
    first = max(1, last - TAIL_ENTRIES + 1)
    tail = entries_between(database, device_id, first, last)
    before = Head()
    if first > 1 and tail:
        before = Head(first - 1, tail[0].entry.prev_hash)
    return _head_or_raise(verify_chain(tail, before))


def verify_journal(database: Database, device_id: DeviceId) -> Head:
    """Verify a whole journal; raise JournalCorruptError that names the first broken entry."""
    damage = database.all("PRAGMA cipher_integrity_check")
    if damage:
        detail = f"{len(damage)} pages cannot be read"
        raise journal_corrupt(detail)
    return _head_or_raise(verify_chain(_all_entries(database, device_id)))


def _all_entries(database: Database, device_id: DeviceId) -> Iterator[ChainedEntry]:
    last = head_seq(database, device_id)
    for first in range(1, last + 1, _READ_AT_ONCE):
        yield from entries_between(database, device_id, first, first + _READ_AT_ONCE - 1)


def _head_or_raise(result: Head | ChainBreak) -> Head:
    if isinstance(result, ChainBreak):
        detail = f"entry {result.seq}: {result.fault}"
        raise journal_corrupt(detail)
    return result


def _read(row: Row) -> ChainedEntry:
    seq, scan_id, entry_hash, canonical = row
    try:
        entry = ScanEntry.from_canonical_bytes(canonical)
    except MalformedEntryError as error:
        detail = f"entry {seq}: {error}"
        raise journal_corrupt(detail) from error
    if (entry.seq, entry.scan_id.bytes) != (seq, scan_id):
        detail = f"entry {seq} stands under another number"
        raise journal_corrupt(detail)
    return ChainedEntry(entry, entry_hash)
