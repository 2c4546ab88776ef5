"""The kiosk's store put together for the gate's thread; sync gets a side of its own."""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.gate.ports import EventKnowledge, GateError, SnapshotUnreadableError
from scanner_app.gate.session import GateStore
from scanner_app.store.database import Database
from scanner_app.store.files import StoreFiles
from scanner_app.store.journal import StoredJournal, verify_journal
from scanner_app.store.passages import StoredPassages
from scanner_app.store.replica import (
    read_anchor,
    read_cursor,
    read_enrolment,
    read_rules,
    read_snapshot_record,
    read_time_seen_ms,
)
from scanner_app.store.snapshot import SnapshotFile, SnapshotRecord, check_file
from scanner_app.store.sync_side import SyncSide
from scanner_app.store.tickets import StoredTickets
from shared.errors import AdmissionPolicyError
from shared.journal.chain import Head
from shared.wire.snapshots import Manifest


@dataclass(frozen=True, slots=True)
class _Databases:
    journal: Database
    replica: Database


class KioskStore:
    """What a gate reads and writes; all but `sync_side` belongs to the thread that opened it."""

    def __init__(self, files: StoreFiles, lock: int, databases: _Databases) -> None:
        self._files = files
        self._lock = lock
        self._databases = databases
        self.tickets = StoredTickets(databases.replica)
        self.passages = StoredPassages(databases.journal, databases.replica)
        self.journal = StoredJournal(databases.journal, self.passages)
        self._enrolment: Enrolment | None = None
        self._snapshot: SnapshotFile | None = None
        self._from_snapshot: EventKnowledge | None = None
        self._knowledge: EventKnowledge | None = None
        self._problem: SnapshotUnreadableError | None = None
        self._data_version = -1

    @classmethod
    def open(cls, directory: Path, key: bytes) -> Self:
        """Open or make a store; raise a GateError that says what is wrong and what to do."""
        files = StoreFiles(directory, key)
        lock = files.lock()
        opened: list[Database] = []
        try:
            files.check_key()
            opened.append(files.open_journal())
            # Brought up to date here, so that the gate never reads a format it does not know.
            files.open_replica().close()
            opened.append(files.read_replica())
            store = cls(files, lock, _Databases(*opened))
            store.knowledge()
        except BaseException:
            for database in opened:
                database.close()
            os.close(lock)
            raise
        return store

    def gate_store(self) -> GateStore:
        """Give what a GateSession works on."""
        return GateStore(self.tickets, self.passages, self.journal)

    def sync_side(self) -> SyncSide:
        """Open sync's own connections; any thread may do so, and close them."""
        return SyncSide(self._files)

    def knowledge(self) -> EventKnowledge | None:
        """Give what is known of the event, None before enrolment or snapshot; ask before a scan.

        Looks at one counter in shared memory, and reads again only when sync has written something.
        """
        version = self._databases.replica.number("PRAGMA data_version")
        if version != self._data_version:
            with self._databases.replica.instant():
                self._refresh()
            self._data_version = version
        return self._knowledge

    def enrolment(self) -> Enrolment | None:
        """Give who this kiosk is."""
        self.knowledge()
        return self._enrolment

    def manifest(self) -> Manifest | None:
        """Give the manifest of the snapshot in use."""
        self.knowledge()
        return None if self._snapshot is None else self._snapshot.manifest

    def snapshot_problem(self) -> SnapshotUnreadableError | None:
        """Say why the newest snapshot is not in use; the last good one still serves."""
        self.knowledge()
        return self._problem

    def doubt_snapshot(self) -> None:
        """Look at the open snapshot's file again, after a read of it failed.

        What is damaged is closed; sync, which finds the damage too, fetches it anew.
        """
        if self._snapshot is not None:
            self._snapshot.close()
            self._snapshot, self._from_snapshot = None, None
        self._data_version = -1

    def time_anchor(self) -> TimeAnchor | None:
        return read_anchor(self._databases.replica)

    def time_seen_ms(self) -> int:
        return read_time_seen_ms(self._databases.replica)

    def verify(self) -> Head:
        """Verify the whole journal; raise JournalCorruptError that names the first broken entry."""
        enrolment = self.enrolment()
        if enrolment is None:
            return Head()
        return verify_journal(self._databases.journal, enrolment.device_id)

    def close(self) -> None:
        if self._snapshot is not None:
            self._snapshot.close()
        self._databases.journal.close()
        self._databases.replica.close()
        os.close(self._lock)

    def _refresh(self) -> None:
        replica = self._databases.replica
        self._enrolment = read_enrolment(replica)
        self.journal.write_as(self._enrolment)
        self._take_snapshot(read_snapshot_record(replica))
        self.tickets.snapshot = self._snapshot
        deployment_id = None if self._enrolment is None else self._enrolment.deployment_id
        self.passages.look_at(self._snapshot, deployment_id)
        self._knowledge = self._with_changes()

    def _take_snapshot(self, record: SnapshotRecord | None) -> None:
        """Change over to the snapshot put in use; one that cannot be opened changes nothing."""
        in_use = None if self._snapshot is None else self._snapshot.manifest.sha256
        wanted = None if record is None else record.manifest.sha256
        if in_use == wanted:
            self._problem = None
            return
        opened, knowledge = None, None
        if record is not None:
            try:
                opened, knowledge = self._opened(record)
            except SnapshotUnreadableError as problem:
                self._problem = problem
                return
        if self._snapshot is not None:
            self._snapshot.close()
        self._snapshot, self._from_snapshot, self._problem = opened, knowledge, None

    def _opened(self, record: SnapshotRecord) -> tuple[SnapshotFile, EventKnowledge]:
        path = self._files.snapshots_folder / record.file_name
        check_file(path, record.manifest)
        opened = SnapshotFile(path, record)
        try:
            return opened, opened.knowledge()
        except GateError:
            opened.close()
            raise

    def _with_changes(self) -> EventKnowledge | None:
        known, snapshot = self._from_snapshot, self._snapshot
        if known is None or snapshot is None or self._enrolment is None:
            return None
        replica = self._databases.replica
        cursor = max(read_cursor(replica), snapshot.cursor)
        rules = read_rules(replica, snapshot.cursor)
        if rules is None:
            return replace(known, cursor=cursor)
        try:
            return replace(known, cursor=cursor, rule_book=rules.to_rule_book())
        except AdmissionPolicyError:
            # The server checks rules when they are saved; one that slips through closes no gate.
            return replace(known, cursor=cursor)
