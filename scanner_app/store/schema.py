"""The tables of the kiosk's two databases, and bringing older files up to date. Touches no rows."""

from dataclasses import dataclass
from typing import Final

from sqlcipher3 import dbapi2
from sqlite_utils import Database as SqliteUtilsDatabase
from sqlite_utils.migrations import Migrations

from scanner_app.store.database import Database
from scanner_app.store.errors import StoreTooNewError

_MAJOR: Final = 1_000
"""`user_version` is major * 1000 + minor. A program works with any minor of its own major."""

JOURNAL_TABLES: Final = """
CREATE TABLE entries (
  position INTEGER PRIMARY KEY,
  device_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  scan_id BLOB NOT NULL UNIQUE,
  entry_hash BLOB NOT NULL,
  canonical BLOB NOT NULL,
  UNIQUE (device_id, seq)
);
CREATE TABLE passages (
  position INTEGER PRIMARY KEY REFERENCES entries,
  deployment_id BLOB NOT NULL,
  ticket_id INTEGER NOT NULL,
  scan_id BLOB NOT NULL,
  device_id BLOB NOT NULL,
  gate_id BLOB NOT NULL,
  direction TEXT NOT NULL,
  at_ms INTEGER NOT NULL
);
CREATE INDEX passages_by_ticket ON passages (ticket_id);
CREATE TRIGGER entries_stay BEFORE UPDATE ON entries
  BEGIN SELECT RAISE(ABORT, 'journal entries are never changed'); END;
CREATE TRIGGER entries_are_kept BEFORE DELETE ON entries
  BEGIN SELECT RAISE(ABORT, 'journal entries are never deleted'); END;
CREATE TRIGGER passages_stay BEFORE UPDATE ON passages
  BEGIN SELECT RAISE(ABORT, 'passages are never changed'); END;
CREATE TRIGGER passages_are_kept BEFORE DELETE ON passages
  BEGIN SELECT RAISE(ABORT, 'passages are never deleted'); END;
"""

REPLICA_TABLES: Final = """
CREATE TABLE device_keys (purpose TEXT PRIMARY KEY, private_key BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE enrolment (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  device_id BLOB NOT NULL,
  deployment_id BLOB NOT NULL,
  deployment_name TEXT NOT NULL,
  gate_id BLOB NOT NULL,
  gate_name TEXT NOT NULL,
  server_address TEXT NOT NULL,
  server_key BLOB NOT NULL
);
CREATE TABLE time_anchor (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  time_ms INTEGER NOT NULL,
  boottime_ns INTEGER NOT NULL,
  round_trip_ms INTEGER NOT NULL,
  boot_id BLOB NOT NULL
);
CREATE TABLE time_seen (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1), time_ms INTEGER NOT NULL
);
CREATE TABLE revocation (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1), document TEXT NOT NULL
);
CREATE TABLE snapshot_in_use (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  sha256 TEXT NOT NULL,
  manifest TEXT NOT NULL,
  file_key BLOB NOT NULL
);
CREATE TABLE snapshot_versions (
  deployment_id BLOB PRIMARY KEY, highest INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE cursor (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  xid INTEGER NOT NULL,
  change_id INTEGER NOT NULL
);
CREATE TABLE tickets (
  ticket_id INTEGER PRIMARY KEY,
  generation INTEGER NOT NULL,
  status TEXT NOT NULL,
  holder_algorithm INTEGER,
  holder_key BLOB,
  core BLOB NOT NULL,
  medium TEXT,
  attention INTEGER NOT NULL,
  holder_name TEXT,
  seat TEXT,
  xid INTEGER NOT NULL,
  change_id INTEGER NOT NULL
);
CREATE TABLE rules (
  only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
  document TEXT NOT NULL,
  xid INTEGER NOT NULL,
  change_id INTEGER NOT NULL
);
CREATE TABLE passages (
  position INTEGER PRIMARY KEY AUTOINCREMENT,
  scan_id BLOB NOT NULL UNIQUE,
  ticket_id INTEGER NOT NULL,
  device_id BLOB NOT NULL,
  gate_id BLOB NOT NULL,
  direction TEXT NOT NULL,
  at_ms INTEGER NOT NULL
);
CREATE INDEX passages_by_ticket ON passages (ticket_id);
CREATE TABLE answers (
  device_id BLOB NOT NULL,
  seq INTEGER NOT NULL,
  result TEXT NOT NULL,
  finding TEXT,
  PRIMARY KEY (device_id, seq)
) WITHOUT ROWID;
CREATE TABLE acknowledged (device_id BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE findings (
  kind TEXT NOT NULL, scan_ids BLOB NOT NULL, PRIMARY KEY (kind, scan_ids)
) WITHOUT ROWID;
"""

_journal_migrations = Migrations("journal")
_replica_migrations = Migrations("replica")


@_journal_migrations()
def journal_1_0(database: SqliteUtilsDatabase) -> None:
    """Entries, and the passages that the gate looks at before it admits."""
    _run_script(database, JOURNAL_TABLES)


@_replica_migrations()
def replica_1_0(database: SqliteUtilsDatabase) -> None:
    """Everything the server says, and who this kiosk is."""
    _run_script(database, REPLICA_TABLES)


@dataclass(frozen=True, slots=True)
class Schema:
    """How a file is made and kept up to date."""

    migrations: Migrations
    major: int
    minor: int

    def bring_up_to_date(self, database: Database) -> None:
        """Run what is missing, each step in a transaction; raise StoreTooNewError untouched."""
        found = database.number("PRAGMA user_version")
        if found // _MAJOR > self.major:
            message = (
                "this kiosk's data was written by a newer version of the program: "
                "install that version again, or a later one"
            )
            raise StoreTooNewError(message)
        own = self.major * _MAJOR + self.minor
        if found >= own:
            return
        self.migrations.apply(SqliteUtilsDatabase(database.connection, execute_plugins=False))
        database.run(f"PRAGMA user_version = {own}")


JOURNAL_SCHEMA: Final = Schema(_journal_migrations, major=1, minor=0)
REPLICA_SCHEMA: Final = Schema(_replica_migrations, major=1, minor=0)


def _run_script(database: SqliteUtilsDatabase, script: str) -> None:
    """Execute one by one: executescript() would commit the migration's transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if dbapi2.complete_statement(statement):
            database.execute(statement)
            statement = ""
