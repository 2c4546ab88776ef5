"""SQL on stored files; every statement names the organizer although RLS would, but for those of the
server itself.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Select, and_, delete, func, select, text, tuple_, union_all, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.pagination import PageRequest
from sync_server.media.models import ContentRemoval, StoredObject, StoredVariant
from sync_server.media.rules import Bucket

_ABANDONED: Final = text("began_at < now() - interval '10 minutes'")
_LOCK_CONTENT: Final = text("SELECT private.lock_content(:organizer_id, :bucket, :sha256)")
_PUBLIC: Final = text("SELECT * FROM private.public_object(:sha256)")


@dataclass(frozen=True, slots=True)
class Place:
    """One organizer's part of a bucket."""

    organizer_id: UUID
    bucket: Bucket


@dataclass(frozen=True, slots=True)
class StoredContent:
    """Content in the store, under the key these three make."""

    organizer_id: UUID
    bucket: str
    sha256: str


@dataclass(frozen=True, slots=True)
class PublicContent:
    organizer_id: UUID
    size_bytes: int
    media_type: str


async def find_by_source(
    session: AsyncSession, place: Place, source_sha256: str
) -> StoredObject | None:
    """Find a file by what came in."""
    query = _readable(place).where(StoredObject.source_sha256 == source_sha256)
    return (await session.scalars(query.order_by(StoredObject.id).limit(1))).one_or_none()


async def find_by_content(session: AsyncSession, place: Place, sha256: str) -> StoredObject | None:
    """Find a file by what is kept of it, also where its content is still on the way."""
    return (
        await session.scalars(_living(place).where(StoredObject.sha256 == sha256))
    ).one_or_none()


async def add(
    session: AsyncSession, wanted: StoredObject, variants: Sequence[StoredVariant]
) -> bool:
    """Write the rows, or nothing where this content has a living row already."""
    values = {column.key: getattr(wanted, column.key) for column in StoredObject.__table__.columns}
    added = await session.execute(
        insert(StoredObject).values(values).on_conflict_do_nothing().returning(StoredObject.id)
    )
    if added.one_or_none() is None:
        return False
    session.add_all(variants)
    await session.flush()
    return True


async def set_stored(
    session: AsyncSession, organizer_id: UUID, object_id: UUID, moment: datetime
) -> bool:
    """Let readers see the row; false where somebody else did, or it was deleted."""
    stored = await session.execute(
        update(StoredObject)
        .where(
            StoredObject.organizer_id == organizer_id,
            StoredObject.id == object_id,
            StoredObject.stored_at.is_(None),
            StoredObject.deleted_at.is_(None),
        )
        .values(stored_at=moment)
        .returning(StoredObject.id)
    )
    return stored.one_or_none() is not None


async def set_deleted(
    session: AsyncSession, organizer_id: UUID, object_id: UUID, moment: datetime
) -> bool:
    deleted = await session.execute(
        update(StoredObject)
        .where(
            StoredObject.organizer_id == organizer_id,
            StoredObject.id == object_id,
            StoredObject.deleted_at.is_(None),
        )
        .values(deleted_at=moment)
        .returning(StoredObject.id)
    )
    return deleted.one_or_none() is not None


async def find(session: AsyncSession, place: Place, object_id: UUID) -> StoredObject | None:
    query = _readable(place).where(StoredObject.id == object_id)
    return (await session.scalars(query)).one_or_none()


async def list_objects(
    session: AsyncSession, place: Place, page: PageRequest
) -> Sequence[StoredObject]:
    query = _readable(place).order_by(StoredObject.id).limit(page.limit + 1)
    if page.after is not None:
        query = query.where(StoredObject.id > page.after)
    return (await session.scalars(query)).all()


async def variants_of(
    session: AsyncSession, organizer_id: UUID, object_ids: Collection[UUID]
) -> Mapping[UUID, Sequence[StoredVariant]]:
    """Give the smaller copies of each object, the smallest first."""
    query = (
        select(StoredVariant)
        .where(StoredVariant.organizer_id == organizer_id, StoredVariant.object_id.in_(object_ids))
        .order_by(StoredVariant.width)
    )
    found: defaultdict[UUID, list[StoredVariant]] = defaultdict(list)
    for variant in await session.scalars(query):
        found[variant.object_id].append(variant)
    return found


async def find_public(session: AsyncSession, sha256: str) -> PublicContent | None:
    """Find public content by its hash, whoever's it is."""
    found = (await session.execute(_PUBLIC, {"sha256": sha256})).one_or_none()
    return None if found is None else PublicContent(*found)


async def find_anywhere(
    session: AsyncSession, organizer_id: UUID, object_id: UUID
) -> StoredObject | None:
    """Find a readable object in whichever bucket; needs the worker's rights."""
    query = select(StoredObject).where(
        StoredObject.organizer_id == organizer_id,
        StoredObject.id == object_id,
        StoredObject.stored_at.is_not(None),
        StoredObject.deleted_at.is_(None),
    )
    return (await session.scalars(query)).one_or_none()


async def give_up(session: AsyncSession, created_before: datetime, moment: datetime) -> int:
    """Delete rows whose content never came; needs the worker's rights."""
    given_up = await session.execute(
        update(StoredObject)
        .where(
            StoredObject.stored_at.is_(None),
            StoredObject.deleted_at.is_(None),
            StoredObject.created_at < created_before,
        )
        .values(deleted_at=moment)
        .returning(StoredObject.id)
    )
    return len(given_up.all())


async def find_contents(
    session: AsyncSession, contents: Collection[StoredContent]
) -> Mapping[StoredContent, bool]:
    """Say of each content that a row ever had, as itself or as a smaller copy, whether one of these
    rows lives.
    """
    keys = [(content.organizer_id, content.bucket, content.sha256) for content in contents]
    objects = select(
        StoredObject.organizer_id,
        StoredObject.bucket,
        StoredObject.sha256,
        StoredObject.deleted_at,
    )
    variants = select(
        StoredVariant.organizer_id,
        StoredObject.bucket,
        StoredVariant.sha256,
        StoredObject.deleted_at,
    ).join(
        StoredObject,
        and_(
            StoredObject.organizer_id == StoredVariant.organizer_id,
            StoredObject.id == StoredVariant.object_id,
        ),
    )
    rows = union_all(
        objects.where(
            tuple_(StoredObject.organizer_id, StoredObject.bucket, StoredObject.sha256).in_(keys)
        ),
        variants.where(
            tuple_(StoredVariant.organizer_id, StoredObject.bucket, StoredVariant.sha256).in_(keys)
        ),
    ).subquery()
    key = (rows.c.organizer_id, rows.c.bucket, rows.c.sha256)
    query = select(*key, func.bool_or(rows.c.deleted_at.is_(None))).group_by(*key)
    found = await session.execute(query)
    return {
        StoredContent(organizer_id, bucket, sha256): living
        for organizer_id, bucket, sha256, living in found
    }


async def begin_removal(session: AsyncSession, content: StoredContent) -> bool:
    """Mark content as being removed, so that until the end nobody can store it; false where a
    living row needs it, or somebody else removes it already.
    """
    await session.execute(_LOCK_CONTENT, asdict(content))
    if (await find_contents(session, [content])).get(content, False):
        return False
    marked = await session.execute(
        insert(ContentRemoval)
        .values(asdict(content))
        .on_conflict_do_nothing()
        .returning(ContentRemoval.sha256)
    )
    return marked.one_or_none() is not None


async def end_removal(session: AsyncSession, content: StoredContent) -> None:
    await session.execute(
        delete(ContentRemoval).where(
            ContentRemoval.organizer_id == content.organizer_id,
            ContentRemoval.bucket == content.bucket,
            ContentRemoval.sha256 == content.sha256,
        )
    )


async def find_abandoned_removals(session: AsyncSession) -> Sequence[StoredContent]:
    """Find removals that began so long ago that whoever began them is gone."""
    rows = await session.scalars(select(ContentRemoval).where(_ABANDONED))
    return [StoredContent(row.organizer_id, row.bucket, row.sha256) for row in rows]


def _living(place: Place) -> Select[StoredObject]:
    return select(StoredObject).where(
        StoredObject.organizer_id == place.organizer_id,
        StoredObject.bucket == place.bucket.value,
        StoredObject.deleted_at.is_(None),
    )


def _readable(place: Place) -> Select[StoredObject]:
    return _living(place).where(StoredObject.stored_at.is_not(None))
