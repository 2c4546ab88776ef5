"""Building a snapshot: one instant of the database, read in one transaction, written to one file.

The cursor comes from the same instant as the rows, so no change is lost between file and stream.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from sqlalchemy.ext.asyncio import AsyncSession

from shared.journal.entry import Cursor
from shared.wire.rules import RuleBookDocument
from shared.wire.signing import manifest_message
from shared.wire.snapshots import IssuerKeyMember, KeySetMember, Manifest
from sync_server.catalog import service as catalog
from sync_server.catalog.rules import EventKeys, zone_mask
from sync_server.catalog.schemas import EventShown
from sync_server.catalog.service import EventFloor
from sync_server.deployments import service as deployments
from sync_server.deployments.service import Place
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant, unix_ms
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services
from sync_server.snapshots import repository
from sync_server.snapshots.file import SNAPSHOT_FOLDER, FinishedFile, SnapshotWriter
from sync_server.snapshots.models import Snapshot
from sync_server.tickets import changes, export
from sync_server.tickets import service as tickets

FILE_KEY_BYTES: Final = 32
FILE_KEY_PURPOSE: Final = "snapshot key"


@dataclass(frozen=True, slots=True)
class Content:
    """What a snapshot holds beside tickets; when it changes, a new snapshot is due."""

    event: EventShown
    floor: EventFloor
    keys: EventKeys
    rules: RuleBookDocument

    def digest(self) -> bytes:
        """Hash what a change page cannot tell a gate: keys, gates, zones and ticket types."""
        digest = sha256()
        for key_set in self.keys.key_sets:
            digest.update(bytes((key_set.key_set_id,)) + sha256(key_set.event_key).digest())
        for key in self.keys.issuer_keys:
            digest.update(bytes((key.ikid, key.active)) + key.public_key)
        for part in (self.event, *self.floor.gates, *self.floor.zones, *self.floor.ticket_types):
            digest.update(part.model_dump_json().encode())
        return digest.digest()


@dataclass(frozen=True, slots=True)
class _Written:
    """A file and what was true of the database when it was read."""

    file: FinishedFile
    cursor: Cursor
    frozen_at_ms: int
    ticket_count: int


async def load_content(session: AsyncSession, services: Services, place: Place) -> Content:
    organizer_id, event_id, _ = place
    deployment = await deployments.find_deployment(session, place)
    return Content(
        event=await catalog.find_event(session, organizer_id, event_id),
        floor=await catalog.load_event_floor(session, organizer_id, event_id),
        keys=await catalog.load_event_keys(session, services, organizer_id, event_id),
        rules=deployment.rules,
    )


async def build_snapshot(services: Services, keys: ServerKeys, place: Place) -> Snapshot:
    """Build the next version and record it; drafts of an attempt that fails are removed."""
    snapshot_id = services.new_id()
    file_key = services.randomness(FILE_KEY_BYTES)
    folder = services.data_directory / SNAPSHOT_FOLDER
    writer = await asyncio.to_thread(SnapshotWriter, folder, str(snapshot_id), file_key)
    try:
        async with services.database.reading_one_moment(WORKER) as session:
            content = await load_content(session, services, place)
            written = await _write(services, session, writer, (place, content))
    except BaseException:
        await asyncio.to_thread(writer.drop)
        raise
    async with services.database.transaction(WORKER) as session:
        previous = await repository.find_newest(session, place)
        manifest = _manifest(place, content, written, previous)
        text = manifest.model_dump_json().encode()
        snapshot = Snapshot(
            organizer_id=place[0],
            event_id=place[1],
            deployment_id=place[2],
            version=manifest.version,
            id=snapshot_id,
            sha256=written.file.sha256,
            size_bytes=written.file.size_bytes,
            ticket_count=written.ticket_count,
            cursor_xid=written.cursor.xid,
            cursor_id=written.cursor.id,
            frozen_at=instant(written.frozen_at_ms),
            content_digest=content.digest(),
            sealed_file_key=services.key_sealer.seal(file_key, FILE_KEY_PURPOSE, snapshot_id),
            manifest=text,
            signature=keys.sign(manifest_message(text)),
        )
        await repository.add(session, snapshot)
        event = (place[0], place[1])
        frozen_at = snapshot.frozen_at
        await tickets.record_freeze(session, event, place[2], written.cursor, frozen_at)
    return snapshot


async def _write(
    services: Services,
    session: AsyncSession,
    writer: SnapshotWriter,
    subject: tuple[Place, Content],
) -> _Written:
    place, content = subject
    cursor = await changes.horizon(session)
    frozen_at_ms = services.clock.now_ms()
    await asyncio.to_thread(_write_content, writer, content)
    count = await _copy(writer, "tickets", export.ticket_rows(session, place[0], place[1]))
    await _copy(writer, "passages", export.passage_rows(session, place[0], place[1]))
    file = await asyncio.to_thread(writer.finish)
    return _Written(file, cursor, frozen_at_ms, count)


async def _copy(
    writer: SnapshotWriter, table: str, chunks: AsyncIterator[list[tuple[Any, ...]]]
) -> int:
    """Write each chunk in a thread while nothing else waits for it, and count the rows."""
    count = 0
    async for chunk in chunks:
        await asyncio.to_thread(writer.add, table, chunk)
        count += len(chunk)
    return count


def _write_content(writer: SnapshotWriter, content: Content) -> None:
    floor, keys = content.floor, content.keys
    rules = content.rules.model_dump_json(exclude_unset=True)
    writer.add("meta", [("rules", rules)])
    writer.add("tiers", [(kind.tier, kind.name, kind.medium.value) for kind in floor.ticket_types])
    writer.add(
        "gates",
        [(gate.id.bytes, gate.number, gate.name, zone_mask(gate.zones)) for gate in floor.gates],
    )
    writer.add("zones", [(zone.bit, zone.name) for zone in floor.zones])
    writer.add(
        "key_sets",
        [(place, item.key_set_id, item.event_key) for place, item in enumerate(keys.key_sets)],
    )
    active = [key for key in keys.issuer_keys if key.active]
    writer.add("issuer_keys", [(key.ikid, key.public_key) for key in active])


def _manifest(
    place: Place, content: Content, written: _Written, previous: Snapshot | None
) -> Manifest:
    version = 1 if previous is None else previous.version + 1
    active = [key for key in content.keys.issuer_keys if key.active]
    return Manifest(
        deployment_id=place[2],
        event_id=place[1],
        event_name=content.event.name,
        version=version,
        version_min=_version_min(previous, {key.ikid for key in active}, version),
        cursor=written.cursor,
        sha256=written.file.sha256,
        size_bytes=written.file.size_bytes,
        ticket_count=written.ticket_count,
        frozen_at_ms=written.frozen_at_ms,
        base_time_ms=unix_ms(content.event.base_time),
        timezone=content.event.timezone,
        key_sets=tuple(KeySetMember(kid=item.key_set_id) for item in content.keys.key_sets),
        issuer_keys=tuple(
            IssuerKeyMember(ikid=key.ikid, public_key=key.public_key) for key in active
        ),
    )


def _version_min(previous: Snapshot | None, ikids: set[int], version: int) -> int:
    """A withdrawn issuer key must not be believed any longer: older snapshots would."""
    if previous is None:
        return 1
    manifest = Manifest.model_validate_json(previous.manifest)
    withdrawn = {key.ikid for key in manifest.issuer_keys} - ikids
    return version if withdrawn else manifest.version_min
