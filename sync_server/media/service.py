"""Files of organizers: taken in, shown, removed; other domains keep statements here.

The row comes first and the content after it, outside any transaction: what a killed process leaves
behind is a row that nobody sees, and `orphans` ends it.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import IO, Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from shared.ids import OrganizerId
from sync_server.audit import service as audit
from sync_server.audit.rules import Access, AccessKind, Action, Subject
from sync_server.kit.claims import WORKER
from sync_server.kit.instants import instant
from sync_server.kit.pagination import Page, PageRequest, page_of
from sync_server.kit.problems import BusyError
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services
from sync_server.kit.storage import ObjectKey, hash_of
from sync_server.media import repository
from sync_server.media.addresses import SIGNED_SECONDS, SignedAddress, public_path
from sync_server.media.callers import BucketCaller, Sender
from sync_server.media.errors import ObjectNotFoundError
from sync_server.media.models import StoredObject, StoredVariant
from sync_server.media.pictures import Picture, clean_picture
from sync_server.media.repository import Place
from sync_server.media.rules import BUCKETS, PICTURES, Bucket, Kind, kept_name, kind_of
from sync_server.media.schemas import ObjectShown, VariantShown
from sync_server.media.sniffing import require_kind
from sync_server.media.uploads import Upload
from sync_server.media.workshop import Workshop

_SUBJECT: Final = "stored_object"
_MILLISECONDS: Final = 1000


@dataclass(frozen=True, slots=True)
class Kept:
    """A file as it is kept; `is_new` is false where it had been there before."""

    shown: ObjectShown
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What will be stored: the file itself, and smaller copies of a picture."""

    kind: Kind
    content: IO[bytes]
    sha256: str
    size_bytes: int
    width: int | None = None
    height: int | None = None
    variants: tuple[Picture, ...] = ()


def object_key(organizer_id: UUID, bucket: str, sha256: str) -> ObjectKey:
    return ObjectKey(f"{bucket}/{organizer_id}", sha256)


async def add_file(services: Services, workshop: Workshop, sender: Sender, upload: Upload) -> Kept:
    """Keep what was sent; the same file again, or one of which the same is kept, is answered as it
    is.
    """
    known = await _find_known(services, sender, upload)
    if known is not None:
        return known
    rules = BUCKETS[sender.place.bucket]
    kind = await asyncio.to_thread(require_kind, upload.file, rules)
    if kind not in PICTURES:
        prepared = _Prepared(kind, upload.file, upload.sha256, upload.size_bytes)
    else:
        clean = await workshop.run(clean_picture, upload.file, kind, rules.variant_widths)
        original = clean.original
        prepared = _Prepared(
            original.kind,
            BytesIO(original.content),
            original.sha256,
            len(original.content),
            original.width,
            original.height,
            clean.variants,
        )
    return await _keep(services, sender, upload.sha256, prepared)


async def keep_statement(
    services: Services, organizer_id: OrganizerId, name: str, content: IO[bytes]
) -> ObjectShown:
    """Keep a document that the server itself made, for members who see the money. Raises
    MediaTypeRefusedError where it is neither PDF nor CSV, DocumentBrokenError.
    """
    sender = Sender(WORKER, Place(organizer_id, Bucket.STATEMENTS), None, name)
    kind = await asyncio.to_thread(require_kind, content, BUCKETS[Bucket.STATEMENTS])
    sha256 = await asyncio.to_thread(hash_of, content)
    prepared = _Prepared(kind, content, sha256, content.tell())
    return (await _keep(services, sender, sha256, prepared)).shown


async def list_objects(
    caller: BucketCaller, services: Services, page: PageRequest
) -> Page[ObjectShown]:
    rows = await repository.list_objects(caller.session, caller.place, page)
    variants = await repository.variants_of(
        caller.session, caller.organizer_id, [row.id for row in rows]
    )
    return page_of(
        rows,
        page,
        lambda row: _shown(services, row, variants.get(row.id, ())),
        lambda row: row.id,
    )


async def read_object(
    caller: BucketCaller, services: Services, server_keys: ServerKeys, object_id: UUID
) -> ObjectShown:
    """Show one file with an address to fetch it from; of a private one that is noted as a look."""
    row = await repository.find(caller.session, caller.place, object_id)
    if row is None:
        raise ObjectNotFoundError
    shown = await _shown_with_variants(services, caller.session, row)
    if shown.url is not None:
        return shown
    expires = services.clock.now_ms() // _MILLISECONDS + SIGNED_SECONDS
    address = SignedAddress(row.organizer_id, row.id, expires)
    audit.note_access(Access(AccessKind.READ, _subject(row.organizer_id, row.id)))
    return shown.model_copy(
        update={
            "url": services.public_url.rstrip("/") + address.path(server_keys.file_secret),
            "url_expires_at": instant(expires * _MILLISECONDS),
        }
    )


async def remove_object(caller: BucketCaller, services: Services, object_id: UUID) -> None:
    """Delete a file for everybody at once; its content goes a little later."""
    row = await repository.find(caller.session, caller.place, object_id)
    moment = instant(services.clock.now_ms())
    if row is None or not await repository.set_deleted(
        caller.session, caller.organizer_id, object_id, moment
    ):
        raise ObjectNotFoundError
    subject = _subject(caller.organizer_id, object_id)
    action = Action("media.remove", subject, before=_particulars(row))
    await audit.record_action(caller.session, services, action)


async def _find_known(services: Services, sender: Sender, upload: Upload) -> Kept | None:
    async with services.database.reading(sender.claims) as session:
        row = await repository.find_by_source(session, sender.place, upload.sha256)
        if row is None:
            return None
        return Kept(await _shown_with_variants(services, session, row), is_new=False)


async def _keep(
    services: Services, sender: Sender, source_sha256: str, prepared: _Prepared
) -> Kept:
    wanted = StoredObject(
        organizer_id=sender.place.organizer_id,
        id=services.new_id(),
        bucket=sender.place.bucket.value,
        sha256=prepared.sha256,
        source_sha256=source_sha256,
        size_bytes=prepared.size_bytes,
        media_type=prepared.kind.media_type,
        width=prepared.width,
        height=prepared.height,
        name=kept_name(sender.name, prepared.kind),
        created_by=sender.created_by,
        created_at=instant(services.clock.now_ms()),
    )
    row = await _claim(services, sender, wanted, prepared.variants)
    if row.stored_at is None:
        await _store(services, sender.place, prepared)
    return await _finish(services, sender, row.id)


async def _claim(
    services: Services, sender: Sender, wanted: StoredObject, variants: Sequence[Picture]
) -> StoredObject:
    """Write the row before the content; from now on nobody removes that. Where somebody else did
    so already and has not ended, both go on with that row.
    """
    rows = [_variant_row(wanted, variant) for variant in variants]
    async with services.database.transaction(sender.claims) as session:
        if await repository.add(session, wanted, rows):
            return wanted
        there = await repository.find_by_content(session, sender.place, wanted.sha256)
        if there is None:
            raise BusyError(headers={"Retry-After": "1"})
        if there.stored_at is not None or await _has_variants(session, there, variants):
            return there
        # Another version of this program began it and made other copies: it is begun anew.
        moment = wanted.created_at
        await repository.set_deleted(session, there.organizer_id, there.id, moment)
        if not await repository.add(session, wanted, rows):
            raise BusyError(headers={"Retry-After": "1"})
        return wanted


async def _has_variants(
    session: AsyncSession, row: StoredObject, variants: Sequence[Picture]
) -> bool:
    found = await repository.variants_of(session, row.organizer_id, [row.id])
    hashes = {variant.sha256 for variant in found.get(row.id, ())}
    return hashes == {variant.sha256 for variant in variants}


async def _store(services: Services, place: Place, prepared: _Prepared) -> None:
    def key(sha256: str) -> ObjectKey:
        return object_key(place.organizer_id, place.bucket, sha256)

    await services.storage.put(key(prepared.sha256), prepared.content)
    for variant in prepared.variants:
        await services.storage.put(key(variant.sha256), BytesIO(variant.content))


async def _finish(services: Services, sender: Sender, object_id: UUID) -> Kept:
    """Let the file be seen, now that all of it is there."""
    moment = instant(services.clock.now_ms())
    async with services.database.transaction(sender.claims) as session:
        organizer_id = sender.place.organizer_id
        is_new = await repository.set_stored(session, organizer_id, object_id, moment)
        row = await repository.find(session, sender.place, object_id)
        if row is None:
            raise BusyError(headers={"Retry-After": "1"})
        if is_new:
            subject = _subject(organizer_id, object_id)
            action = Action("media.add", subject, after=_particulars(row))
            await audit.record_action(session, services, action)
        return Kept(await _shown_with_variants(services, session, row), is_new)


def _variant_row(row: StoredObject, picture: Picture) -> StoredVariant:
    return StoredVariant(
        organizer_id=row.organizer_id,
        object_id=row.id,
        width=picture.width,
        height=picture.height,
        sha256=picture.sha256,
        size_bytes=len(picture.content),
        media_type=picture.kind.media_type,
    )


def _subject(organizer_id: UUID, object_id: UUID) -> Subject:
    return Subject(_SUBJECT, str(object_id), organizer_id)


def _particulars(row: StoredObject) -> dict[str, object]:
    return {
        "bucket": row.bucket,
        "name": row.name,
        "media_type": row.media_type,
        "size_bytes": row.size_bytes,
    }


async def _shown_with_variants(
    services: Services, session: AsyncSession, row: StoredObject
) -> ObjectShown:
    variants = await repository.variants_of(session, row.organizer_id, [row.id])
    return _shown(services, row, variants.get(row.id, ()))


def _shown(services: Services, row: StoredObject, variants: Sequence[StoredVariant]) -> ObjectShown:
    base, bucket = services.public_url.rstrip("/"), Bucket(row.bucket)
    public = BUCKETS[bucket].public
    return ObjectShown(
        id=row.id,
        bucket=bucket,
        name=row.name,
        media_type=row.media_type,
        size_bytes=row.size_bytes,
        sha256=row.sha256,
        width=row.width,
        height=row.height,
        created_by=row.created_by,
        created_at=row.created_at,
        url=base + public_path(row.sha256, kind_of(row.media_type)) if public else None,
        variants=[
            VariantShown(
                width=variant.width,
                height=variant.height,
                media_type=variant.media_type,
                size_bytes=variant.size_bytes,
                sha256=variant.sha256,
                url=base + public_path(variant.sha256, kind_of(variant.media_type)),
            )
            for variant in variants
        ],
    )
