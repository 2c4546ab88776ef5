"""What gate and sync both read from the replica: identity, time, snapshot. Writes nothing."""

from typing import Final
from uuid import UUID

from pydantic import ValidationError

from scanner_app.gate.enrolment import Enrolment
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.store.database import Database
from scanner_app.store.errors import replica_fault
from scanner_app.store.snapshot import SnapshotRecord
from shared.ids import DeploymentId, DeviceId, GateId
from shared.journal.entry import Cursor
from shared.wire.rules import RuleBookDocument
from shared.wire.snapshots import Manifest

_ENROLMENT: Final = (
    "SELECT device_id, deployment_id, deployment_name, gate_id, gate_name,"
    " server_address, server_key FROM enrolment"
)
_ANCHOR: Final = "SELECT time_ms, boottime_ns, round_trip_ms, boot_id FROM time_anchor"


def read_enrolment(replica: Database) -> Enrolment | None:
    """Give who this kiosk is, None before it is enrolled."""
    row = replica.one(_ENROLMENT)
    if row is None:
        return None
    device_id, deployment_id, deployment_name, gate_id, gate_name, address, server_key = row
    return Enrolment(
        device_id=DeviceId(UUID(bytes=device_id)),
        deployment_id=DeploymentId(UUID(bytes=deployment_id)),
        deployment_name=deployment_name,
        gate_id=GateId(UUID(bytes=gate_id)),
        gate_name=gate_name,
        server_address=address,
        server_key=server_key,
    )


def read_anchor(replica: Database) -> TimeAnchor | None:
    """Give the last signed time."""
    row = replica.one(_ANCHOR)
    if row is None:
        return None
    time_ms, boottime_ns, round_trip_ms, boot_id = row
    return TimeAnchor(time_ms, boottime_ns, round_trip_ms, UUID(bytes=boot_id))


def read_time_seen_ms(replica: Database) -> int:
    """Give the highest time ever noted, 0 before any."""
    return replica.number("SELECT time_ms FROM time_seen")


def read_cursor(replica: Database) -> Cursor:
    """Give the place up to which changes were applied."""
    row = replica.one("SELECT xid, change_id FROM cursor")
    return Cursor(0, 0) if row is None else Cursor(*row)


def read_snapshot_record(replica: Database) -> SnapshotRecord | None:
    """Give manifest and key of the snapshot in use."""
    row = replica.one("SELECT manifest, file_key FROM snapshot_in_use")
    if row is None:
        return None
    try:
        return SnapshotRecord(Manifest.model_validate_json(row[0]), row[1])
    except ValidationError as error:
        raise replica_fault(error) from error


def read_rules(replica: Database, after: Cursor) -> RuleBookDocument | None:
    """Give the rules that came after a snapshot; None where the snapshot's own hold."""
    row = replica.one("SELECT document FROM rules WHERE (xid, change_id) > (?, ?)", after)
    if row is None:
        return None
    try:
        return RuleBookDocument.model_validate_json(row[0])
    except ValidationError as error:
        raise replica_fault(error) from error
