"""The relay: a message in the outbox becomes a job of each handler that hears it, once."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sync_server.kit.claims import WORKER
from sync_server.kit.jobs import JobHandler
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.worker.relay import BATCH_MESSAGES_MAX, keep_relaying, relay
from tests.factories.jobs import WAIT_SECONDS, Noting, Workshop
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected

NAME = "tests.hear"
KIND = "tests.said"


def hearing(noting: Noting, name: str = NAME) -> JobHandler:
    return JobHandler(name, noting, hears=frozenset((KIND,)))


async def say(services: Services, count: int, kind: str = KIND) -> None:
    async with services.database.transaction(WORKER) as session:
        for number in range(count):
            await publish(session, Message(kind, payload={"n": number}))


async def relay_all(services: Services) -> None:
    """Relay until nothing is left; other databases of the cluster may hold the horizon back."""
    async with asyncio.timeout(WAIT_SECONDS):
        while await waiting(services):
            await relay(services)
            await asyncio.sleep(0.01)


async def waiting(services: Services) -> int:
    query = """
        SELECT count(*) FROM outbox WHERE NOT EXISTS (
            SELECT FROM outbox_readers AS r
            WHERE r.name = 'jobs' AND (outbox.xid, outbox.id) <= (r.xid, r.id)
        )
    """
    async with services.database.reading(WORKER) as session:
        return int(await session.scalar(text(query)) or 0)


async def test_a_message_becomes_a_job_of_each_handler_that_hears_it(workshop: Workshop) -> None:
    first, second, deaf = Noting(), Noting(), Noting()
    there = workshop.registering(
        hearing(first), hearing(second, "tests.hear-too"), JobHandler("tests.deaf", deaf)
    )
    tenant = await make_tenant(workshop.services)
    async with workshop.services.database.transaction(tenant.claims) as session:
        await publish(session, Message(KIND, tenant.organizer_id, payload={"ticket_id": "7"}))
    await relay_all(there.services)
    async with there.working():
        heard = [await first.next(), await second.next()]
        await there.until()
    expected = {
        "kind": KIND,
        "organizer_id": str(tenant.organizer_id),
        "payload": {"ticket_id": "7"},
    }
    assert [job.payload for job in heard] == [expected, expected]
    assert deaf.seen.empty()


async def test_what_nobody_hears_is_passed_over(workshop: Workshop) -> None:
    there = workshop.registering(hearing(Noting()))
    await say(there.services, 3, "tests.unheard")
    await relay_all(there.services)
    assert await there.rows() == []


async def test_relays_side_by_side_enqueue_each_message_once(workshop: Workshop) -> None:
    there = workshop.registering(hearing(Noting()))
    await say(there.services, BATCH_MESSAGES_MAX + 50)
    relays = [asyncio.create_task(keep_relaying(there.services)) for _ in range(4)]
    async with asyncio.timeout(WAIT_SECONDS):
        while await waiting(there.services):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.02)
    for each in relays:
        each.cancel()
    await asyncio.gather(*relays, return_exceptions=True)
    assert len(await there.rows()) == BATCH_MESSAGES_MAX + 50


async def test_jobs_come_in_the_order_of_the_messages(workshop: Workshop) -> None:
    there = workshop.registering(hearing(noting := Noting()))
    await say(there.services, 30)
    await relay_all(there.services)
    async with there.working():
        order = [(await noting.next()).payload["payload"]["n"] for _ in range(30)]
        await there.until()
    assert order == list(range(30))


_FAIL = """
    CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
    AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$
"""
_TRIGGER = "CREATE TRIGGER fail BEFORE UPDATE ON outbox_readers EXECUTE FUNCTION fail()"


async def test_jobs_and_place_are_one_transaction(
    workshop: Workshop, spare_database: ClonedDatabase
) -> None:
    there = workshop.registering(hearing(Noting()))
    await say(there.services, 5)
    async with connected(spare_database.administrator_url) as administrator:
        await administrator.execute(text(_FAIL))
        await administrator.execute(text(_TRIGGER))
        with pytest.raises(DBAPIError, match="not now"):
            await relay_all(there.services)
        assert await there.rows() == []
        await administrator.execute(text("DROP TRIGGER fail ON outbox_readers"))
    await relay_all(there.services)
    assert len(await there.rows()) == 5


async def test_a_transaction_that_is_still_open_is_waited_for(workshop: Workshop) -> None:
    there = workshop.registering(hearing(Noting()))
    async with there.services.database.transaction(WORKER) as late:
        await publish(late, Message(KIND, payload={"n": "late"}))
        await say(there.services, 1)
        assert await relay(there.services) == 0
    await relay_all(there.services)
    assert len(await there.rows()) == 2
