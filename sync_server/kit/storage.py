"""Objects in a store: whole or not there, each under the SHA-256 of its content, so that nothing
can be put in its place.

The port and the store that keeps files in a folder; `kit.s3` is the one that speaks to S3.
"""

import asyncio
import os
import re
import stat
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Final, Protocol, Self

import structlog

from sync_server.kit.problems import ProblemError

PIECE_BYTES: Final = 1 << 20
DRAFTS_FOLDER: Final = ".drafts"
DRAFT_SECONDS_MAX: Final = 86_400
_FOLDER: Final = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)*")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000
_LOG: Final = structlog.get_logger(__name__)


class StorageUnavailableError(ProblemError):
    status = 503
    code = "storage_unavailable"
    title = "The server cannot reach its files; try again"

    def __init__(self, fault: str) -> None:
        """`fault` is for the log: it names a kind of fault and no object."""
        super().__init__(headers={"Retry-After": "1"})
        _LOG.error("storage.unavailable", fault=fault)


class ObjectMissingError(Exception):
    """Nothing lies under this key, or less than there was."""


class ContentMismatchError(Exception):
    """The content does not hash to the key it was to be put under."""


class ObjectKeyError(ValueError):
    """Not a key: it could lead out of the store, or names no hash."""


@dataclass(frozen=True, slots=True)
class ObjectKey:
    """A folder of lower-case names without dots, and the content's SHA-256 in hexadecimal."""

    folder: str
    sha256: str

    def __post_init__(self) -> None:
        if not _FOLDER.fullmatch(self.folder) or not _SHA256.fullmatch(self.sha256):
            message = "a key is a folder of plain names and a SHA-256"
            raise ObjectKeyError(message)

    def __str__(self) -> str:
        return f"{self.folder}/{self.sha256}"

    @classmethod
    def parse(cls, path: str) -> Self | None:
        """Read a path; None for what this program did not put there."""
        folder, _, name = path.rpartition("/")
        try:
            return cls(folder, name)
        except ObjectKeyError:
            return None


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes from `start` up to and without `end`."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class OpenedObject:
    """An object's whole size, and the bytes asked for, piece by piece."""

    size_bytes: int
    pieces: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class ListedObject:
    key: ObjectKey
    modified_ms: int


class ObjectStorage(Protocol):
    """Every method raises StorageUnavailableError where the store cannot be reached."""

    async def put(self, key: ObjectKey, content: IO[bytes]) -> None:
        """Store a file that can be sought, from its beginning; a repeat changes nothing. Raises
        ContentMismatchError, and then nothing was stored.
        """

    async def open(self, key: ObjectKey, part: ByteRange | None = None) -> OpenedObject:
        """Give the object or the part of it that exists, else raise ObjectMissingError."""

    async def delete(self, key: ObjectKey) -> None:
        """Remove the object; what is not there stays so."""

    async def exists(self, key: ObjectKey) -> bool:
        """Say whether the object is there, whole."""

    def list_all(self) -> AsyncIterator[Sequence[ListedObject]]:
        """List every object, some at a time, in no order."""


async def open_in_pieces(
    size_bytes: int,
    part: ByteRange | None,
    read: Callable[[ByteRange], Awaitable[bytes]],
    piece_bytes: int = PIECE_BYTES,
) -> OpenedObject:
    """Read the first piece at once, so that what is gone is noticed before an answer begins, and
    the others when they are asked for. Nothing stays open between two pieces.
    """
    start = 0 if part is None else min(part.start, size_bytes)
    end = size_bytes if part is None else max(start, min(part.end, size_bytes))
    wanted = [
        ByteRange(place, min(place + piece_bytes, end)) for place in range(start, end, piece_bytes)
    ]
    first = await _whole(read, wanted[0]) if wanted else b""

    async def pieces() -> AsyncIterator[bytes]:
        yield first
        for piece in wanted[1:]:
            yield await _whole(read, piece)

    return OpenedObject(size_bytes, pieces())


async def _whole(read: Callable[[ByteRange], Awaitable[bytes]], part: ByteRange) -> bytes:
    piece = await read(part)
    if len(piece) != part.length:
        raise ObjectMissingError
    return piece


def hash_of(content: IO[bytes]) -> str:
    """Read a file from its beginning; leaves it at its end."""
    digest = sha256()
    content.seek(0)
    while piece := content.read(PIECE_BYTES):
        digest.update(piece)
    return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class FolderStorage:
    """Files for their owner alone. A file is written aside, synced and renamed, so that neither a
    crash nor a power cut leaves half of one under its key.
    """

    root: Path

    async def put(self, key: ObjectKey, content: IO[bytes]) -> None:
        with _reachable():
            await asyncio.to_thread(self._put, key, content)

    async def open(self, key: ObjectKey, part: ByteRange | None = None) -> OpenedObject:
        path = self._path(key)

        async def read(piece: ByteRange) -> bytes:
            with _reachable():
                return await asyncio.to_thread(_read, path, piece)

        with _reachable():
            size_bytes = await asyncio.to_thread(_size, path)
        if size_bytes is None:
            raise ObjectMissingError
        return await open_in_pieces(size_bytes, part, read)

    async def delete(self, key: ObjectKey) -> None:
        with _reachable():
            await asyncio.to_thread(self._path(key).unlink, missing_ok=True)

    async def exists(self, key: ObjectKey) -> bool:
        with _reachable():
            return await asyncio.to_thread(_size, self._path(key)) is not None

    async def list_all(self) -> AsyncIterator[Sequence[ListedObject]]:
        with _reachable():
            folders = await asyncio.to_thread(self._folders)
        for folder in folders:
            with _reachable():
                found = await asyncio.to_thread(self._listed, folder)
            yield found

    def _path(self, key: ObjectKey) -> Path:
        return self.root / key.folder / key.sha256

    def _put(self, key: ObjectKey, content: IO[bytes]) -> None:
        drafts = self.root / DRAFTS_FOLDER
        _make_folder(drafts)
        descriptor, name = tempfile.mkstemp(dir=drafts)
        draft = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                _remove_abandoned(drafts, os.fstat(descriptor).st_mtime)
                if _copied(content, file) != key.sha256:
                    raise ContentMismatchError
                file.flush()
                os.fsync(descriptor)
            path = self._path(key)
            _make_folder(path.parent)
            draft.replace(path)
            _sync_folder(path.parent)
        finally:
            draft.unlink(missing_ok=True)

    def _folders(self) -> list[Path]:
        walked = os.walk(self.root, onerror=_unless_missing)
        return [Path(folder) for folder, _, files in walked if files]

    def _listed(self, folder: Path) -> list[ListedObject]:
        found: list[ListedObject] = []
        for path in folder.iterdir():
            key = ObjectKey.parse(path.relative_to(self.root).as_posix())
            if key is not None:
                with suppress(FileNotFoundError):
                    modified_ms = path.lstat().st_mtime_ns // _NANOSECONDS_PER_MILLISECOND
                    found.append(ListedObject(key, modified_ms))
        return found


@contextmanager
def _reachable() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageUnavailableError(type(error).__name__) from error


def _unless_missing(error: OSError) -> None:
    """An empty store has no folder yet."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _read(path: Path, part: ByteRange) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise ObjectMissingError from error
    try:
        return os.pread(descriptor, part.length, part.start)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int | None:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None


def _copied(content: IO[bytes], file: IO[bytes]) -> str:
    digest = sha256()
    content.seek(0)
    while piece := content.read(PIECE_BYTES):
        digest.update(piece)
        file.write(piece)
    return digest.hexdigest()


def _remove_abandoned(drafts: Path, now: float) -> None:
    """A process that was killed leaves its draft; `now` is the disk's own time."""
    for draft in drafts.iterdir():
        with suppress(FileNotFoundError):
            if draft.lstat().st_mtime < now - DRAFT_SECONDS_MAX:
                draft.unlink()


def _make_folder(folder: Path) -> None:
    """Make a folder and those above it, for the owner alone, and make sure that they last."""
    missing = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)
        _sync_folder(parent.parent)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
