"""Writing one SQLCipher file: schema, rows in the order of their keys, nothing wasted. Blocks;
knows no database.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlcipher3 import dbapi2

from shared.wire.snapshots import SNAPSHOT_SCHEMA

Row = Sequence[Any]
SNAPSHOT_FOLDER: Final = "snapshots"
FILE_SUFFIX: Final = ".db"


@dataclass(frozen=True, slots=True)
class FinishedFile:
    """A whole file, named by what is in it."""

    path: Path
    sha256: str
    size_bytes: int


class SnapshotWriter:
    """A draft that becomes a file when it is finished and leaves nothing behind when it is
    dropped.
    """

    def __init__(self, folder: Path, name: str, key: bytes) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._draft = folder / f"{name}.draft"
        # Calls come one after the other, though each may come from another worker thread.
        self._connection = dbapi2.connect(
            str(self._draft), isolation_level=None, check_same_thread=False
        )
        self._connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
        self._connection.execute("PRAGMA cipher_memory_security = OFF")
        self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.executescript(SNAPSHOT_SCHEMA)
        self._connection.execute("BEGIN")

    def add(self, table: str, rows: Iterable[Row]) -> None:
        """Insert whole rows; those of `tickets` must come in the order of their ids."""
        listed = list(rows)
        if listed:
            places = ", ".join("?" * len(listed[0]))
            statement = f"INSERT INTO {table} VALUES ({places})"  # noqa: S608 - a table of ours
            self._connection.executemany(statement, listed)

    def finish(self) -> FinishedFile:
        self._connection.execute("COMMIT")
        self._connection.close()
        with self._draft.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        path = snapshot_path(self._folder, sha256)
        self._draft.rename(path)
        return FinishedFile(path, sha256, path.stat().st_size)

    def drop(self) -> None:
        self._connection.close()
        self._draft.unlink(missing_ok=True)


def snapshot_path(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}{FILE_SUFFIX}"
