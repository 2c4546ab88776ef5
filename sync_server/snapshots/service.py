"""A deployment's newest snapshot: found, built when it is due, and wrapped for one device."""

import asyncio
from pathlib import Path
from typing import Final
from uuid import UUID
from weakref import WeakValueDictionary

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from shared.wire.signing import file_key_info
from shared.wire.snapshots import SignedManifest
from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.deployments import sessions
from sync_server.deployments.rules import Scanner
from sync_server.deployments.service import Place
from sync_server.kit.claims import WORKER, Claims
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services
from sync_server.organizers.callers import OrganizerCaller
from sync_server.snapshots import repository
from sync_server.snapshots.building import (
    FILE_KEY_PURPOSE,
    build_snapshot,
    load_content,
)
from sync_server.snapshots.errors import SnapshotNotFoundError
from sync_server.snapshots.file import SNAPSHOT_FOLDER, snapshot_path
from sync_server.snapshots.models import Snapshot
from sync_server.snapshots.schemas import SnapshotShown

_SUITE: Final = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
_BUILDING: Final[WeakValueDictionary[UUID, asyncio.Lock]] = WeakValueDictionary()
"""One build of a deployment at a time in this process; others wait and find it done."""


async def record_rebuild(caller: OrganizerCaller, services: Services, place: Place) -> None:
    """Write down who asks for a new version, before it is built."""
    subject = Subject("deployment", str(place[2]), caller.organizer_id)
    await audit.record_action(caller.session, services, Action("snapshot.rebuild", subject))


async def rebuild(services: Services, keys: ServerKeys, place: Place) -> SnapshotShown:
    """Build a new version now, whatever there is."""
    async with _building(place):
        return SnapshotShown.model_validate(await _build(services, keys, place))


async def signed_manifest(services: Services, keys: ServerKeys, scanner: Scanner) -> SignedManifest:
    """Give the newest snapshot's manifest with its key for this device, building what is due."""
    async with services.database.reading(WORKER) as session:
        await sessions.require_trusted(session, scanner)
        device = await sessions.describe_device(session, scanner.device_id)
    place = _place(scanner)
    async with _building(place):
        snapshot = await _current(services, place) or await _build(services, keys, place)
    file_key = services.key_sealer.open(snapshot.sealed_file_key, FILE_KEY_PURPOSE, snapshot.id)
    info = file_key_info(scanner.deployment_id, scanner.device_id, snapshot.sha256)
    public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), device.sealing_key)
    return SignedManifest(
        manifest=snapshot.manifest,
        signature=snapshot.signature,
        wrapped_key=_SUITE.encrypt(file_key, public_key, info=info),
    )


async def find_file(services: Services, claims: Claims, scanner: Scanner, sha256: str) -> Path:
    """Give the file's place; SnapshotNotFoundError for files of other deployments too."""
    async with services.database.reading(claims) as session:
        found = await repository.find_by_content(session, _place(scanner), sha256)
    path = snapshot_path(services.data_directory / SNAPSHOT_FOLDER, sha256)
    if found is None or not path.exists():
        raise SnapshotNotFoundError
    read = Access(AccessKind.READ, Subject("snapshot", sha256, scanner.organizer_id))
    await audit.record_accesses_or_complain(services, claims, [read])
    return path


async def newest_version(session: AsyncSession, scanner: Scanner) -> int:
    """Give the version a kiosk could have, 0 before the first."""
    snapshot = await repository.find_newest(session, _place(scanner))
    return 0 if snapshot is None else snapshot.version


async def _current(services: Services, place: Place) -> Snapshot | None:
    """Find the newest snapshot, unless it is gone or says what is no longer so."""
    async with services.database.reading(WORKER) as session:
        snapshot = await repository.find_newest(session, place, with_key=True)
        if snapshot is None:
            return None
        content = await load_content(session, services, place)
    path = snapshot_path(services.data_directory / SNAPSHOT_FOLDER, snapshot.sha256)
    fits = content.digest() == snapshot.content_digest and path.exists()
    return snapshot if fits else None


async def _build(services: Services, keys: ServerKeys, place: Place) -> Snapshot:
    """Build; where another process was faster with this version, take the one it made."""
    try:
        return await build_snapshot(services, keys, place)
    except IntegrityError:
        async with services.database.reading(WORKER) as session:
            newest = await repository.find_newest(session, place, with_key=True)
        if newest is None:
            raise
        return newest


def _place(scanner: Scanner) -> Place:
    return scanner.organizer_id, scanner.event_id, scanner.deployment_id


def _building(place: Place) -> asyncio.Lock:
    return _BUILDING.setdefault(place[2], asyncio.Lock())
