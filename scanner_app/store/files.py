"""Where the kiosk's files lie; opening them with the right key, one program at a time."""

import errno
import fcntl
import hmac
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from shutil import disk_usage
from typing import Final

from scanner_app.gate.ports import GateError, JournalUnwritableError
from scanner_app.store.database import Access, Database
from scanner_app.store.errors import (
    StoreInUseError,
    WrongStoreKeyError,
    disk_full,
    is_not_a_database,
    journal_fault,
    replica_fault,
)
from scanner_app.store.keyring import sync_folder, write_durably
from scanner_app.store.schema import JOURNAL_SCHEMA, REPLICA_SCHEMA, Schema

_KEY_CHECK_PURPOSE: Final = b"zeraket-gate store key check"
_ROOM_BYTES_MIN: Final = 256 * 1024
"""With less than this, SQLite cannot even make the files that stand beside a database."""


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """The folder of a store, and the key of its databases."""

    directory: Path
    key: bytes = field(repr=False)

    @property
    def journal_path(self) -> Path:
        return self.directory / "journal.db"

    @property
    def replica_path(self) -> Path:
        return self.directory / "replica.db"

    @property
    def snapshots_folder(self) -> Path:
        return self.directory / "snapshots"

    def lock(self) -> int:
        """Keep other programs out as long as the descriptor is open; raise StoreInUseError."""
        with _folder_faults():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.directory / "store.lock"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            message = "another kiosk program is running on this store: close it first"
            raise StoreInUseError(message) from error
        return descriptor

    def open_journal(self) -> Database:
        """Open the journal to write to, in the latest format."""
        return self._prepared(
            self.journal_path, JOURNAL_SCHEMA, Access(self.key, self._journal_fault)
        )

    def open_replica(self) -> Database:
        """Open the replica to write to, in the latest format; threads may share the connection."""
        access = Access(self.key, replica_fault, shared=True)
        replica = self._prepared(self.replica_path, REPLICA_SCHEMA, access)
        replica.run("PRAGMA secure_delete = ON")
        return replica

    def read_journal(self) -> Database:
        """Open the journal beside its writer; threads may share the connection."""
        access = Access(self.key, self._journal_fault, shared=True)
        return Database.reading(self.journal_path, access)

    def read_replica(self) -> Database:
        return Database.reading(self.replica_path, Access(self.key, replica_fault))

    def _journal_fault(self, error: Exception) -> GateError:
        """Tell a full disk from a broken one: opening a file, SQLite calls both an I/O error."""
        fault = journal_fault(error)
        plain = type(fault) is JournalUnwritableError
        if plain and disk_usage(self.directory).free < _ROOM_BYTES_MIN:
            return disk_full()
        return fault

    def check_key(self) -> None:
        """Raise WrongStoreKeyError where the store was made with another key.

        Without this a wrong key could not be told from damage: both make the first page unreadable.
        """
        path = self.directory / "store.check"
        expected = hmac.digest(self.key, _KEY_CHECK_PURPOSE, sha256)
        with _folder_faults():
            if not path.exists():
                self._prove_key()
                write_durably(path, expected)
            elif not hmac.compare_digest(path.read_bytes(), expected):
                raise _wrong_key()

    def _prove_key(self) -> None:
        if self.journal_path.exists():
            try:
                self.read_journal().close()
            except GateError as error:
                if is_not_a_database(error.__cause__):
                    raise _wrong_key() from error
                raise

    def _prepared(self, path: Path, schema: Schema, access: Access) -> Database:
        is_new = not path.exists()
        database = Database.writable(path, access)
        try:
            schema.bring_up_to_date(database)
        except BaseException:
            database.close()
            raise
        if is_new:
            path.chmod(0o600)
            sync_folder(self.directory)
        return database


@contextmanager
def _folder_faults() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise disk_full() from error
        message = f"the kiosk's folder cannot be used ({error.strerror}): check its permissions"
        raise JournalUnwritableError(message) from error


def _wrong_key() -> WrongStoreKeyError:
    message = (
        "this kiosk's data was made with another key: restore its key file from a copy, "
        "or bring the kiosk to support before it is used again"
    )
    return WrongStoreKeyError(message)
