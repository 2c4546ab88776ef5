"""The store as an operator sees it: which one is chosen, and what doctor finds."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from sync_server import doctor
from sync_server.composition import object_storage
from sync_server.kit.s3 import S3Storage
from sync_server.kit.storage import FolderStorage, ObjectStorage
from sync_server.settings import Settings, UnsafeSettingsError
from tests.factories.objects import listed_keys
from tests.plugins.postgres import ClonedDatabase
from tests.plugins.s3 import CREDENTIALS, S3Server

KEYS: dict[str, Any] = {
    "storage_access_key": CREDENTIALS.access_key,
    "storage_secret_key": SecretStr(CREDENTIALS.secret_key),
}


@pytest.fixture
def base(cloned_database: ClonedDatabase, tmp_path: Path) -> dict[str, Any]:
    return {
        "database_url": SecretStr(cloned_database.login_url),
        "master_key": SecretStr(bytes(range(32)).hex()),
        "data_directory": tmp_path,
    }


def url_of(server: S3Server, bucket: str) -> str:
    return f"s3://{bucket}?endpoint={server.endpoint}&region=us-east-1"


async def found(settings: Settings) -> str:
    """What doctor says of the store."""
    (finding,) = [
        finding for finding in await doctor.examine(settings) if finding.subject == "storage"
    ]
    return str(finding)


async def nothing_left(storage: ObjectStorage) -> bool:
    return await listed_keys(storage) == []


async def test_without_an_address_files_lie_in_the_data_directory(base: dict[str, Any]) -> None:
    storage = object_storage(Settings(**base))
    assert storage == FolderStorage(base["data_directory"] / "objects")
    assert await found(Settings(**base)) == "ok    storage"
    assert await nothing_left(storage)


async def test_with_an_address_they_lie_in_a_bucket(
    base: dict[str, Any], s3_server: S3Server
) -> None:
    url = url_of(s3_server, s3_server.new_bucket().bucket)
    settings = Settings(**base, **KEYS, storage_url=url)
    storage = object_storage(settings)
    assert isinstance(storage, S3Storage)
    assert await found(settings) == "ok    storage"
    assert await nothing_left(storage)
    assert not (base["data_directory"] / "objects").exists()


async def test_doctor_names_a_bucket_that_is_not_there(
    base: dict[str, Any], s3_server: S3Server
) -> None:
    said = await found(Settings(**base, **KEYS, storage_url=url_of(s3_server, "not-there")))
    assert said.startswith("FAULT storage:")
    assert "that the bucket exists" in said


async def test_doctor_names_a_server_that_does_not_answer(base: dict[str, Any]) -> None:
    url = "s3://zeraket?endpoint=http://127.0.0.1:9"
    said = await found(Settings(**base, **KEYS, storage_url=url))
    assert said.startswith("FAULT storage:")
    assert "ZERAKET_STORAGE_URL" in said


async def test_doctor_names_a_folder_that_cannot_be_written(base: dict[str, Any]) -> None:
    _occupy(base["data_directory"] / "objects")
    said = await found(Settings(**base))
    assert said.startswith("FAULT storage:")
    assert str(base["data_directory"]) in said


def _occupy(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize(
    ("changes", "remedy"),
    [
        ({"storage_url": "https://bucket"}, "s3://BUCKET"),
        ({"storage_url": "s3://bucket", "storage_access_key": None}, "ZERAKET_STORAGE_ACCESS_KEY"),
        ({"storage_url": "s3://bucket", "storage_secret_key": None}, "ZERAKET_STORAGE_SECRET_KEY"),
    ],
)
async def test_an_address_that_cannot_be_used_is_named_with_its_remedy(
    base: dict[str, Any], changes: dict[str, Any], remedy: str
) -> None:
    settings = Settings(**{**base, **KEYS, **changes})
    with pytest.raises(UnsafeSettingsError, match=remedy):
        object_storage(settings)
    assert remedy in await found(settings)
