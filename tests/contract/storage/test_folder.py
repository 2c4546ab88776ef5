"""What a folder promises beside the contract: files for their owner alone, and no half of one."""

import asyncio
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sync_server.kit.storage import (
    DRAFT_SECONDS_MAX,
    DRAFTS_FOLDER,
    ContentMismatchError,
    FolderStorage,
    ObjectMissingError,
    StorageUnavailableError,
)
from tests.architecture.tree import ROOT
from tests.factories.objects import key_of, listed_keys, put

_STOPS_HALF_WAY = """
import asyncio, io, os, signal, sys
from pathlib import Path
from sync_server.kit.storage import FolderStorage
from tests.factories.objects import key_of

class Stops(io.BytesIO):
    def read(self, size=-1):
        if self.tell() > 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().read(size)

asyncio.run(FolderStorage(Path(sys.argv[1])).put(key_of(bytes(3 << 20)), Stops(bytes(3 << 20))))
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "objects"


async def test_files_and_folders_are_for_their_owner_alone(root: Path) -> None:
    await put(FolderStorage(root), b"a secret")
    assert _modes(root) == {"0o700", "0o600"}


def _modes(root: Path) -> set[str]:
    return {oct(path.stat().st_mode & 0o777) for path in (root, *root.rglob("*"))}


def test_a_process_that_is_killed_half_way_leaves_no_object(root: Path) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", _STOPS_HALF_WAY, str(root)], cwd=ROOT, check=False
    )
    drafts = list((root / DRAFTS_FOLDER).iterdir())
    assert killed.returncode == -signal.SIGKILL
    assert [draft.stat().st_size for draft in drafts] == [1 << 20]
    assert asyncio.run(listed_keys(FolderStorage(root))) == []


async def test_what_a_killed_process_left_goes_after_a_day(root: Path) -> None:
    storage = FolderStorage(root)
    await put(storage, b"first")
    old, young = root / DRAFTS_FOLDER / "old", root / DRAFTS_FOLDER / "young"
    for draft, seconds in ((old, DRAFT_SECONDS_MAX + 60), (young, DRAFT_SECONDS_MAX - 60)):
        draft.touch()
        moment = draft.stat().st_mtime - seconds
        os.utime(draft, (moment, moment))
    await put(storage, b"second")
    assert list((root / DRAFTS_FOLDER).iterdir()) == [young]


async def test_a_refused_content_leaves_no_draft(root: Path) -> None:
    storage = FolderStorage(root)
    with pytest.raises(ContentMismatchError):
        await storage.put(key_of(b"promised"), io.BytesIO(b"delivered"))
    assert list((root / DRAFTS_FOLDER).iterdir()) == []


async def test_a_link_in_an_objects_place_is_not_followed(root: Path, tmp_path: Path) -> None:
    storage = FolderStorage(root)
    key = await put(storage, b"content")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("the owner's")
    path = root / str(key)
    path.unlink()
    path.symlink_to(elsewhere)
    assert not await storage.exists(key)
    with pytest.raises(ObjectMissingError):
        await storage.open(key)


async def test_what_others_put_there_is_not_listed(root: Path) -> None:
    storage = FolderStorage(root)
    key = await put(storage, b"ours")
    (root / "notes.txt").touch()
    (root / key.folder / "README").touch()
    assert await listed_keys(storage) == [key]


async def test_a_full_disk_stores_nothing() -> None:
    """/dev/full takes no byte; a folder cannot be made in a device either."""
    with pytest.raises(StorageUnavailableError):
        await put(FolderStorage(Path("/dev/full/objects")), b"content")
