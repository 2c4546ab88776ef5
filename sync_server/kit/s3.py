"""Objects in a bucket of a server that speaks S3; everything about it is said here, and nothing is
taken from the environment of other tools.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import IO, Final
from urllib.parse import parse_qs, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

from sync_server.kit.instants import unix_ms
from sync_server.kit.storage import (
    ByteRange,
    ContentMismatchError,
    ListedObject,
    ObjectKey,
    ObjectMissingError,
    OpenedObject,
    StorageUnavailableError,
    hash_of,
    open_in_pieces,
)

DEFAULT_REGION: Final = "us-east-1"
_UPLOAD_PART_BYTES: Final = 5 << 20
"""The least that S3 takes as a part; what is smaller goes up in one request."""
DOWNLOAD_PIECE_BYTES: Final = 4 << 20
_UPLOADS_AT_ONCE: Final = 2
_LISTED_AT_ONCE: Final = 1000
_OPTIONS: Final = frozenset({"endpoint", "region"})
_CONNECTING: Final = timedelta(seconds=5)
_ANSWERING: Final = timedelta(seconds=30)
_RETRYING: Final = timedelta(seconds=10)


class StorageUrlError(ValueError):
    """The store's URL cannot be used; the message says what one looks like."""


@dataclass(frozen=True, slots=True)
class S3Place:
    """A bucket, the server that keeps it, and its region."""

    bucket: str
    endpoint: str
    region: str = DEFAULT_REGION


@dataclass(frozen=True, slots=True)
class S3Credentials:
    access_key: str
    secret_key: str = field(repr=False)

    def given(self) -> "obstore.store.S3Credential":  # it is there for type checkers only
        return {
            "access_key_id": self.access_key,
            "secret_access_key": self.secret_key,
            "expires_at": None,
        }


def parse_storage_url(url: str) -> S3Place:
    """Read s3://BUCKET?endpoint=https://…&region=…, else raise StorageUrlError; without an endpoint
    the bucket is at AWS.
    """
    parts = urlsplit(url)
    options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    region = options.get("region", DEFAULT_REGION)
    endpoint = options.get("endpoint", f"https://s3.{region}.amazonaws.com")
    plain = parts.scheme == "s3" and parts.netloc and parts.path in {"", "/"}
    server = urlsplit(endpoint)
    if (
        not plain
        or options.keys() - _OPTIONS
        or server.scheme not in {"http", "https"}
        or not server.hostname
    ):
        message = "give s3://BUCKET?endpoint=https://HOST&region=REGION"
        raise StorageUrlError(message)
    return S3Place(parts.netloc, endpoint.rstrip("/"), region)


class S3Storage:
    """A big object goes up in parts, and is there when the last of them is."""

    def __init__(self, place: S3Place, credentials: S3Credentials) -> None:
        self._store = S3Store(
            place.bucket,
            endpoint=place.endpoint,
            # Each of the following could otherwise come from AWS_… variables meant for other tools.
            aws_endpoint_url_s3=place.endpoint,
            region=place.region,
            virtual_hosted_style_request=False,
            skip_signature=False,
            credential_provider=credentials.given,
            # One at a time is what every server that speaks S3 knows.
            disable_bulk_delete=True,
            client_options={
                "allow_http": urlsplit(place.endpoint).scheme == "http",
                "connect_timeout": _CONNECTING,
                "timeout": _ANSWERING,
            },
            retry_config={"max_retries": 2, "retry_timeout": _RETRYING},
        )

    async def put(self, key: ObjectKey, content: IO[bytes]) -> None:
        if await asyncio.to_thread(hash_of, content) != key.sha256:
            raise ContentMismatchError
        content.seek(0)
        try:
            with _reachable():
                await obstore.put_async(
                    self._store,
                    str(key),
                    content,
                    chunk_size=_UPLOAD_PART_BYTES,
                    max_concurrency=_UPLOADS_AT_ONCE,
                )
        except FileNotFoundError as error:
            fault = "no such bucket"
            raise StorageUnavailableError(fault) from error

    async def open(self, key: ObjectKey, part: ByteRange | None = None) -> OpenedObject:
        async def read(piece: ByteRange) -> bytes:
            with _found(), _reachable():
                found = await obstore.get_range_async(
                    self._store, str(key), start=piece.start, end=piece.end
                )
            return bytes(found)

        with _found(), _reachable():
            about = await obstore.head_async(self._store, str(key))
        return await open_in_pieces(about["size"], part, read, DOWNLOAD_PIECE_BYTES)

    async def delete(self, key: ObjectKey) -> None:
        try:
            with _reachable():
                await obstore.delete_async(self._store, str(key))
        except FileNotFoundError:
            return  # some servers say so, and it is what was wanted

    async def exists(self, key: ObjectKey) -> bool:
        try:
            with _reachable():
                await obstore.head_async(self._store, str(key))
        except FileNotFoundError:
            return False
        return True

    async def list_all(self) -> AsyncIterator[Sequence[ListedObject]]:
        pages = obstore.list(self._store, chunk_size=_LISTED_AT_ONCE)
        while True:
            with _reachable():
                page = await anext(pages, None)
            if page is None:
                return
            keys = [(ObjectKey.parse(about["path"]), about) for about in page]
            yield [ListedObject(key, unix_ms(about["last_modified"])) for key, about in keys if key]


@contextmanager
def _reachable() -> Iterator[None]:
    """A server's message may name keys and addresses: the kind of fault is enough."""
    try:
        yield
    except BaseError as error:
        raise StorageUnavailableError(type(error).__name__) from error


@contextmanager
def _found() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        raise ObjectMissingError from error
