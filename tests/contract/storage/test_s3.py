"""What S3's store promises beside the contract: an address that cannot be misread, and no word from
the environment of other tools.
"""

import pytest

from sync_server.kit.s3 import S3Place, S3Storage, StorageUrlError, parse_storage_url
from sync_server.kit.storage import StorageUnavailableError
from tests.factories.objects import put, read
from tests.plugins.s3 import CREDENTIALS, S3Server


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("s3://media", S3Place("media", "https://s3.us-east-1.amazonaws.com")),
        (
            "s3://media?region=af-south-1",
            S3Place("media", "https://s3.af-south-1.amazonaws.com", "af-south-1"),
        ),
        (
            "s3://media/?endpoint=https://minio.example.org:9000/&region=x",
            S3Place("media", "https://minio.example.org:9000", "x"),
        ),
        ("s3://m?endpoint=http%3A%2F%2F127.0.0.1%3A9000", S3Place("m", "http://127.0.0.1:9000")),
    ],
)
def test_an_address_names_bucket_server_and_region(url: str, place: S3Place) -> None:
    assert parse_storage_url(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "",
        "media",
        "s3://",
        "s3:///media",
        "s3://media/folder",
        "https://media",
        "s3://media?endpoint=minio:9000",
        "s3://media?endpoint=ftp://minio",
        "s3://media?endpoint=https://",
        "s3://media?endpiont=https://minio",
    ],
)
def test_another_address_is_refused(url: str) -> None:
    with pytest.raises(StorageUrlError, match="s3://BUCKET"):
        parse_storage_url(url)


async def test_variables_of_other_tools_change_nothing(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = "http://127.0.0.1:9"
    for name in ("AWS_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, elsewhere)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "theirs")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "theirs")
    monkeypatch.setenv("AWS_VIRTUAL_HOSTED_STYLE_REQUEST", "true")
    monkeypatch.setenv("AWS_BUCKET", "theirs")
    storage = s3_server.new_storage()
    assert await read(storage, await put(storage, b"ours")) == b"ours"


async def test_a_bucket_that_is_not_there_is_a_store_that_is_down(s3_server: S3Server) -> None:
    storage = S3Storage(S3Place("nobody-made-this", s3_server.endpoint), CREDENTIALS)
    with pytest.raises(StorageUnavailableError):
        await put(storage, b"content")


def test_the_secret_does_not_show() -> None:
    assert CREDENTIALS.secret_key not in repr(CREDENTIALS)
