"""Both stores fit what is asked of a store; the type checker reads this file to prove it."""

from pathlib import Path

from sync_server.kit.s3 import S3Place, S3Storage
from sync_server.kit.storage import FolderStorage, ObjectStorage
from tests.plugins.s3 import CREDENTIALS


def test_each_store_fits_the_protocol(tmp_path: Path) -> None:
    folder: ObjectStorage = FolderStorage(tmp_path)
    bucket: ObjectStorage = S3Storage(S3Place("b", "https://s3.example.org"), CREDENTIALS)
    assert folder is not bucket
