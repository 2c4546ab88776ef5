"""Every store there is, each new and empty."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from sync_server.kit.s3 import S3Place, S3Storage
from sync_server.kit.storage import FolderStorage, ObjectStorage
from tests.plugins.s3 import CREDENTIALS, S3Server


@dataclass(frozen=True, slots=True)
class Stores:
    """Two ways to the same store, as two processes have, and one to a store that is down."""

    storage: ObjectStorage
    again: ObjectStorage
    down: ObjectStorage
    arguments: tuple[str, ...]
    """What a program of its own needs to open the store."""
    passes: int
    """How often a file is read until it is stored: S3's is hashed before it is sent."""


def _folders(tmp_path: Path) -> Stores:
    root, file = tmp_path / "objects", tmp_path / "file"
    file.touch()
    down = FolderStorage(file / "objects")
    return Stores(FolderStorage(root), FolderStorage(root), down, ("folder", str(root)), 1)


def _buckets(server: S3Server, refusing_port: int) -> Stores:
    place = server.new_bucket()
    nobody = S3Place(place.bucket, f"http://127.0.0.1:{refusing_port}")
    return Stores(
        S3Storage(place, CREDENTIALS),
        S3Storage(place, CREDENTIALS),
        S3Storage(nobody, CREDENTIALS),
        ("s3", place.bucket, place.endpoint),
        2,
    )


@pytest.fixture(params=["folder", "s3"])
def stores(request: pytest.FixtureRequest, tmp_path: Path, refusing_port: int) -> Stores:
    makers: dict[str, Callable[[], Stores]] = {
        "folder": lambda: _folders(tmp_path),
        "s3": lambda: _buckets(request.getfixturevalue("s3_server"), refusing_port),
    }
    return makers[request.param]()


@pytest.fixture
def storage(stores: Stores) -> ObjectStorage:
    return stores.storage
