"""What stored files look like over HTTP."""

from datetime import datetime
from uuid import UUID

from pydantic import BaseModel

from sync_server.media.rules import Bucket


class VariantShown(BaseModel):
    """A smaller copy of a picture, for pages that need no more."""

    width: int
    height: int
    media_type: str
    size_bytes: int
    sha256: str
    url: str


class ObjectShown(BaseModel):
    """`url` of a public file lasts; that of a private one is made when the file is read alone, and
    ends at `url_expires_at`.
    """

    id: UUID
    bucket: Bucket
    name: str
    media_type: str
    size_bytes: int
    sha256: str
    width: int | None
    height: int | None
    created_by: UUID | None
    created_at: datetime
    url: str | None
    url_expires_at: datetime | None = None
    variants: list[VariantShown]
