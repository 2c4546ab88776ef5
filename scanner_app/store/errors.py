"""Failures of the kiosk's store, and which of them SQLite's error codes mean.

Every message says what to do. Codes and their meanings: https://www.sqlite.org/rescode.html
"""

from collections.abc import Callable
from typing import Final

from scanner_app.gate.kiosk import Fault
from scanner_app.gate.ports import GateError, JournalUnwritableError, SnapshotUnreadableError

_CORRUPT: Final = 11
_FULL: Final = 13
_NOT_A_DATABASE: Final = 26
_PRIMARY_CODE: Final = 0xFF


class DiskFullError(JournalUnwritableError):
    """No room for another scan; work goes on as soon as there is."""

    code = "disk_full"


class JournalCorruptError(JournalUnwritableError):
    """The journal on disk is not what this kiosk wrote; adding to it would hide that."""

    code = "journal_corrupt"


class ReplicaUnreadableError(SnapshotUnreadableError):
    """What was heard from the server cannot be read, and the snapshot alone may be outdated."""

    code = "replica_unreadable"


class SnapshotTooOldError(SnapshotUnreadableError):
    """An older snapshot than was seen before: it would bring used and cancelled tickets back."""

    code = "snapshot_too_old"


class WrongStoreKeyError(GateError):
    """The store was made with another key."""

    code = "wrong_store_key"


class KeyFileExposedError(GateError):
    """The key file can be read by others, or belongs to somebody else."""

    code = "key_file_exposed"


class KeyFileUnusableError(GateError):
    """The key file cannot be read or made, or does not hold a key."""

    code = "key_file_unusable"


class StoreTooNewError(GateError):
    """The store was written by a newer program, which this one could only damage."""

    code = "store_too_new"


class StoreInUseError(GateError):
    """Another program has this store open; two writers would fork the journal."""

    code = "store_in_use"


Translator = Callable[[Exception], GateError]
"""Turns an error of SQLite into one of ours."""


def journal_fault(error: Exception) -> GateError:
    """Say what an error in the journal file means."""
    code = _code_of(error)
    if code == _FULL:
        return disk_full()
    if code in {_CORRUPT, _NOT_A_DATABASE}:
        return journal_corrupt(str(error))
    message = f"the journal cannot be written ({error}): check the disk, then restart the kiosk"
    return JournalUnwritableError(message)


def disk_full() -> DiskFullError:
    """Say that there is no room."""
    return DiskFullError("the disk is full: free some space, and scanning goes on by itself")


def journal_corrupt(detail: str) -> JournalCorruptError:
    """Say that the journal is damaged, and what may and may not be done about it."""
    message = (
        f"the journal is damaged ({detail}): stop using this kiosk, keep its disk as it is, "
        "and bring it to support, who can recover its scans"
    )
    return JournalCorruptError(message)


def replica_fault(error: Exception) -> GateError:
    """Say what an error in the file of changes and settings means."""
    message = (
        f"the record of changes cannot be used ({error}): free some space; "
        "where that does not help, bring this kiosk to support"
    )
    return ReplicaUnreadableError(message)


def snapshot_fault(error: Exception) -> GateError:
    """Say what an error in a snapshot file means."""
    message = f"the snapshot cannot be read ({error}): connect the kiosk, and it is fetched again"
    return SnapshotUnreadableError(message)


_FAULTS: Final[tuple[tuple[type[GateError], Fault], ...]] = (
    (DiskFullError, Fault.DISK_FULL),
    (JournalCorruptError, Fault.JOURNAL_CORRUPT),
    (SnapshotUnreadableError, Fault.SNAPSHOT_CORRUPT),
    (WrongStoreKeyError, Fault.WRONG_KEY),
    (KeyFileExposedError, Fault.KEY_FILE_EXPOSED),
)


def fault_of(error: GateError) -> Fault | None:
    """Name the screen for an error; None where only its message can be shown."""
    return next((fault for kind, fault in _FAULTS if isinstance(error, kind)), None)


def is_not_a_database(error: BaseException | None) -> bool:
    """Whether SQLCipher could not decrypt even the first page."""
    return _code_of(error) == _NOT_A_DATABASE


def _code_of(error: BaseException | None) -> int:
    code = getattr(error, "sqlite_errorcode", None)
    return code & _PRIMARY_CODE if isinstance(code, int) else 0
