"""Tables of stored files, of a picture's smaller copies, and of content that is being removed."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import FetchedValue
from sqlalchemy.orm import Mapped, mapped_column

from sync_server.kit.models import Base


class StoredObject(Base):
    """A file as its organizer knows it. The row comes before the content, and stays after it."""

    __tablename__ = "stored_objects"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[str]
    sha256: Mapped[str]
    source_sha256: Mapped[str]
    """Of what came in: pictures are kept as they were written anew."""
    size_bytes: Mapped[int]
    media_type: Mapped[str]
    width: Mapped[int | None]
    height: Mapped[int | None]
    name: Mapped[str]
    created_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    stored_at: Mapped[datetime | None]
    deleted_at: Mapped[datetime | None]


class StoredVariant(Base):
    __tablename__ = "stored_object_variants"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    object_id: Mapped[UUID] = mapped_column(primary_key=True)
    width: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    height: Mapped[int]
    sha256: Mapped[str]
    size_bytes: Mapped[int]
    media_type: Mapped[str]


class ContentRemoval(Base):
    __tablename__ = "content_removals"

    organizer_id: Mapped[UUID] = mapped_column(primary_key=True)
    bucket: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(primary_key=True)
    began_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
