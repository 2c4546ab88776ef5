"""A SQLCipher connection with typed results and translated errors; knows no table.

A connection belongs to the thread that opened it, and use by another is a bug (ProgrammingError);
one opened as shared takes turns.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Final, Self

from sqlcipher3 import dbapi2

from scanner_app.store.errors import Translator

Row = tuple[Any, ...]
KEY_BYTES: Final = 32
_BUSY_SECONDS: Final = 2.0
_BUGS: Final = (dbapi2.ProgrammingError, dbapi2.IntegrityError, dbapi2.InterfaceError)
"""Errors that say something about our own statements rather than about the world."""


@dataclass(frozen=True, slots=True)
class Access:
    """How a file is opened."""

    key: bytes = field(repr=False)
    translate: Translator
    shared: bool = False
    """Whether more than one thread uses the connection, one after the other."""


class Database:
    """One connection; SQLite's errors, unless they are bugs, are raised as what they mean here."""

    def __init__(self, location: str, access: Access) -> None:
        """Open and prove the key by a first read, so that a wrong one is found here."""
        self._translate = access.translate
        self._turn: AbstractContextManager[object] = RLock() if access.shared else nullcontext()
        with self._translated():
            self._connection = dbapi2.connect(
                location,
                uri=True,
                isolation_level=None,
                timeout=_BUSY_SECONDS,
                check_same_thread=not access.shared,
            )
        try:
            self._unlock(access.key)
        except BaseException:
            self._connection.close()
            raise

    def _unlock(self, key: bytes) -> None:
        # A raw key takes no derivation. PRAGMA takes no parameters; hexadecimal needs no quoting.
        self.run(f"PRAGMA key = \"x'{key.hex()}'\"")
        # What goes wrong is raised as an error of ours; SQLCipher would write it to stderr besides.
        self.run("PRAGMA cipher_log_level = NONE")
        # Locking and wiping every page buffer is slow, and the process holds the key anyway.
        self.run("PRAGMA cipher_memory_security = OFF")
        self.one("SELECT count(*) FROM sqlite_master")

    @classmethod
    def writable(cls, path: Path, access: Access) -> Self:
        """Open a file to write to, made where it is missing; what is committed is on disk."""
        database = cls(path.absolute().as_uri(), access)
        database.one("PRAGMA journal_mode = WAL")
        # FULL syncs the log at every commit: one small write and one sync, no second file.
        database.run("PRAGMA synchronous = FULL")
        # Without it REPLACE would delete rows past the triggers that forbid it.
        database.run("PRAGMA recursive_triggers = ON")
        return database

    @classmethod
    def reading(cls, path: Path, access: Access) -> Self:
        """Open one more connection to a file that another connection writes."""
        database = cls(path.absolute().as_uri(), access)
        database.run("PRAGMA query_only = ON")
        return database

    @classmethod
    def frozen(cls, path: Path, access: Access) -> Self:
        """Open a file that nobody will ever write again."""
        return cls(f"{path.absolute().as_uri()}?mode=ro&immutable=1", access)

    @property
    def connection(self) -> Any:  # noqa: ANN401 - sqlcipher3 is published without types
        """The connection itself, for sqlite-utils."""
        return self._connection

    def run(self, statement: str, values: Sequence[object] = ()) -> None:
        """Execute one statement."""
        with self._turn, self._translated():
            self._connection.execute(statement, values)

    def run_many(self, statement: str, values: Iterable[Sequence[object]]) -> None:
        """Execute one statement for each row of values."""
        with self._turn, self._translated():
            self._connection.executemany(statement, values)

    def one(self, statement: str, values: Sequence[object] = ()) -> Row | None:
        """Fetch the first row."""
        with self._turn, self._translated():
            row: Row | None = self._connection.execute(statement, values).fetchone()
        return row

    def all(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Fetch all rows."""
        with self._turn, self._translated():
            rows: list[Row] = self._connection.execute(statement, values).fetchall()
        return rows

    def number(self, statement: str, values: Sequence[object] = ()) -> int:
        """Fetch the first column of the first row; 0 where there is no row or it is NULL."""
        row = self.one(statement, values)
        return int(row[0] or 0) if row is not None else 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit what happens inside as one; on any error nothing of it stays."""
        with self._turn:
            self.run("BEGIN IMMEDIATE")
            try:
                yield
                self.run("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self.run("ROLLBACK")
                raise

    @contextmanager
    def instant(self) -> Iterator[None]:
        """Let all reads inside see the same instant."""
        with self._turn:
            self.run("BEGIN")
            try:
                yield
            finally:
                self.run("ROLLBACK")

    def close(self) -> None:
        with self._turn:
            self._connection.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except _BUGS:
            raise
        except (dbapi2.DatabaseError, OverflowError) as error:
            # Overflow: a number from outside that does not fit SQLite's 64 bits.
            raise self._translate(error) from error
