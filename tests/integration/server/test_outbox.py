import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import ANONYMOUS, WORKER, Claims
from sync_server.kit.database import Database, sqlstate
from sync_server.kit.outbox import BEGINNING, Message, publish, read_after
from tests.factories.horizon import settled
from tests.factories.tenants import Tenant

_MANY = 1_000_000


async def _kinds(database: Database, wanted: frozenset[str]) -> list[str]:
    async with database.reading(WORKER) as session:
        found = await read_after(session, BEGINNING, _MANY)
    return [item.message.kind for item in found if item.message.kind in wanted]


async def test_news_is_told_with_what_it_says(
    database: Database, administrator: AsyncConnection, tenant: Tenant
) -> None:
    said = Message("test.said", tenant.organizer_id, ("a", "b"), {"id": str(tenant.organizer_id)})
    async with database.transaction(tenant.claims) as session:
        await publish(session, said)
    await settled(administrator)
    async with database.reading(WORKER) as session:
        found = await read_after(session, BEGINNING, _MANY)
    assert said in [item.message for item in found]


async def test_news_of_a_transaction_that_fails_is_never_told(
    database: Database, administrator: AsyncConnection, tenant: Tenant
) -> None:
    async with database.transaction(tenant.claims) as session:
        await publish(session, Message("test.undone", tenant.organizer_id))
        await session.rollback()
    await settled(administrator)
    assert await _kinds(database, frozenset({"test.undone"})) == []


async def test_a_late_commit_is_read_in_its_place(
    database: Database, administrator: AsyncConnection, tenant: Tenant
) -> None:
    wanted = frozenset({"test.late", "test.early"})
    async with database.transaction(tenant.claims) as late:
        await publish(late, Message("test.late", tenant.organizer_id))
        async with database.transaction(tenant.claims) as early:
            await publish(early, Message("test.early", tenant.organizer_id))
        assert await _kinds(database, wanted) == []
    await settled(administrator)
    assert await _kinds(database, wanted) == ["test.late", "test.early"]


async def test_nobody_tells_news_of_another_organizer(
    database: Database, tenant: Tenant, other_tenant: Tenant
) -> None:
    for claims in (other_tenant.claims, ANONYMOUS):
        assert await _refused(database, claims, tenant) == "42501"


async def _refused(database: Database, claims: Claims, tenant: Tenant) -> str | None:
    with pytest.raises(DBAPIError) as refused:
        async with database.transaction(claims) as session:
            await publish(session, Message("test.forged", tenant.organizer_id))
    return sqlstate(refused.value.orig)


async def test_nobody_but_the_worker_reads_the_outbox(database: Database, tenant: Tenant) -> None:
    with pytest.raises(DBAPIError) as refused:
        async with database.reading(tenant.claims) as session:
            await read_after(session, BEGINNING, 1)
    assert sqlstate(refused.value.orig) == "42501"
