import pytest
from sqlcipher3 import dbapi2

from scanner_app.gate.kiosk import Fault
from scanner_app.gate.ports import GateError, JournalUnwritableError, SnapshotUnreadableError
from scanner_app.store.errors import (
    DiskFullError,
    JournalCorruptError,
    KeyFileExposedError,
    ReplicaUnreadableError,
    SnapshotTooOldError,
    StoreTooNewError,
    WrongStoreKeyError,
    fault_of,
    journal_fault,
    replica_fault,
    snapshot_fault,
)

IO_ERROR_AT_SYNC = 1034
READ_ONLY = 8


def sqlite_error(code: int) -> dbapi2.DatabaseError:
    error = dbapi2.DatabaseError("what SQLite says")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (13, DiskFullError),
        (11, JournalCorruptError),
        (267, JournalCorruptError),
        (26, JournalCorruptError),
        (IO_ERROR_AT_SYNC, JournalUnwritableError),
        (READ_ONLY, JournalUnwritableError),
        (0, JournalUnwritableError),
    ],
)
def test_what_an_error_in_the_journal_means(code: int, kind: type[GateError]) -> None:
    fault = journal_fault(sqlite_error(code))
    assert type(fault) is kind
    assert isinstance(fault, JournalUnwritableError)


def test_errors_in_what_was_heard_stop_the_gate_as_an_unreadable_snapshot_does() -> None:
    assert isinstance(replica_fault(sqlite_error(13)), SnapshotUnreadableError)
    assert isinstance(snapshot_fault(OSError("gone")), SnapshotUnreadableError)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (DiskFullError, Fault.DISK_FULL),
        (JournalCorruptError, Fault.JOURNAL_CORRUPT),
        (SnapshotUnreadableError, Fault.SNAPSHOT_CORRUPT),
        (SnapshotTooOldError, Fault.SNAPSHOT_CORRUPT),
        (ReplicaUnreadableError, Fault.SNAPSHOT_CORRUPT),
        (WrongStoreKeyError, Fault.WRONG_KEY),
        (KeyFileExposedError, Fault.KEY_FILE_EXPOSED),
        (StoreTooNewError, None),
        (JournalUnwritableError, None),
    ],
)
def test_each_error_has_its_screen(kind: type[GateError], fault: Fault | None) -> None:
    assert fault_of(kind("a message")) is fault
