"""Statements that took long: logged with the request's id and the plan PostgreSQL has for them,
never with a value.

The plan is the generic one, made afterwards in a connection of its own; one at a time and one in a
few seconds, so that looking at a slow database does not make it slower.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import Connection, ExceptionContext

from shared.clock import NANOSECONDS_PER_MILLISECOND, Clock
from sync_server.kit.claims import Claims
from sync_server.kit.database import Database, DatabaseLimits, sqlstate
from sync_server.kit.sessions import CLAIMS

EXPLAINING_LIMITS: Final = DatabaseLimits(
    statement_milliseconds=2_000, lock_milliseconds=500, connections_max=0
)
"""For the database that plans are asked of: connections that are closed again."""
PLAN_INTERVAL_NS: Final = 5_000_000_000
STATEMENT_CHARACTERS_MAX: Final = 4_000
_PLAN_SECONDS_MAX: Final = 5
_STARTED: Final = "statement_started_ns"
_LOG: Final = structlog.get_logger(__name__)
_NAME: Final = "slow_query"


@dataclass(frozen=True, slots=True)
class _SlowQuery:
    statement: str
    milliseconds: int
    claims: Claims | None
    failed: str | None


class SlowQueries:
    """Follows a database's pools; `aside` is the same database through connections of its own."""

    def __init__(self, aside: Database, clock: Clock, milliseconds: int) -> None:
        self._aside = aside
        self._clock = clock
        self._limit_ns = milliseconds * NANOSECONDS_PER_MILLISECOND
        self._next_plan_ns: int | None = None
        self._logging: set[asyncio.Task[None]] = set()

    def follow(self, database: Database) -> None:
        """Look at every statement from now on; with a limit of 0 at none."""
        if self._limit_ns == 0:
            return
        for engine in (database.engine, database.worker_engine):
            event.listen(engine.sync_engine, "before_cursor_execute", self._note_start)
            event.listen(engine.sync_engine, "after_cursor_execute", self._note_end)
            event.listen(engine.sync_engine, "handle_error", self._note_failure)

    async def close(self) -> None:
        """Wait for what is still being logged."""
        await asyncio.gather(*self._logging)
        await self._aside.close()

    def _note_start(self, connection: Connection, *_: object) -> None:
        connection.info[_STARTED] = self._clock.monotonic_ns()

    def _note_end(self, connection: Connection, _: object, statement: str, *__: object) -> None:
        self._look_at(connection, statement, None)

    def _note_failure(self, context: ExceptionContext) -> None:
        """A statement that ran out of its time is the slowest of all."""
        if context.connection is not None and context.statement is not None:
            error = context.original_exception
            failed = sqlstate(error) or type(error).__name__
            self._look_at(context.connection, context.statement, failed)

    def _look_at(self, connection: Connection, statement: str, failed: str | None) -> None:
        started: int | None = connection.info.pop(_STARTED, None)
        if started is None:
            return
        elapsed_ns = self._clock.monotonic_ns() - started
        if elapsed_ns < self._limit_ns:
            return
        milliseconds = elapsed_ns // NANOSECONDS_PER_MILLISECOND
        slow = _SlowQuery(statement, milliseconds, connection.info.get(CLAIMS), failed)
        # The task takes the request's id along, which is bound to the context.
        task = asyncio.get_running_loop().create_task(self._log(slow))
        self._logging.add(task)
        task.add_done_callback(self._logging.discard)

    async def _log(self, slow: _SlowQuery) -> None:
        plan, missing = await self._plan(slow)
        _LOG.warning(
            "database.slow_query",
            duration_ms=slow.milliseconds,
            role=None if slow.claims is None else slow.claims.role.value,
            statement=slow.statement[:STATEMENT_CHARACTERS_MAX],
            failed=slow.failed,
            plan=plan,
            plan_missing=missing,
        )

    async def _plan(self, slow: _SlowQuery) -> tuple[str | None, str | None]:
        """Give the plan, or why there is none."""
        now_ns = self._clock.monotonic_ns()
        if slow.claims is None:
            return None, "unclaimed"
        if self._next_plan_ns is not None and now_ns < self._next_plan_ns:
            return None, "not_now"
        self._next_plan_ns = now_ns + PLAN_INTERVAL_NS
        try:
            async with asyncio.timeout(_PLAN_SECONDS_MAX):
                return await self._explain(slow.statement, slow.claims), None
        except Exception as error:  # noqa: BLE001 - no fault of a plan may hide the slow query
            return None, sqlstate(getattr(error, "orig", error)) or type(error).__name__

    async def _explain(self, statement: str, claims: Claims) -> str:
        """Plan for any values, which a statement that is merely explained never gets."""
        async with self._aside.reading(claims) as session:
            await session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
            connection = await session.connection()
            driver: Any = (await connection.get_raw_connection()).driver_connection
            # Through the protocol, which takes one statement and no more, whatever is in its text.
            prepared = await driver.prepare(statement, name=_NAME)
            values = ", ".join(["NULL"] * len(prepared.get_parameters()))
            execute = f"{_NAME}({values})" if values else _NAME
            lines = await session.scalars(text(f"EXPLAIN EXECUTE {execute}"))
            return "\n".join(lines)
