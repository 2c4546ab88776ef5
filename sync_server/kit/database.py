"""Transactions under claims: a login role has no rights until a transaction's first statement
gives it some.

Requests and the server's own work log in as two roles, each with a pool of its own: whatever runs
on a request's connection, it cannot become the worker.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
import structlog
from sqlalchemy import event, text
from sqlalchemy.engine import AdaptedConnection, Connection, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, SessionTransaction
from sqlalchemy.pool import AsyncAdaptedQueuePool, ConnectionPoolEntry, NullPool, PoolResetState

from sync_server.kit.claims import WORKER_LOGIN, Claims, DatabaseRole
from sync_server.kit.driver import TidyConnection

CLAIMS: Final = "claims"
"""Under this name a connection's `info` says for whom its transaction speaks."""
CONNECTION: Final = "connection"
"""Under this name a session's `info` keeps its transaction's connection for prepared statements."""
_READ_ONLY: Final = "read_only"
_APPLICATION_NAME: Final = "zeraket-server"
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
# The first column looks before the others set: a connection must come without role or token.
_BEGIN: Final = text(
    "SELECT current_user = session_user"
    " AND coalesce(current_setting('zeraket.token', true), '') = '',"
    " set_config('role', :role, true), set_config('zeraket.token', :token, true),"
    " set_config('transaction_read_only', :read_only, true),"
    " set_config('zeraket.request_id', :request_id, true),"
    " set_config('application_name', :application_name, true)",
)


class ClaimsLeakedError(Exception):
    """A statement used SET without LOCAL, and the connection came back speaking for somebody."""


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


class _ClaimedSession(Session):
    """A session whose every transaction begins by saying for whom it speaks."""


@event.listens_for(_ClaimedSession, "after_begin")
def _say_claims(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    claims: Claims = session.info[CLAIMS]
    connection.info[CLAIMS] = claims
    request_id = structlog.contextvars.get_contextvars().get("request_id", "")
    begun = connection.execute(
        _BEGIN,
        {
            "role": claims.role.value,
            "token": claims.token,
            "read_only": "on" if session.info[_READ_ONLY] else "off",
            "request_id": request_id,
            # The one setting that PostgreSQL can write before each line of its own log (%a).
            "application_name": f"{_APPLICATION_NAME} {request_id}".rstrip(),
        },
    )
    if not begun.one()[0]:
        connection.invalidate()
        raise ClaimsLeakedError


@event.listens_for(_ClaimedSession, "after_transaction_end")
def _forget_connection(session: Session, _: SessionTransaction) -> None:
    session.info.pop(CONNECTION, None)


class Database:
    """Two pools behind one interface; the claims of a transaction say which it comes from."""

    def __init__(
        self, url: str, limits: DatabaseLimits | None = None, worker_url: str | None = None
    ) -> None:
        self._limits = limits = limits or DatabaseLimits()
        worker_url = worker_url or worker_url_beside(url)
        self._engine = _open_pool(url, limits, limits.request_connections)
        self._worker_engine = _open_pool(worker_url, limits, limits.worker_connections)
        self._sessions = _sessions_of(self._engine)
        self._worker_sessions = _sessions_of(self._worker_engine)

    @property
    def engine(self) -> AsyncEngine:
        """The pool of everybody but the worker."""
        return self._engine

    @property
    def worker_engine(self) -> AsyncEngine:
        return self._worker_engine

    def transaction(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that may write; it commits when the block ends without an error."""
        return self._open(claims, read_only=False)

    def reading(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction in which PostgreSQL refuses every write."""
        return self._open(claims, read_only=True)

    @asynccontextmanager
    async def _open(self, claims: Claims, *, read_only: bool) -> AsyncIterator[AsyncSession]:
        info = {CLAIMS: claims, _READ_ONLY: read_only}
        by_worker = claims.role is DatabaseRole.WORKER
        sessions = self._worker_sessions if by_worker else self._sessions
        async with sessions(info=info) as session, session.begin():
            yield session

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


def _sessions_of(engine: AsyncEngine) -> async_sessionmaker[AsyncSession]:
    return async_sessionmaker(engine, sync_session_class=_ClaimedSession, expire_on_commit=False)


def _server_settings(limits: DatabaseLimits) -> dict[str, str]:
    return {
        "application_name": _APPLICATION_NAME,
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
