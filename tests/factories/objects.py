"""Contents for stores, and what a store gives back."""

import io
from collections.abc import AsyncIterator
from hashlib import sha256

from sync_server.kit.storage import ByteRange, ObjectKey, ObjectStorage

FOLDER = "marketing-media/0190a000-0000-7000-8000-000000000001"


def key_of(content: bytes, folder: str = FOLDER) -> ObjectKey:
    return ObjectKey(folder, sha256(content).hexdigest())


async def put(storage: ObjectStorage, content: bytes, folder: str = FOLDER) -> ObjectKey:
    key = key_of(content, folder)
    await storage.put(key, io.BytesIO(content))
    return key


async def read(storage: ObjectStorage, key: ObjectKey, part: ByteRange | None = None) -> bytes:
    opened = await storage.open(key, part)
    return await whole(opened.pieces)


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def listed_keys(storage: ObjectStorage) -> list[ObjectKey]:
    return [found.key async for page in storage.list_all() for found in page]
