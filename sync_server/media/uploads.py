"""Files on their way in: written to a nameless file while they are read, which is gone with the
process, and refused as soon as they are too long.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final

from sync_server.kit.storage import PIECE_BYTES, StorageUnavailableError
from sync_server.media.errors import UploadEmptyError, UploadTooLargeError

UPLOADS_FOLDER_NAME: Final = "uploads"


@dataclass(frozen=True, slots=True)
class Upload:
    """What somebody sent, as it came."""

    file: IO[bytes]
    sha256: str
    size_bytes: int


@asynccontextmanager
async def received(
    body: AsyncIterable[bytes], data_directory: Path, size_bytes_max: int
) -> AsyncIterator[Upload]:
    """Take a body in. Raises UploadTooLargeError before it is read to its end, UploadEmptyError,
    StorageUnavailableError where the disk takes no more.
    """
    try:
        file = await asyncio.to_thread(_nameless_file, data_directory / UPLOADS_FOLDER_NAME)
    except OSError as error:
        raise StorageUnavailableError(type(error).__name__) from error
    try:
        yield await _written(body, file, size_bytes_max)
    finally:
        with suppress(OSError):  # of a full disk has been told already
            await asyncio.to_thread(file.close)


def _nameless_file(folder: Path) -> IO[bytes]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return tempfile.TemporaryFile(dir=folder)


async def _written(body: AsyncIterable[bytes], file: IO[bytes], size_bytes_max: int) -> Upload:
    digest, size_bytes = sha256(), 0
    async for pieces in _gathered(body):
        size_bytes += len(pieces)
        if size_bytes > size_bytes_max:
            raise UploadTooLargeError(size_bytes_max)
        digest.update(pieces)
        try:
            await asyncio.to_thread(_write, file, pieces)
        except OSError as error:
            raise StorageUnavailableError(type(error).__name__) from error
    if size_bytes == 0:
        raise UploadEmptyError
    return Upload(file, digest.hexdigest(), size_bytes)


def _write(file: IO[bytes], pieces: bytes) -> None:
    file.write(pieces)
    file.flush()


async def _gathered(body: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """Join what comes in small pieces, so that a thread is asked less often."""
    waiting = bytearray()
    async for piece in body:
        waiting += piece
        if len(waiting) >= PIECE_BYTES:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
