"""Who may do what with the queue's tables, whatever the code above believes."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from asyncpg import Connection
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sync_server.kit import job_queue
from sync_server.kit.claims import WORKER, Claims, DatabaseRole
from sync_server.kit.database import sqlstate
from sync_server.kit.job_queue import QUEUE_ROLE
from sync_server.kit.jobs import NewJob
from tests.factories.jobs import Workshop
from tests.factories.tenants import make_tenant
from tests.plugins.postgres import ClonedDatabase, connected

TABLES = (
    "jobs.pgqueuer",
    "jobs.pgqueuer_log",
    "jobs.pgqueuer_statistics",
    "jobs.pgqueuer_schedules",
    "cron_ticks",
    "webhook_inbox",
)
_PUT = "UPDATE jobs.pgqueuer SET status = '{}'"


@pytest.fixture
async def queue(workshop: Workshop) -> AsyncIterator[Connection]:
    """The connection that the library is handed."""
    await workshop.enqueue(NewJob("tests.work"))
    connection = await workshop.services.database.connect_apart(QUEUE_ROLE, "tests")
    yield connection
    await connection.close()


async def put(database: ClonedDatabase, status: str) -> None:
    async with connected(database.administrator_url) as administrator:
        await administrator.execute(text(_PUT.format(status)))


@pytest.mark.parametrize("role", [DatabaseRole.APP, DatabaseRole.DEVICE, DatabaseRole.WALLET])
async def test_no_caller_reads_or_writes_any_of_it(workshop: Workshop, role: DatabaseRole) -> None:
    tenant = await make_tenant(workshop.services)
    claims = Claims(role, tenant.claims.token)
    refused = [await refusal(workshop, claims, f"SELECT 1 FROM {table}") for table in TABLES]
    refused += [await refusal(workshop, claims, f"DELETE FROM {table}") for table in TABLES]
    assert set(refused) == {"42501"}


async def test_no_caller_enqueues(workshop: Workshop) -> None:
    tenant = await make_tenant(workshop.services)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with workshop.services.database.transaction(tenant.claims) as session:
            await workshop.services.jobs.enqueue(session, NewJob("tests.forged"))


async def refusal(workshop: Workshop, claims: Claims, statement: str) -> str | None:
    try:
        async with workshop.services.database.transaction(claims) as session:
            await session.execute(text(statement))
    except DBAPIError as error:
        return sqlstate(error.orig)
    return None


@pytest.mark.parametrize(
    "table",
    [
        "public.organizers",
        "public.outbox",
        "public.cron_ticks",
        "public.webhook_inbox",
        "jobs.pgqueuer_schedules",
    ],
)
async def test_the_queue_reaches_its_own_tables_alone(queue: Connection, table: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await queue.fetch(f"SELECT 1 FROM {table}")


@pytest.mark.parametrize(
    ("status", "statement", "touched"),
    [
        ("queued", "DELETE FROM jobs.pgqueuer", 0),
        ("picked", "DELETE FROM jobs.pgqueuer", 1),
        ("failed", "DELETE FROM jobs.pgqueuer", 0),
        ("queued", _PUT.format("picked"), 1),
        ("picked", _PUT.format("failed"), 1),
        ("failed", _PUT.format("queued"), 0),
    ],
)
async def test_the_queue_can_neither_drop_what_waits_nor_touch_the_dead(
    queue: Connection,
    spare_database: ClonedDatabase,
    status: str,
    statement: str,
    touched: int,
) -> None:
    await put(spare_database, status)
    assert (await queue.execute(statement)).endswith(f" {touched}")


async def test_the_queue_adds_no_job(queue: Connection) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await queue.execute(
            "INSERT INTO jobs.pgqueuer (priority, status, entrypoint) VALUES"
            " (0, 'queued', 'tests.forged')"
        )


@pytest.mark.parametrize(
    ("status", "statement", "touched"),
    [
        ("queued", "DELETE FROM jobs.pgqueuer", 0),
        ("picked", "DELETE FROM jobs.pgqueuer", 0),
        ("failed", "DELETE FROM jobs.pgqueuer", 1),
        ("picked", _PUT.format("queued"), 0),
        ("failed", _PUT.format("queued"), 1),
    ],
)
async def test_the_worker_takes_no_job_from_the_queue_but_the_dead(
    workshop: Workshop, spare_database: ClonedDatabase, status: str, statement: str, touched: int
) -> None:
    await workshop.enqueue(NewJob("tests.work"))
    await put(spare_database, status)
    async with workshop.services.database.transaction(WORKER) as session:
        connection = await session.connection()
        assert (await connection.execute(text(statement))).rowcount == touched


async def test_a_connection_apart_speaks_for_its_role_as_long_as_it_lasts(
    queue: Connection,
) -> None:
    row = await queue.fetchrow("SELECT current_user AS role, session_user AS login")
    assert (row["role"], row["login"]) == (QUEUE_ROLE, "zeraket_worker_login")
    await queue.execute("BEGIN")
    await queue.execute("COMMIT")
    assert await queue.fetchval("SELECT current_user") == QUEUE_ROLE


_MANY = """
    INSERT INTO jobs.pgqueuer (priority, status, entrypoint)
    SELECT 0, CASE n % 4 WHEN 0 THEN 'queued' WHEN 1 THEN 'picked' ELSE 'failed' END
        ::jobs.pgqueuer_status, 'tests.work' FROM generate_series(1, 20000) AS n
"""


async def test_row_level_security_leaves_the_queue_its_indexes(
    queue: Connection, spare_database: ClonedDatabase
) -> None:
    async with connected(spare_database.administrator_url) as administrator:
        for statement in (_MANY, "ANALYZE jobs.pgqueuer"):
            await administrator.execute(text(statement))
    asked = job_queue._builders()["qbq"].build_dequeue_query(
        batch_size=10,
        entrypoints=["tests.work"],
        concurrency_limits=[0],
        queue_manager_id=UUID(int=1),
        global_concurrency_limit=20,
        heartbeat_timeout=timedelta(seconds=30),
    )
    plan = "\n".join(row[0] for row in await queue.fetch(f"EXPLAIN {asked.sql}", *asked.args))
    assert "pgqueuer_ep_prio_id_idx" in plan
    assert "Seq Scan" not in plan
