"""Content nobody needs is removed; content that somebody needs, or is about to need, never is."""

import asyncio

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.clock import SettableClock
from sync_server.kit.claims import WORKER
from sync_server.kit.database import sqlstate
from sync_server.kit.services import Services
from sync_server.kit.storage import StorageUnavailableError
from sync_server.media import repository
from sync_server.media.orphans import ORPHAN_AGE, remove_orphans, watch_orphans
from sync_server.media.repository import StoredContent
from sync_server.media.rules import Bucket
from tests.factories.failing_storage import FailingStorage, LostStorage, with_storage
from tests.factories.files import a_new_photo, a_pdf
from tests.factories.objects import key_of, listed_keys, put
from tests.factories.sending import DOCUMENTS, MARKETING, kept, path_of, remove, send, sent
from tests.factories.tenants import Tenant

DAY_MS = ORPHAN_AGE.days * 86_400_000


def content_of(tenant: Tenant, bucket: str, sha256: str) -> StoredContent:
    return StoredContent(tenant.organizer_id, Bucket(bucket).value, sha256)


async def removals(services: Services) -> int:
    async with services.database.reading(WORKER) as session:
        return int(await session.scalar(text("SELECT count(*) FROM content_removals")) or 0)


async def test_what_is_needed_stays_for_ever(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, clock: SettableClock
) -> None:
    await sent(app_client, tenant, MARKETING, a_new_photo(800, 600))
    await sent(app_client, tenant, DOCUMENTS, a_pdf())
    before = set(await listed_keys(services.storage))
    clock.advance(10 * DAY_MS)
    assert await remove_orphans(services) == 0
    assert set(await listed_keys(services.storage)) == before
    assert len(before) == 4


async def test_deleted_content_goes_with_its_copies(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    row = await sent(app_client, tenant, MARKETING, a_new_photo(800, 600))
    stays = await sent(app_client, tenant, DOCUMENTS, a_pdf())
    await remove(app_client, tenant, row)
    assert await remove_orphans(services) == 3
    assert [key.sha256 for key in await listed_keys(services.storage)] == [stays["sha256"]]
    assert await removals(services) == 0


async def test_the_rows_of_deleted_files_stay(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    await remove(app_client, tenant, await sent(app_client, tenant, DOCUMENTS, a_pdf()))
    await remove_orphans(services)
    async with services.database.reading(tenant.claims) as session:
        names = await session.scalars(text("SELECT name FROM stored_objects"))
        assert list(names) == ["file.pdf"]


async def test_what_was_deleted_and_sent_again_stays(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    photo = a_new_photo(400)
    first = await sent(app_client, tenant, MARKETING, photo)
    await remove(app_client, tenant, first)
    again = await send(app_client, tenant, MARKETING, photo)
    assert await remove_orphans(services) == 0
    assert (again.status_code, again.json()["sha256"]) == (201, first["sha256"])
    assert again.json()["id"] != first["id"]
    assert (await app_client.get(path_of(again.json()["url"]))).status_code == 200


async def test_what_was_removed_can_be_sent_again(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    photo = a_new_photo(400)
    await remove(app_client, tenant, await sent(app_client, tenant, MARKETING, photo))
    assert await remove_orphans(services) == 2
    row = await sent(app_client, tenant, MARKETING, photo)
    answers = [await app_client.get(path_of(about["url"])) for about in (row, *row["variants"])]
    assert [answer.status_code for answer in answers] == [200, 200]


async def test_a_copy_that_is_somebody_elses_original_stays(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    administrator: AsyncConnection,
) -> None:
    first = await sent(app_client, tenant, MARKETING, a_new_photo(400))
    second = await sent(app_client, tenant, MARKETING, a_new_photo(400))
    await administrator.execute(
        text("UPDATE stored_object_variants SET sha256 = :sha256 WHERE object_id = :id"),
        {"sha256": second["sha256"], "id": first["id"]},
    )
    await remove(app_client, tenant, second)
    await remove_orphans(services)
    kept_hashes = {key.sha256 for key in await listed_keys(services.storage)}
    assert second["sha256"] in kept_hashes
    assert second["variants"][0]["sha256"] not in kept_hashes


async def test_equal_content_of_another_organizer_stays(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant, other_tenant: Tenant
) -> None:
    photo = a_new_photo()
    mine = await sent(app_client, tenant, MARKETING, photo)
    await remove(app_client, other_tenant, await sent(app_client, other_tenant, MARKETING, photo))
    assert await remove_orphans(services) == 1
    assert (await app_client.get(path_of(mine["url"]))).status_code == 200


async def test_content_without_any_row_goes_after_a_day(
    services: Services, tenant: Tenant, clock: SettableClock
) -> None:
    await put(services.storage, b"of a lost database", f"{DOCUMENTS}/{tenant.organizer_id}")
    clock.advance(DAY_MS // 2)
    assert await remove_orphans(services) == 0
    clock.advance(DAY_MS)
    assert await remove_orphans(services) == 1
    assert await listed_keys(services.storage) == []


async def test_an_upload_that_broke_off_is_given_up_after_a_day(
    services: Services, tenant: Tenant, clock: SettableClock
) -> None:
    """The picture was stored, its copy was not."""
    folder = services.data_directory / "objects"
    broken = with_storage(services, FailingStorage(folder, 1))
    with pytest.raises(StorageUnavailableError):
        await kept(broken, tenant, MARKETING, a_new_photo(400))
    assert await remove_orphans(services) == 0
    clock.advance(DAY_MS + 1)
    assert await remove_orphans(services) == 1
    assert await listed_keys(services.storage) == []


@pytest.mark.parametrize(
    "folder",
    [
        "doctor",
        "backups/2026",
        "marketing-media",
        "other-bucket/01890000-0000-7000-8000-000000000000",
        "statements/01890000000070008000000000000000",
    ],
)
async def test_what_others_keep_in_the_store_is_left_alone(
    services: Services, clock: SettableClock, folder: str
) -> None:
    key = await put(services.storage, b"not ours", folder)
    clock.advance(100 * DAY_MS)
    assert await remove_orphans(services) == 0
    assert await listed_keys(services.storage) == [key]


async def test_nobody_stores_what_is_being_removed(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    row = await sent(app_client, tenant, DOCUMENTS, a_pdf())
    await remove(app_client, tenant, row)
    content = content_of(tenant, DOCUMENTS, row["sha256"])
    async with services.database.transaction(WORKER) as session:
        assert await repository.begin_removal(session, content)
    meanwhile = await send(app_client, tenant, DOCUMENTS, a_pdf())
    async with services.database.transaction(WORKER) as session:
        await repository.end_removal(session, content)
    afterwards = await send(app_client, tenant, DOCUMENTS, a_pdf())
    assert (meanwhile.status_code, meanwhile.json()["code"]) == (503, "busy")
    assert meanwhile.headers["retry-after"] == "1"
    assert afterwards.status_code == 201


async def test_no_copy_is_stored_while_the_same_is_being_removed(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    photo = a_new_photo(400)
    row = await sent(app_client, tenant, MARKETING, photo)
    await remove(app_client, tenant, row)
    copy = content_of(tenant, MARKETING, row["variants"][0]["sha256"])
    async with services.database.transaction(WORKER) as session:
        assert await repository.begin_removal(session, copy)
    answer = await send(app_client, tenant, MARKETING, photo)
    async with services.database.transaction(WORKER) as session:
        await repository.end_removal(session, copy)
    assert (answer.status_code, answer.json()["code"]) == (503, "busy")


async def test_nobody_removes_what_is_on_its_way(services: Services, tenant: Tenant) -> None:
    down = with_storage(services, FailingStorage(services.data_directory / "objects"))
    with pytest.raises(StorageUnavailableError):
        await kept(down, tenant, DOCUMENTS, a_pdf())
    content = content_of(tenant, DOCUMENTS, key_of(a_pdf()).sha256)
    async with services.database.transaction(WORKER) as session:
        assert not await repository.begin_removal(session, content)


async def test_a_row_and_a_removal_that_come_at_once_wait_for_one_another(
    services: Services, tenant: Tenant
) -> None:
    """Whoever comes second sees what the first did: never both."""
    content = content_of(tenant, DOCUMENTS, key_of(a_pdf()).sha256)
    async with services.database.transaction(WORKER) as session:
        assert await repository.begin_removal(session, content)
        sending = asyncio.create_task(kept(services, tenant, DOCUMENTS, a_pdf()))
        await _until_somebody_waits(services)
    with pytest.raises(DBAPIError) as refused:
        await sending
    assert sqlstate(refused.value.orig) == "55P03"
    async with services.database.transaction(WORKER) as session:
        await repository.end_removal(session, content)


async def _until_somebody_waits(services: Services) -> None:
    question = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    while True:
        async with services.database.reading(WORKER) as session:
            if await session.scalar(question):
                return
        await asyncio.sleep(0)


async def test_two_who_clean_up_do_not_remove_the_same(
    app_client: httpx.AsyncClient, services: Services, tenant: Tenant
) -> None:
    await remove(app_client, tenant, await sent(app_client, tenant, DOCUMENTS, a_pdf()))
    both = await asyncio.gather(remove_orphans(services), remove_orphans(services))
    assert sum(both) in {1, 2}
    assert await listed_keys(services.storage) == []
    assert await removals(services) == 0


async def test_a_removal_whose_process_died_is_ended_by_the_next(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    administrator: AsyncConnection,
) -> None:
    row = await sent(app_client, tenant, DOCUMENTS, a_pdf())
    await remove(app_client, tenant, row)
    content = content_of(tenant, DOCUMENTS, row["sha256"])
    async with services.database.transaction(WORKER) as session:
        await repository.begin_removal(session, content)
    young = await remove_orphans(services)
    await administrator.execute(
        text("UPDATE content_removals SET began_at = now() - interval '11 minutes'")
    )
    old = await remove_orphans(services)
    assert (young, old) == (0, 1)
    assert await listed_keys(services.storage) == []
    assert (await send(app_client, tenant, DOCUMENTS, a_pdf())).status_code == 201


@pytest.mark.parametrize("moment", ["now() - interval '1 day'", "now() + interval '1 day'"])
async def test_a_removal_begins_now_and_at_no_other_time(
    services: Services, tenant: Tenant, moment: str
) -> None:
    query = text(
        f"INSERT INTO content_removals VALUES (:organizer, 'statements', repeat('a', 64), {moment})"
    )
    with pytest.raises(DBAPIError) as refused:
        async with services.database.transaction(WORKER) as session:
            await session.execute(query, {"organizer": tenant.organizer_id})
    assert sqlstate(refused.value.orig) == "42501"


async def test_the_watch_goes_on_when_the_store_is_away(
    services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = LostStorage(services.data_directory)
    watching = asyncio.create_task(watch_orphans(with_storage(services, lost)))
    await lost.looked.wait()
    assert "media.watch_failed" in capsys.readouterr().out
    assert not watching.done()
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
