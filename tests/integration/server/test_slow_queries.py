from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import capture_logs

from shared.clock import SettableClock
from sync_server.kit.claims import Claims, DatabaseRole
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.services import Services
from sync_server.kit.slow_queries import EXPLAINING_LIMITS, SlowQueries
from sync_server.migrations.runner import migrate
from tests.factories.tenants import Tenant
from tests.plugins.postgres import ClonedDatabase

Line = MutableMapping[str, Any]

_LIMIT_MS = 250
_SECRET = "nobody may read this in a log"
_NAMED = text("SELECT id FROM events WHERE name = :name AND organizer_id = :organizer_id")
_VALUES = {"name": _SECRET, "organizer_id": "018f0000-0000-7000-8000-000000000001"}
_PERSON = Claims(DatabaseRole.APP, "a token")


@dataclass(slots=True)
class _SteppingClock(SettableClock):
    """Every look at it takes a while, so that a statement is as slow as the test says."""

    step_ms: int = 0

    def monotonic_ns(self) -> int:
        self.advance(self.step_ms)
        return self.elapsed_ns


@pytest.fixture
async def migrated(empty_database: ClonedDatabase) -> ClonedDatabase:
    """The newest schema on each version of PostgreSQL."""
    await migrate(empty_database.administrator_url)
    return empty_database


async def _lines(
    place: ClonedDatabase, *, step_ms: int, limit_ms: int = _LIMIT_MS, times: int = 1
) -> list[Line]:
    """Run the same statement so often, each time as slow as a step of the clock."""
    database = Database(place.login_url, DatabaseLimits(connections_max=2))
    aside = Database(place.login_url, EXPLAINING_LIMITS)
    async with database.reading(_PERSON) as session:
        await session.execute(text("SELECT 1"))
        with capture_logs(processors=[merge_contextvars]) as lines:
            slow = SlowQueries(aside, _SteppingClock(0, step_ms=step_ms), limit_ms)
            slow.follow(database)
            with bound_contextvars(request_id="the request's"):
                for _ in range(times):
                    await session.execute(_NAMED, _VALUES)
            await slow.close()
    await database.close()
    return list(lines)


async def test_a_slow_statement_is_logged_with_its_request_and_its_plan(
    migrated: ClonedDatabase,
) -> None:
    (line,) = await _lines(migrated, step_ms=_LIMIT_MS)
    expected = {
        "event": "database.slow_query",
        "request_id": "the request's",
        "duration_ms": _LIMIT_MS,
        "role": "zeraket_app",
        "failed": None,
        "plan_missing": None,
    }
    assert {name: line[name] for name in expected} == expected
    assert "WHERE name = $1" in line["statement"]


async def test_the_plan_shows_the_policies_and_no_value(migrated: ClonedDatabase) -> None:
    (line,) = await _lines(migrated, step_ms=_LIMIT_MS)
    assert "InitPlan" in line["plan"]
    assert "on events" in line["plan"]
    assert "(name = $1)" in line["plan"].replace("::text", "")
    assert not any(str(value) in repr(line) for value in (*_VALUES.values(), _PERSON.token))


@pytest.mark.parametrize(("step_ms", "limit_ms"), [(_LIMIT_MS - 1, _LIMIT_MS), (60_000, 0)])
async def test_a_statement_that_is_fast_enough_is_not_logged(
    cloned_database: ClonedDatabase, step_ms: int, limit_ms: int
) -> None:
    assert await _lines(cloned_database, step_ms=step_ms, limit_ms=limit_ms) == []


async def test_of_slow_statements_in_a_row_one_is_explained(
    cloned_database: ClonedDatabase,
) -> None:
    lines = await _lines(cloned_database, step_ms=_LIMIT_MS, times=3)
    assert sorted(line["plan_missing"] or "" for line in lines) == ["", "not_now", "not_now"]


@pytest.fixture
async def followed(cloned_database: ClonedDatabase) -> AsyncIterator[tuple[Database, SlowQueries]]:
    """A database whose every statement is slow, with a place to ask for plans that is down."""
    database = Database(cloned_database.login_url, DatabaseLimits(statement_milliseconds=1_000))
    aside = Database("postgresql+asyncpg://nobody@/nowhere?host=/nowhere", EXPLAINING_LIMITS)
    slow = SlowQueries(aside, _SteppingClock(0, step_ms=_LIMIT_MS), _LIMIT_MS)
    slow.follow(database)
    yield database, slow
    await database.close()


async def test_a_plan_that_cannot_be_had_is_a_word_in_the_line(
    followed: tuple[Database, SlowQueries],
) -> None:
    database, slow = followed
    with capture_logs() as lines:
        async with database.reading(_PERSON) as session:
            await session.execute(_NAMED, _VALUES)
        await slow.close()
    assert {line["event"] for line in lines} == {"database.slow_query"}
    assert {line["plan"] for line in lines} == {None}
    assert {line["plan_missing"] for line in lines} == {"FileNotFoundError", "not_now"}


async def test_a_statement_that_ran_out_of_its_time_is_logged_as_failed(
    followed: tuple[Database, SlowQueries],
) -> None:
    database, slow = followed
    with capture_logs() as lines:
        with pytest.raises(DBAPIError):
            async with database.reading(_PERSON) as session:
                await session.execute(text("SELECT pg_sleep(20)"))
        await slow.close()
    (failed,) = [line for line in lines if "pg_sleep" in line["statement"]]
    assert failed["failed"] == "57014"


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("SELECT 1; DROP TABLE events", "42601"),
        ("SELECT no_such_column FROM events", "42703"),
        ("SELECT token_hash FROM user_sessions", "42501"),
    ],
)
async def test_what_cannot_be_explained_is_told_by_its_code_and_never_run(
    services: Services, cloned_database: ClonedDatabase, statement: str, missing: str
) -> None:
    aside = Database(cloned_database.login_url, EXPLAINING_LIMITS)
    slow = SlowQueries(aside, _SteppingClock(0, step_ms=_LIMIT_MS), _LIMIT_MS)
    async with services.database.reading(_PERSON) as session:
        await session.execute(text("SELECT 1"))
        slow.follow(services.database)
        with capture_logs() as lines:
            with pytest.raises(DBAPIError):
                await session.execute(text(statement))
            await slow.close()
        await session.rollback()
    assert [line["plan_missing"] for line in lines] == [missing]


async def test_a_line_and_an_answer_carry_the_same_request_id(
    app_client: httpx.AsyncClient,
    services: Services,
    tenant: Tenant,
    cloned_database: ClonedDatabase,
) -> None:
    aside = Database(cloned_database.login_url, EXPLAINING_LIMITS)
    slow = SlowQueries(aside, _SteppingClock(0, step_ms=_LIMIT_MS), _LIMIT_MS)
    slow.follow(services.database)
    with capture_logs(processors=[merge_contextvars]) as lines:
        answer = await app_client.get(tenant.path, headers=tenant.headers)
        await slow.close()
    told = {line["request_id"] for line in lines if line["event"] == "database.slow_query"}
    assert told == {answer.headers["x-request-id"]}
