"""Transactions under claims: the login role has no rights until a transaction's first statement
gives it some.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from sqlalchemy import event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import Session, SessionTransaction

from sync_server.kit.claims import Claims

_CLAIMS: Final = "claims"
_READ_ONLY: Final = "read_only"
# The first column looks before the others set: a connection must come without role or token.
_BEGIN: Final = text(
    "SELECT current_user = session_user"
    " AND coalesce(current_setting('zeraket.token', true), '') = '',"
    " set_config('role', :role, true), set_config('zeraket.token', :token, true),"
    " set_config('transaction_read_only', :read_only, true)",
)


class ClaimsLeakedError(Exception):
    """A statement used SET without LOCAL, and the connection came back speaking for somebody."""


@dataclass(frozen=True, slots=True)
class DatabaseLimits:
    """Time-outs every connection is opened with, and how many there may be."""

    statement_milliseconds: int = 30_000
    lock_milliseconds: int = 5_000
    idle_in_transaction_milliseconds: int = 15_000
    connections_max: int = 10


class _ClaimedSession(Session):
    """A session whose every transaction begins by saying for whom it speaks."""


@event.listens_for(_ClaimedSession, "after_begin")
def _say_claims(session: Session, transaction: SessionTransaction, connection: Connection) -> None:
    if transaction.nested:
        return
    claims: Claims = session.info[_CLAIMS]
    begun = connection.execute(
        _BEGIN,
        {
            "role": claims.role.value,
            "token": claims.token,
            "read_only": "on" if session.info[_READ_ONLY] else "off",
        },
    )
    if not begun.one()[0]:
        connection.invalidate()
        raise ClaimsLeakedError


class Database:
    """One pool of connections of the login role."""

    def __init__(self, url: str, limits: DatabaseLimits | None = None) -> None:
        limits = limits or DatabaseLimits()
        self._engine = create_async_engine(
            make_url(url),
            pool_size=limits.connections_max,
            max_overflow=0,
            connect_args={"server_settings": _server_settings(limits)},
        )
        self._sessions = async_sessionmaker(
            self._engine,
            sync_session_class=_ClaimedSession,
            expire_on_commit=False,
        )

    @property
    def engine(self) -> AsyncEngine:
        return self._engine

    def transaction(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction that may write; it commits when the block ends without an error."""
        return self._open(claims, read_only=False)

    def reading(self, claims: Claims) -> AbstractAsyncContextManager[AsyncSession]:
        """Open a transaction in which PostgreSQL refuses every write."""
        return self._open(claims, read_only=True)

    @asynccontextmanager
    async def _open(self, claims: Claims, *, read_only: bool) -> AsyncIterator[AsyncSession]:
        info = {_CLAIMS: claims, _READ_ONLY: read_only}
        async with self._sessions(info=info) as session, session.begin():
            yield session

    async def close(self) -> None:
        await self._engine.dispose()


def _server_settings(limits: DatabaseLimits) -> dict[str, str]:
    return {
        "application_name": "zeraket-server",
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
