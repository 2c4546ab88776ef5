import asyncio
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from sync_server.kit.storage import PIECE_BYTES, StorageUnavailableError
from sync_server.media.errors import UploadEmptyError, UploadTooLargeError
from sync_server.media.uploads import UPLOADS_FOLDER_NAME, received


async def pieces(*contents: bytes) -> AsyncIterator[bytes]:
    for content in contents:
        yield content


class _Endless:
    """A sender that never stops, and remembers how much was taken from it."""

    def __init__(self) -> None:
        self.taken = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.taken += 1 << 16
            yield bytes(1 << 16)


@pytest.mark.parametrize(
    "contents", [(b"a",), (b"", b"a", b"", b"bc"), (bytes(PIECE_BYTES),), (bytes(1000),) * 3000]
)
async def test_an_upload_is_what_was_sent(tmp_path: Path, contents: tuple[bytes, ...]) -> None:
    whole = b"".join(contents)
    async with received(pieces(*contents), tmp_path, 10 * PIECE_BYTES) as upload:
        upload.file.seek(0)
        assert upload.file.read() == whole
        assert (upload.size_bytes, upload.sha256) == (len(whole), sha256(whole).hexdigest())


async def test_the_greatest_size_is_taken_and_one_byte_more_is_not(tmp_path: Path) -> None:
    async with received(pieces(bytes(10)), tmp_path, 10) as upload:
        assert upload.size_bytes == 10
    with pytest.raises(UploadTooLargeError) as refused:
        await asyncio.wait_for(_take(pieces(bytes(11)), tmp_path, 10), 10)
    assert refused.value.extra == {"size_bytes_max": 10}


async def test_an_endless_upload_is_refused_soon(tmp_path: Path) -> None:
    sender = _Endless()
    with pytest.raises(UploadTooLargeError):
        await _take(sender, tmp_path, 3 * PIECE_BYTES)
    assert sender.taken <= 5 * PIECE_BYTES


@pytest.mark.parametrize("contents", [(), (b"",)])
async def test_nothing_is_no_file(tmp_path: Path, contents: tuple[bytes, ...]) -> None:
    with pytest.raises(UploadEmptyError):
        await _take(pieces(*contents), tmp_path, 10)


async def test_no_name_of_an_upload_ever_stands_in_the_folder(tmp_path: Path) -> None:
    async with received(pieces(bytes(3 * PIECE_BYTES)), tmp_path, 10 * PIECE_BYTES):
        assert list((tmp_path / UPLOADS_FOLDER_NAME).iterdir()) == []


async def test_a_disk_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / UPLOADS_FOLDER_NAME).touch()
    with pytest.raises(StorageUnavailableError):
        await _take(pieces(b"content"), tmp_path, 10)


async def _take(body: object, folder: Path, size_bytes_max: int) -> None:
    async with received(body, folder, size_bytes_max):  # type: ignore[arg-type] # any iterable
        pass
