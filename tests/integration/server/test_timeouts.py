import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from sync_server.kit.claims import ANONYMOUS, WORKER
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.problems import install_problem_handlers
from tests.plugins.postgres import ClonedDatabase

_LIMITS = DatabaseLimits(
    statement_milliseconds=500,
    lock_milliseconds=50,
    idle_in_transaction_milliseconds=800,
    pool_wait_seconds=0.05,
    connections_max=2,
)
_LOCK = text("SELECT pg_advisory_xact_lock(515151)")


def _application(database: Database) -> FastAPI:
    """Endpoints that each take too long in a way of their own."""
    app = FastAPI()
    install_problem_handlers(app)

    @app.get("/statement")
    async def run_too_long() -> None:
        async with database.reading(ANONYMOUS) as session:
            await session.execute(text("SELECT pg_sleep(20)"))

    @app.get("/lock")
    async def wait_for_a_lock() -> None:
        async with database.reading(WORKER) as holder, database.reading(ANONYMOUS) as session:
            await holder.execute(_LOCK)
            await session.execute(_LOCK)

    @app.get("/idle")
    async def forget_a_transaction() -> None:
        async with database.reading(ANONYMOUS) as session:
            ended = asyncio.Event()
            (await _driver(session)).add_termination_listener(lambda _: ended.set())
            await ended.wait()
            await session.execute(text("SELECT 1"))

    @app.get("/pool")
    async def wait_for_a_connection() -> None:
        async with database.reading(ANONYMOUS) as holder, database.reading(ANONYMOUS) as session:
            await holder.execute(text("SELECT 1"))
            await session.execute(text("SELECT 1"))

    return app


async def _driver(session: AsyncSession) -> Any:  # noqa: ANN401 - asyncpg has no types
    connection = await session.connection()
    return (await connection.get_raw_connection()).driver_connection


@pytest.fixture
async def client(cloned_database: ClonedDatabase) -> AsyncIterator[httpx.AsyncClient]:
    database = Database(cloned_database.login_url, _LIMITS)
    transport = httpx.ASGITransport(app=_application(database), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as opened:
        yield opened
    await database.close()


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("statement", "busy"),
        ("lock", "busy"),
        ("pool", "busy"),
        # PostgreSQL closes the connection, and its reason never reaches the one who uses it next.
        ("idle", "database_unavailable"),
    ],
)
async def test_each_time_out_fires_and_the_caller_is_told_to_come_again(
    client: httpx.AsyncClient, kind: str, code: str
) -> None:
    answer = await client.get(f"/{kind}")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert answer.headers["retry-after"] == "1"
    assert (await client.get("/statement")).json()["code"] == "busy"
