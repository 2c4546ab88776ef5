"""The whole of it once more with files in a bucket that speaks S3."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import httpx
import pytest

from sync_server.app import create_app
from sync_server.kit.services import Services
from sync_server.media.orphans import remove_orphans
from tests.factories.files import a_new_photo, a_pdf
from tests.factories.objects import listed_keys
from tests.factories.sending import DOCUMENTS, MARKETING, path_of, remove, sent, shown
from tests.factories.tenants import PUBLIC_URL, Tenant
from tests.plugins.s3 import S3Server


@pytest.fixture
def s3_services(services: Services, s3_server: S3Server) -> Services:
    return replace(services, object_storage=s3_server.new_storage())


@asynccontextmanager
async def _given(services: Services) -> AsyncIterator[Services]:
    yield services


@pytest.fixture
async def client(s3_services: Services) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(partial(_given, s3_services))
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client,
    ):
        yield client


async def test_a_picture_is_sent_published_and_removed(
    client: httpx.AsyncClient, s3_services: Services, tenant: Tenant
) -> None:
    row = await sent(client, tenant, MARKETING, a_new_photo(800, 600))
    sizes = {
        about["size_bytes"]: len((await client.get(path_of(about["url"]))).content)
        for about in (row, *row["variants"])
    }
    part = await client.get(path_of(row["url"]), headers={"Range": "bytes=0-1"})
    await remove(client, tenant, row)
    removed = await remove_orphans(s3_services)
    assert list(sizes) == list(sizes.values())
    assert (part.status_code, part.content) == (206, b"\xff\xd8")
    assert removed == 3
    assert await listed_keys(s3_services.storage) == []


async def test_a_private_file_comes_through_the_server(
    client: httpx.AsyncClient, tenant: Tenant
) -> None:
    row = await sent(client, tenant, DOCUMENTS, a_pdf())
    address = path_of((await shown(client, tenant, row))["url"])
    before = await client.get(address)
    await remove(client, tenant, row)
    after = await client.get(address)
    assert (before.status_code, before.content) == (200, a_pdf())
    assert before.history == []
    assert after.status_code == 404
