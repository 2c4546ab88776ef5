"""A server that speaks S3 on loopback, for tests of the store and of what is built on it."""

import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from sync_server.kit.s3 import S3Credentials, S3Place, S3Storage

CREDENTIALS = S3Credentials("access", "secret")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A running server; every bucket made on it is new."""

    endpoint: str

    def new_bucket(self) -> S3Place:
        name = f"zeraket-{secrets.token_hex(8)}"
        httpx.put(f"{self.endpoint}/{name}").raise_for_status()
        return S3Place(name, self.endpoint)

    def new_storage(self) -> S3Storage:
        return S3Storage(self.new_bucket(), CREDENTIALS)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[S3Server]:
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - two seconds, for those who ask

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield S3Server(f"http://{host}:{port}")
    server.stop()
