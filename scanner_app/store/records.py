"""Enrolment, revocation and time as sync writes them; one statement or one transaction each."""

from collections.abc import Callable

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.store.database import Database
from scanner_app.store.replica import (
    read_anchor,
    read_enrolment,
    read_time_seen_ms,
)
from shared.wire.scanners import SignedRevocation

_FORGOTTEN_TABLES = (
    "enrolment",
    "snapshot_in_use",
    "cursor",
    "tickets",
    "rules",
    "passages",
    "findings",
)


class StoredEnrolment:
    """Implements EnrolmentRecord."""

    def __init__(self, replica: Database, discard_files: Callable[[], None]) -> None:
        self._replica = replica
        self._discard_files = discard_files

    def enrolment(self) -> Enrolment | None:
        return read_enrolment(self._replica)

    def save_enrolment(self, enrolment: Enrolment) -> None:
        """Become this device; what was heard of another deployment is forgotten first."""
        with self._replica.transaction():
            before = read_enrolment(self._replica)
            if before is not None and before.deployment_id != enrolment.deployment_id:
                self._forget()
            self._replica.run(
                "INSERT OR REPLACE INTO enrolment VALUES (1, ?, ?, ?, ?, ?, ?, ?)",
                (
                    enrolment.device_id.bytes,
                    enrolment.deployment_id.bytes,
                    enrolment.deployment_name,
                    enrolment.gate_id.bytes,
                    enrolment.gate_name,
                    enrolment.server_address,
                    enrolment.server_key,
                ),
            )
            self._replica.run("DELETE FROM revocation")

    def forget_enrolment(self) -> None:
        """Forget the deployment and its snapshot; journal, answers and device keys stay."""
        with self._replica.transaction():
            self._forget()
        # The key must not survive in the log either: the log is emptied into pages that were wiped.
        self._replica.one("PRAGMA wal_checkpoint(TRUNCATE)")
        self._discard_files()

    def _forget(self) -> None:
        for table in _FORGOTTEN_TABLES:
            self._replica.run(f"DELETE FROM {table}")  # noqa: S608 - names from the list above


class StoredRevocation:
    """Implements RevocationRecord; a new enrolment ends the revocation."""

    def __init__(self, replica: Database) -> None:
        self._replica = replica

    def revocation(self) -> SignedRevocation | None:
        row = self._replica.one("SELECT document FROM revocation")
        return None if row is None else SignedRevocation.model_validate_json(row[0])

    def save_revocation(self, revocation: SignedRevocation) -> None:
        self._replica.run(
            "INSERT OR REPLACE INTO revocation VALUES (1, ?)", (revocation.model_dump_json(),)
        )


class StoredTime:
    """Implements TimeRecord."""

    def __init__(self, replica: Database) -> None:
        self._replica = replica

    def save_anchor(self, anchor: TimeAnchor) -> None:
        self._replica.run(
            "INSERT OR REPLACE INTO time_anchor VALUES (1, ?, ?, ?, ?)",
            (anchor.time_ms, anchor.boottime_ns, anchor.round_trip_ms, anchor.boot_id.bytes),
        )

    def anchor(self) -> TimeAnchor | None:
        return read_anchor(self._replica)

    def time_seen_ms(self) -> int:
        return read_time_seen_ms(self._replica)

    def raise_time_seen(self, time_ms: int) -> None:
        """Note a time; an earlier one than noted before changes nothing."""
        self._replica.run(
            "INSERT INTO time_seen VALUES (1, ?)"
            " ON CONFLICT DO UPDATE SET time_ms = max(time_ms, excluded.time_ms)",
            (time_ms,),
        )
