"""What goes wrong on the way: connections that break, stores that are down, processes that die, and
two who send the same at once.
"""

import asyncio
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.problems import BusyError
from sync_server.kit.services import Services
from sync_server.kit.storage import (
    FolderStorage,
    StorageUnavailableError,
)
from sync_server.media.rules import BUCKETS, Bucket
from tests.factories.failing_storage import FailingStorage, SlowStorage, with_storage
from tests.factories.files import a_new_photo, a_pdf
from tests.factories.sending import DOCUMENTS, MARKETING, kept, path_of, send
from tests.factories.tenants import Tenant

ROWS = text("SELECT stored_at IS NULL AS pending, deleted_at IS NULL AS living FROM stored_objects")


@pytest.fixture
def folder(tmp_path: Path) -> FolderStorage:
    return FolderStorage(tmp_path / "objects")


async def rows(services: Services, tenant: Tenant) -> list[tuple[bool, bool]]:
    async with services.database.reading(tenant.claims) as session:
        return [(row.pending, row.living) for row in await session.execute(ROWS)]


@pytest.mark.parametrize("puts", [0, 1, 2])
async def test_what_is_not_stored_to_its_end_is_seen_by_nobody_and_sent_again(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    folder: FolderStorage,
    puts: int,
) -> None:
    """The picture and its two copies are three puts."""
    photo = a_new_photo(800, 600)
    failing = FailingStorage(folder.root, puts)
    with pytest.raises(StorageUnavailableError):
        await kept(with_storage(services, failing), tenant, MARKETING, photo)
    listed = await app_client.get(f"{tenant.path}/media/{MARKETING}", headers=tenant.headers)
    pending = await rows(services, tenant)
    again = await send(app_client, tenant, MARKETING, photo)
    fetched = [
        (await app_client.get(path_of(about["url"]))).status_code
        for about in (again.json(), *again.json()["variants"])
    ]
    assert listed.json()["items"] == []
    assert pending == [(True, True)]
    assert again.status_code == 201
    assert fetched == [200, 200, 200]
    assert await rows(services, tenant) == [(False, True)]


async def test_content_on_its_way_has_no_address(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, folder: FolderStorage
) -> None:
    with pytest.raises(StorageUnavailableError):
        await kept(
            with_storage(services, FailingStorage(folder.root, 1)),
            tenant,
            MARKETING,
            a_new_photo(400),
        )
    ((entry,),) = [page async for page in folder.list_all()]
    answer = await app_client.get(f"/media/{entry.key.sha256}.jpg")
    assert (answer.status_code, answer.json()["code"]) == (404, "object_not_found")


async def test_a_store_that_is_down_is_told_to_come_back_later(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    await asyncio.to_thread((services.data_directory / "objects").touch)
    answer = await send(app_client, tenant, DOCUMENTS, a_pdf())
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_store_that_is_down_is_told_to_readers(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    row = (await send(app_client, tenant, MARKETING, a_new_photo())).json()
    objects = services.data_directory / "objects"
    await asyncio.to_thread(objects.rename, services.data_directory / "away")
    await asyncio.to_thread(objects.touch)
    answer = await app_client.get(path_of(row["url"]))
    known = await app_client.get(
        path_of(row["url"]), headers={"If-None-Match": f'"{row["sha256"]}"'}
    )
    assert (answer.status_code, answer.json()["code"]) == (503, "storage_unavailable")
    assert known.status_code == 304


async def test_two_who_send_the_same_at_once_get_the_same_object(
    services: Services, tenant: Tenant, folder: FolderStorage
) -> None:
    slow = SlowStorage(folder.root)
    photo = a_new_photo(800, 600)
    patient = with_storage(services, slow)
    sending = [asyncio.create_task(kept(patient, tenant, MARKETING, photo)) for _ in range(2)]
    await slow.reached.wait()
    slow.go_on.set()
    one, other = await asyncio.gather(*sending)
    assert one.shown == other.shown
    assert sorted((one.is_new, other.is_new)) == [False, True]
    assert await rows(services, tenant) == [(False, True)]


async def test_no_connection_is_held_while_a_file_is_stored(
    services: Services, tenant: Tenant, folder: FolderStorage
) -> None:
    slow = SlowStorage(folder.root)
    sending = asyncio.create_task(kept(with_storage(services, slow), tenant, DOCUMENTS, a_pdf()))
    await slow.reached.wait()
    held = services.database.engine.pool.status()
    slow.go_on.set()
    await sending
    assert "Current Checked out connections: 0" in held


async def test_what_an_older_program_began_is_begun_anew(
    app_client: httpx.AsyncClient,
    administrator: AsyncConnection,
    services: Services,
    tenant: Tenant,
    folder: FolderStorage,
) -> None:
    """Its smaller copies were others: nobody would ever store those."""
    photo = a_new_photo(800, 600)
    with pytest.raises(StorageUnavailableError):
        await kept(with_storage(services, FailingStorage(folder.root, 0)), tenant, MARKETING, photo)
    await administrator.execute(
        text(
            "UPDATE stored_object_variants SET sha256 = repeat('0', 64) WHERE width = 320"
            " AND organizer_id = :organizer"
        ),
        {"organizer": tenant.organizer_id},
    )
    row = (await send(app_client, tenant, MARKETING, photo)).json()
    answers = [await app_client.get(path_of(copy["url"])) for copy in row["variants"]]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(await rows(services, tenant)) == [(False, True), (True, False)]


async def test_a_file_deleted_before_it_was_finished_is_sent_again(
    services: Services, tenant: Tenant, folder: FolderStorage
) -> None:
    slow = SlowStorage(folder.root)
    sending = asyncio.create_task(kept(with_storage(services, slow), tenant, DOCUMENTS, a_pdf()))
    await slow.reached.wait()
    async with services.database.transaction(tenant.claims) as session:
        await session.execute(text("UPDATE stored_objects SET deleted_at = now()"))
    slow.go_on.set()
    with pytest.raises(BusyError):
        await sending


async def test_a_connection_that_breaks_off_leaves_nothing(
    live_server: str, services: Services, tenant: Tenant, capsys: pytest.CaptureFixture[str]
) -> None:
    host, port = live_server.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {tenant.path}/media/{DOCUMENTS} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {tenant.founder.token}\r\nContent-Length: 100000\r\n\r\n"
    )
    writer.write(head.encode() + a_pdf())
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    async with httpx.AsyncClient(base_url=live_server) as client:
        whole = await send(client, tenant, DOCUMENTS, a_pdf("whole"))
    assert whole.status_code == 201
    assert await rows(services, tenant) == [(False, True)]
    assert "request.failed" not in capsys.readouterr().out


async def test_over_a_socket_too_much_is_refused_before_it_was_sent(
    live_server: str, tenant: Tenant
) -> None:
    """The sender has far more to send than was read, and hears it at once."""
    host, port = live_server.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = (
        f"POST {tenant.path}/media/{MARKETING} HTTP/1.1\r\nHost: {host}\r\n"
        f"Authorization: Bearer {tenant.founder.token}\r\n"
        f"Content-Length: {BUCKETS[Bucket.MARKETING_MEDIA].size_bytes_max + 1}\r\n\r\n"
    )
    writer.write(head.encode())
    status = await asyncio.wait_for(reader.readline(), 30)
    writer.close()
    assert status.startswith(b"HTTP/1.1 413 ")


async def test_a_download_of_a_big_file_is_whole_over_a_socket(
    live_server: str, services: Services, tenant: Tenant
) -> None:
    big = a_pdf("x" * 3_000_000)
    await kept(services, tenant, DOCUMENTS, big)
    async with httpx.AsyncClient(base_url=live_server) as client:
        listed = await client.get(f"{tenant.path}/media/{DOCUMENTS}", headers=tenant.headers)
        (row,) = listed.json()["items"]
        path = f"{tenant.path}/media/{DOCUMENTS}/{row['id']}"
        shown = (await client.get(path, headers=tenant.headers)).json()
        whole = await client.get(path_of(shown["url"]))
        part = await client.get(path_of(shown["url"]), headers={"Range": "bytes=1000000-2500000"})
    assert whole.content == big
    assert part.content == big[1_000_000:2_500_001]
