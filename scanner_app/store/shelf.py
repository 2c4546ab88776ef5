"""Snapshot files on disk: where a download lands, and how it comes into use. Run by sync."""

import os
from pathlib import Path
from typing import Final

from scanner_app.gate.ports import SnapshotUnreadableError
from scanner_app.store.changes import move_cursor
from scanner_app.store.database import Database
from scanner_app.store.errors import SnapshotTooOldError, snapshot_fault
from scanner_app.store.keyring import sync_folder
from scanner_app.store.replica import read_cursor, read_enrolment, read_snapshot_record
from scanner_app.store.snapshot import SnapshotFile, SnapshotRecord, check_file
from shared.journal.entry import Cursor
from shared.wire.snapshots import Manifest

_PARTIAL: Final = ".part"
_Stamp = tuple[int, int, int] | None


class StoredShelf:
    """Implements SnapshotShelf; the gate keeps the file it has open until it sees the new one."""

    def __init__(self, folder: Path, replica: Database) -> None:
        self._folder = folder
        self._replica = replica
        folder.mkdir(mode=0o700, exist_ok=True)
        self._checked: tuple[str, _Stamp] | None = None

    def current(self) -> Manifest | None:
        """Give the manifest in use; None also where its file was lost or damaged since."""
        record = read_snapshot_record(self._replica)
        if record is None:
            return None
        path = self._folder / record.file_name
        # Reading the whole file is dear, so it is done again only when somebody touched it.
        checked = (record.manifest.sha256, _stamp(path))
        if checked != self._checked:
            try:
                check_file(path, record.manifest)
            except SnapshotUnreadableError:
                return None
            self._checked = checked
        return record.manifest

    def highest_version_seen(self) -> int:
        """Give the highest version of this deployment; it outlives files and enrolments."""
        enrolment = read_enrolment(self._replica)
        return 0 if enrolment is None else self._highest(enrolment.deployment_id.bytes)

    def partial_path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}{_PARTIAL}"

    def install(self, manifest: Manifest, file_key: bytes) -> None:
        """Check the finished download and put it in use; the last good snapshot stays otherwise."""
        self._check_wanted(manifest)
        partial = self.partial_path(manifest.sha256)
        record = SnapshotRecord(manifest, file_key)
        self._check_file(partial, manifest)
        opened = SnapshotFile(partial, record)
        try:
            opened.check_content()
            opened.knowledge()
        finally:
            opened.close()
        try:
            _make_durable(partial)
            partial.replace(self._folder / record.file_name)
            sync_folder(self._folder)
        except OSError as error:
            raise snapshot_fault(error) from error
        self._put_in_use(record)
        self._checked = (manifest.sha256, _stamp(self._folder / record.file_name))
        self.discard_files(keep=record.file_name)

    def discard_files(self, keep: str = "") -> None:
        """Delete snapshot files that are not in use; who has one open can still read it."""
        for path in self._folder.iterdir():
            if path.name != keep:
                path.unlink(missing_ok=True)

    def _check_wanted(self, manifest: Manifest) -> None:
        enrolment = read_enrolment(self._replica)
        if enrolment is not None and manifest.deployment_id != enrolment.deployment_id:
            message = "this snapshot was made for another deployment"
            raise SnapshotUnreadableError(message)
        highest = self._highest(manifest.deployment_id.bytes)
        if manifest.version < max(highest, manifest.version_min):
            message = f"snapshot {manifest.version} is older than {highest}, which was seen before"
            raise SnapshotTooOldError(message)

    def _check_file(self, partial: Path, manifest: Manifest) -> None:
        try:
            check_file(partial, manifest)
        except SnapshotUnreadableError:
            # What is too short may be continued; what is wrong must not be.
            if partial.exists() and partial.stat().st_size >= manifest.size_bytes:
                partial.unlink()
            raise

    def _put_in_use(self, record: SnapshotRecord) -> None:
        manifest = record.manifest
        with self._replica.transaction():
            replaced = read_snapshot_record(self._replica)
            if replaced is not None:
                self._drop_changes_until(Cursor(*replaced.manifest.cursor))
            self._replica.run(
                "INSERT OR REPLACE INTO snapshot_in_use VALUES (1, ?, ?, ?)",
                (manifest.sha256, manifest.model_dump_json(), record.file_key),
            )
            self._replica.run(
                "INSERT OR REPLACE INTO snapshot_versions VALUES (?, ?)",
                (manifest.deployment_id.bytes, manifest.version),
            )
            move_cursor(self._replica, max(read_cursor(self._replica), Cursor(*manifest.cursor)))

    def _drop_changes_until(self, cursor: Cursor) -> None:
        # Only what the replaced snapshot already knew: the gate may still be reading that one, and
        # needs every change after it until it has opened the new one.
        for table in ("tickets", "rules"):
            self._replica.run(
                f"DELETE FROM {table} WHERE (xid, change_id) <= (?, ?)",  # noqa: S608 - two names
                cursor,
            )

    def _highest(self, deployment_id: bytes) -> int:
        return self._replica.number(
            "SELECT highest FROM snapshot_versions WHERE deployment_id = ?", (deployment_id,)
        )


def _stamp(path: Path) -> _Stamp:
    """Give what changes when a file is written to; None where there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_ino, status.st_size, status.st_mtime_ns)


def _make_durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
