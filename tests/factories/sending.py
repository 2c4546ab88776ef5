"""Files sent to an organizer's buckets, over HTTP or past it, and fetched again."""

from typing import Any, Final

import httpx

from sync_server.kit.services import Services
from sync_server.media.callers import Sender
from sync_server.media.repository import Place
from sync_server.media.rules import Bucket
from sync_server.media.service import Kept
from tests.factories.files import keep
from tests.factories.tenants import PUBLIC_URL, Person, Tenant

MARKETING: Final = Bucket.MARKETING_MEDIA.value
DOCUMENTS: Final = Bucket.ORGANIZER_DOCUMENTS.value
STATEMENTS: Final = Bucket.STATEMENTS.value


async def send(
    client: httpx.AsyncClient,
    tenant: Tenant,
    bucket: str,
    content: bytes,
    name: str | None = None,
) -> httpx.Response:
    """Send a file as the founder does."""
    return await client.post(
        f"{tenant.path}/media/{bucket}",
        content=content,
        params={} if name is None else {"name": name},
        headers={**tenant.headers, "Content-Type": "application/octet-stream"},
    )


async def sent(
    client: httpx.AsyncClient, tenant: Tenant, bucket: str, content: bytes
) -> dict[str, Any]:
    """Send a file that is taken, and give its row."""
    answer = await send(client, tenant, bucket, content)
    assert answer.is_success, answer.text
    row: dict[str, Any] = answer.json()
    return row


async def shown(
    client: httpx.AsyncClient, tenant: Tenant, row: dict[str, Any], person: Person | None = None
) -> dict[str, Any]:
    """Read a file's row, with an address to fetch it from."""
    answer = await client.get(
        f"{tenant.path}/media/{row['bucket']}/{row['id']}",
        headers=(person or tenant.founder).headers,
    )
    assert answer.is_success, answer.text
    read: dict[str, Any] = answer.json()
    return read


async def remove(client: httpx.AsyncClient, tenant: Tenant, row: dict[str, Any]) -> httpx.Response:
    path = f"{tenant.path}/media/{row['bucket']}/{row['id']}"
    return await client.delete(path, headers=tenant.headers)


def path_of(url: str) -> str:
    """What follows the server's own address."""
    assert url.startswith(f"{PUBLIC_URL}/")
    return url.removeprefix(PUBLIC_URL)


def founders_sender(tenant: Tenant, bucket: str) -> Sender:
    place = Place(tenant.organizer_id, Bucket(bucket))
    return Sender(tenant.claims, place, tenant.founder.user_id, "a file")


async def kept(services: Services, tenant: Tenant, bucket: str, content: bytes) -> Kept:
    return await keep(services, founders_sender(tenant, bucket), content)
