"""Transactions under claims: a login role has no rights until a transaction's first statement
gives it some.

Requests and the server's own work log in as two roles, each with a pool of its own: whatever runs
on a request's connection, it cannot become the worker.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sqlalchemy import event
from sqlalchemy.engine import AdaptedConnection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool, PoolResetState
from sqlalchemy.util import greenlet_spawn

from sync_server.kit.claims import WORKER_LOGIN, Claims, DatabaseRole
from sync_server.kit.driver import TidyConnection
from sync_server.kit.sessions import APPLICATION_NAME, Begin, ClaimedSession, claimed_session

CONNECTION_FAULTS: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What a connection outside the pool raises when the database is away or too slow."""
_MILLISECONDS: Final = 1_000
# What SQLAlchemy takes out of a URL for itself.
_POOL_OPTIONS: Final = frozenset(("prepared_statement_cache_size", "prepared_statement_name_func"))


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """Time-outs every connection is opened with, and how many there may be.

    Half of the connections are the worker's, since a gate's call asks it first; each pool has one
    at least. With `connections_max` 0 each transaction opens a connection and closes it.
    """

    statement_milliseconds: int = 30_000
    lock_milliseconds: int = 5_000
    idle_in_transaction_milliseconds: int = 15_000
    pool_wait_seconds: float = 10
    connections_max: int = 10

    @property
    def worker_connections(self) -> int:
        return max(1, self.connections_max // 2)

    @property
    def request_connections(self) -> int:
        return max(1, self.connections_max - self.worker_connections)


class Database:
    """Two pools behind one interface; the claims of a transaction say which it comes from."""

    def __init__(
        self, url: str, limits: DatabaseLimits | None = None, worker_url: str | None = None
    ) -> None:
        self._limits = limits = limits or DatabaseLimits()
        worker_url = worker_url or worker_url_beside(url)
        self._engine = _open_pool(url, limits, limits.request_connections)
        self._worker_engine = _open_pool(worker_url, limits, limits.worker_connections)

    @property
    def engine(self) -> AsyncEngine:
        """The pool of everybody but the worker."""
        return self._engine

    @property
    def worker_engine(self) -> AsyncEngine:
        return self._worker_engine

    def transaction(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that may write; it commits when the block ends without an error."""
        return self._open(claims, Begin.WRITING)

    def reading(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction in which PostgreSQL refuses every write."""
        return self._open(claims, Begin.READING)

    def reading_one_moment(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """The same, and every statement sees the database as the first one found it."""
        return self._open(claims, Begin.READING_ONE_MOMENT)

    @asynccontextmanager
    async def _open(self, claims: Claims, begin: Begin) -> AsyncIterator[AsyncSession]:
        by_worker = claims.role is DatabaseRole.WORKER
        engine = self._worker_engine if by_worker else self._engine
        session = AsyncSession(
            sync_session_class=ClaimedSession,
            engine=engine.sync_engine,
            claims=claims,
            begin=begin,
        )
        claimed = claimed_session(session)
        try:
            yield session
            if claimed.is_used:
                await greenlet_spawn(claimed.commit)
        except BaseException:
            # Whoever is cancelled once more does not keep the connection.
            await asyncio.shield(asyncio.create_task(greenlet_spawn(claimed.rollback)))
            raise

    async def connect_apart(self, role: str, name: str) -> Any:  # noqa: ANN401 - asyncpg has no types
        """Open a worker's connection outside the pool that speaks for `role` as long as it lasts.

        For LISTEN and what else cannot live in a transaction; the caller closes it.
        """
        engine = self._worker_engine
        (_, options) = engine.dialect.create_connect_args(engine.url)
        driven = {key: value for key, value in options.items() if key not in _POOL_OPTIONS}
        settings = {**_server_settings(self._limits), "application_name": name, "role": role}
        seconds = self._limits.statement_milliseconds / _MILLISECONDS
        return await asyncpg.connect(
            **driven, server_settings=settings, timeout=seconds, command_timeout=seconds
        )

    async def close(self) -> None:
        await self._engine.dispose()
        await self._worker_engine.dispose()


def worker_url_beside(url: str) -> str:
    """Give the worker's URL where only that of requests is known: same server, same password."""
    beside = make_url(url).set(username=WORKER_LOGIN)
    return beside.render_as_string(hide_password=False)


def _open_pool(url: str, limits: DatabaseLimits, connections: int) -> AsyncEngine:
    engine = create_async_engine(
        make_url(url),
        connect_args={
            "server_settings": _server_settings(limits),
            "connection_class": TidyConnection,
        },
        pool_reset_on_return=None,
        **_pool_settings(limits, connections),
    )
    event.listen(engine.sync_engine, "reset", _leave_nothing_behind)
    return engine


def _pool_settings(limits: DatabaseLimits, connections: int) -> dict[str, Any]:
    if limits.connections_max == 0:
        return {"poolclass": NullPool}
    return {
        "poolclass": AsyncAdaptedQueuePool,
        "pool_size": connections,
        "max_overflow": 0,
        "pool_timeout": limits.pool_wait_seconds,
    }


def _leave_nothing_behind(
    connection: DBAPIConnection, _: ConnectionPoolEntry, state: PoolResetState
) -> None:
    """Undo what a statement set for the session, and let go of its locks: settings without LOCAL
    and session locks outlive a transaction.
    """
    if state.terminate_only or not state.asyncio_safe:
        return
    connection.rollback()
    if not isinstance(connection, AdaptedConnection):
        message = "connections come from the asyncpg dialect"
        raise TypeError(message)
    connection.run_async(lambda driver: driver.tidy())


def _server_settings(limits: DatabaseLimits) -> dict[str, str]:
    return {
        "application_name": APPLICATION_NAME,
        "statement_timeout": str(limits.statement_milliseconds),
        "lock_timeout": str(limits.lock_milliseconds),
        "idle_in_transaction_session_timeout": str(limits.idle_in_transaction_milliseconds),
        "timezone": "UTC",
    }


def violated_constraint(error: IntegrityError) -> str | None:
    """Name the constraint that refused a row, so that a service can say it in its own words."""
    cause = getattr(error.orig, "__cause__", None)
    name = getattr(cause, "constraint_name", None)
    return name if isinstance(name, str) else None


def sqlstate(error: BaseException | None) -> str | None:
    """Give PostgreSQL's five-character code of a driver error."""
    state = getattr(error, "sqlstate", None)
    return state if isinstance(state, str) else None
