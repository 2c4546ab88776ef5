"""What every store promises, tried on each of them."""

import io
import subprocess
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.clock import system_clock
from sync_server.kit.s3 import DOWNLOAD_PIECE_BYTES
from sync_server.kit.storage import (
    PIECE_BYTES,
    ByteRange,
    ContentMismatchError,
    ObjectKey,
    ObjectKeyError,
    ObjectMissingError,
    ObjectStorage,
    StorageUnavailableError,
)
from tests.architecture.tree import ROOT
from tests.contract.storage import big_object
from tests.contract.storage.conftest import Stores
from tests.factories.objects import FOLDER, key_of, listed_keys, put, read

LONG = bytes(range(256)) * (DOWNLOAD_PIECE_BYTES * 2 // 256) + b"and a rest"


class _BrokenFile(io.BytesIO):
    """Breaks half-way, when it is read from its beginning for the last time."""

    def __init__(self, content: bytes, passes: int) -> None:
        super().__init__(content)
        self._passes = passes

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._passes -= (offset, whence) == (0, 0)
        return super().seek(offset, whence)

    def read(self, size: int | None = -1, /) -> bytes:
        if self._passes <= 0 and self.tell() >= len(self.getvalue()) // 2:
            raise OSError
        return super().read(size)


@pytest.mark.parametrize("content", [b"", b"x", b"\0" * 100, LONG], ids=len)
async def test_what_was_put_is_there_for_everybody(stores: Stores, content: bytes) -> None:
    key = await put(stores.storage, content)
    opened = await stores.again.open(key)
    assert opened.size_bytes == len(content)
    assert await read(stores.again, key) == content
    assert await stores.again.exists(key)


async def test_a_file_is_stored_from_its_beginning(storage: ObjectStorage) -> None:
    content = io.BytesIO(b"from the beginning")
    content.seek(7)
    key = key_of(b"from the beginning")
    await storage.put(key, content)
    assert await read(storage, key) == b"from the beginning"


async def test_the_same_content_again_changes_nothing(storage: ObjectStorage) -> None:
    first, second = await put(storage, b"twice"), await put(storage, b"twice")
    assert first == second
    assert await listed_keys(storage) == [first]
    assert await read(storage, first) == b"twice"


async def test_nothing_else_can_be_put_in_an_objects_place(storage: ObjectStorage) -> None:
    key = await put(storage, b"the original")
    with pytest.raises(ContentMismatchError):
        await storage.put(key, io.BytesIO(b"a forgery"))
    assert await read(storage, key) == b"the original"


async def test_what_does_not_hash_to_its_key_is_not_stored(storage: ObjectStorage) -> None:
    with pytest.raises(ContentMismatchError):
        await storage.put(key_of(b"promised"), io.BytesIO(b"delivered"))
    assert await listed_keys(storage) == []


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, 1),
        (3, 9),
        (PIECE_BYTES - 1, PIECE_BYTES + 1),
        (1, DOWNLOAD_PIECE_BYTES + 3),
        (len(LONG) - 4, len(LONG)),
        (len(LONG) - 4, len(LONG) + 100),
    ],
)
async def test_a_part_is_read_alone(storage: ObjectStorage, start: int, end: int) -> None:
    key = await put(storage, LONG)
    assert await read(storage, key, ByteRange(start, end)) == LONG[start:end]
    assert (await storage.open(key, ByteRange(start, end))).size_bytes == len(LONG)


@pytest.mark.parametrize("part", [ByteRange(5, 5), ByteRange(5, 9), ByteRange(99, 100)])
async def test_a_part_behind_the_end_is_empty(storage: ObjectStorage, part: ByteRange) -> None:
    assert await read(storage, await put(storage, b"short"), part) == b""


async def test_what_is_not_there_is_missing(storage: ObjectStorage) -> None:
    await put(storage, b"something else")
    key = key_of(b"never put")
    assert not await storage.exists(key)
    with pytest.raises(ObjectMissingError):
        await storage.open(key)


async def test_an_object_goes_once_and_may_be_removed_again(storage: ObjectStorage) -> None:
    key, kept = await put(storage, b"goes"), await put(storage, b"stays")
    for _ in range(2):
        await storage.delete(key)
    assert not await storage.exists(key)
    assert await listed_keys(storage) == [kept]


async def test_a_reader_notices_that_the_object_goes_while_it_reads(storage: ObjectStorage) -> None:
    key = await put(storage, LONG)
    pieces = (await storage.open(key)).pieces
    assert LONG.startswith(await anext(pieces))
    await storage.delete(key)
    with pytest.raises(ObjectMissingError):
        await anext(pieces)


async def test_equal_content_of_two_folders_is_two_objects(storage: ObjectStorage) -> None:
    mine, yours = await put(storage, b"same"), await put(storage, b"same", "statements/other")
    await storage.delete(mine)
    assert await read(storage, yours) == b"same"


async def test_a_list_names_every_object_with_its_time(stores: Stores) -> None:
    keys = [await put(stores.storage, str(number).encode()) for number in range(5)]
    keys.append(await put(stores.storage, b"elsewhere", "organizer-documents/other"))
    found = [entry async for page in stores.again.list_all() for entry in page]
    now_ms = system_clock().now_ms()
    assert {entry.key for entry in found} == set(keys)
    assert all(abs(entry.modified_ms - now_ms) < 3_600_000 for entry in found)


async def test_an_empty_store_lists_nothing(storage: ObjectStorage) -> None:
    assert await listed_keys(storage) == []


@pytest.mark.parametrize("pieces", [3, 30])
async def test_half_of_an_object_is_never_there(stores: Stores, pieces: int) -> None:
    content = bytes(pieces * PIECE_BYTES)
    for passes in range(1, stores.passes + 1):
        with pytest.raises((OSError, StorageUnavailableError)):
            await stores.storage.put(key_of(content), _BrokenFile(content, passes))
    assert not await stores.again.exists(key_of(content))
    assert await listed_keys(stores.again) == []


@pytest.mark.parametrize(
    "use",
    [
        lambda storage: put(storage, b"content"),
        lambda storage: storage.open(key_of(b"content")),
        lambda storage: storage.delete(key_of(b"content")),
        lambda storage: storage.exists(key_of(b"content")),
        listed_keys,
    ],
    ids=["put", "open", "delete", "exists", "list"],
)
async def test_a_store_that_is_down_says_so(
    stores: Stores, use: Callable[[ObjectStorage], object]
) -> None:
    answer = use(stores.down)
    with pytest.raises(StorageUnavailableError) as refused:
        await answer  # type: ignore[misc] # each of them is awaitable
    assert refused.value.status == 503
    assert refused.value.headers == {"Retry-After": "1"}


@pytest.mark.parametrize(
    "folder",
    [
        "..",
        "../x",
        "x/..",
        "x/../y",
        "/etc",
        "x/",
        "",
        ".",
        "x//y",
        "x\\y",
        "x\0",
        "%2e%2e",
        "X",
        "a b",
    ],
)
def test_no_key_leads_out_of_the_store(folder: str) -> None:
    with pytest.raises(ObjectKeyError):
        ObjectKey(folder, "0" * 64)
    assert ObjectKey.parse(f"{folder}/{'0' * 64}") is None


@pytest.mark.parametrize(
    "name", ["", "..", "0" * 63, "0" * 65, "A" * 64, "0" * 63 + "\n", "../" + "0" * 61]
)
def test_a_key_ends_in_a_hash(name: str) -> None:
    with pytest.raises(ObjectKeyError):
        ObjectKey(FOLDER, name)


@given(st.text())
def test_whatever_parses_is_written_the_same(path: str) -> None:
    key = ObjectKey.parse(path)
    assert key is None or str(key) == path


def test_a_big_object_is_never_held_in_memory(stores: Stores) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.contract.storage.big_object", *stores.arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    read_bytes, grown_bytes = map(int, ran.stdout.split())
    assert read_bytes == big_object.BIG_BYTES
    assert grown_bytes < big_object.BIG_BYTES * 2 // 3
