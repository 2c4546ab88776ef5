"""Contents for whoever holds an address: public ones by their hash, private ones by a signature.

Nobody calls by name here. What is public the database says; a signature is checked before it is
asked at all, and the row afterwards, so that what was deleted is gone at once.
"""

import re
from dataclasses import dataclass
from typing import Final

import structlog

from sync_server.kit.claims import ANONYMOUS, WORKER
from sync_server.kit.delivery import IMMUTABLE, Content
from sync_server.kit.server_keys import ServerKeys
from sync_server.kit.services import Services
from sync_server.kit.storage import (
    ByteRange,
    ObjectKey,
    ObjectMissingError,
    ObjectStorage,
    OpenedObject,
)
from sync_server.media import repository
from sync_server.media.addresses import SignedAddress
from sync_server.media.errors import (
    AddressExpiredError,
    ObjectNotFoundError,
    SignatureInvalidError,
)
from sync_server.media.rules import BUCKETS, Bucket, attachment, kind_of
from sync_server.media.service import object_key

_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_MILLISECONDS: Final = 1000
# Whatever a file holds, opened alone in a browser it runs nothing and loads nothing.
_POWERLESS: Final = {"Content-Security-Policy": "sandbox; default-src 'none'"}
_PUBLIC: Final = {
    **_POWERLESS,
    "Cache-Control": IMMUTABLE,
    "Cross-Origin-Resource-Policy": "cross-origin",
}
_PRIVATE: Final = {
    **_POWERLESS,
    "Cache-Control": "private, no-store",
    "Cross-Origin-Resource-Policy": "same-site",
    "Referrer-Policy": "no-referrer",
}
_LOG: Final = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class FoundContent:
    """What may be delivered, and where it lies."""

    about: Content
    key: ObjectKey
    storage: ObjectStorage

    async def open(self, part: ByteRange | None) -> OpenedObject:
        try:
            return await self.storage.open(self.key, part)
        except ObjectMissingError as error:
            _LOG.error("media.content_missing", bucket=self.key.folder.partition("/")[0])
            raise ObjectNotFoundError from error


async def find_public(services: Services, sha256: str, ending: str) -> FoundContent:
    """Find public content by hash and ending, else raise ObjectNotFoundError."""
    if not _SHA256.fullmatch(sha256):
        raise ObjectNotFoundError
    async with services.database.reading(ANONYMOUS) as session:
        found = await repository.find_public(session, sha256)
    if found is None:
        raise ObjectNotFoundError
    # One content has one address: under another ending it would be kept twice.
    if kind_of(found.media_type).endings[0] != f".{ending}":
        raise ObjectNotFoundError
    about = Content(sha256, found.size_bytes, found.media_type, _PUBLIC)
    key = object_key(found.organizer_id, Bucket.MARKETING_MEDIA, sha256)
    return FoundContent(about, key, services.storage)


async def find_signed(
    services: Services, server_keys: ServerKeys, address: SignedAddress, signature: str
) -> FoundContent:
    """Find private content by its signed address. Raises SignatureInvalidError,
    AddressExpiredError, ObjectNotFoundError.
    """
    if not address.is_signed_by(server_keys.file_secret, signature):
        raise SignatureInvalidError
    if services.clock.now_ms() >= address.expires * _MILLISECONDS:
        raise AddressExpiredError
    async with services.database.reading(WORKER) as session:
        row = await repository.find_anywhere(session, address.organizer_id, address.object_id)
    if row is None or BUCKETS[Bucket(row.bucket)].public:
        raise ObjectNotFoundError
    headers = {**_PRIVATE, "Content-Disposition": attachment(row.name)}
    about = Content(row.sha256, row.size_bytes, row.media_type, headers)
    return FoundContent(
        about, object_key(row.organizer_id, row.bucket, row.sha256), services.storage
    )
