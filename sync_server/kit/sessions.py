"""A session whose connection is taken, and whose transaction is begun, past SQLAlchemy's own
session: that joins when it is first used itself. Prepared statements never need it.

What is written through either commits together; the first to need a connection begins.
"""

import re
from contextlib import closing
from enum import StrEnum
from typing import Any, Final, NoReturn, cast

import structlog
from sqlalchemy.engine import Connection, Engine, Transaction
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session
from sqlalchemy.util import await_only

from sync_server.kit.claims import WORKER, Claims, DatabaseRole

CLAIMS: Final = "claims"
"""Under this name a connection's `info` says for whom its transaction speaks."""
APPLICATION_NAME: Final = "zeraket-server"
# The first column looks before the others set: a connection must come without role or token.
_CLAIMS: Final = (
    "SELECT current_user = session_user"
    " AND coalesce(current_setting('zeraket.token', true), '') = '',"
    " set_config('role', $1, true), set_config('zeraket.token', $2, true),"
    " set_config('zeraket.request_id', $3, true),"
    " set_config('application_name', $4, true)"
)
# For the worker, in one message with BEGIN: nothing in it comes from anybody, and it has no token.
# Where a connection has a role or a token of somebody the division fails.
_WORKER_CLAIMS: Final = (
    " SELECT 1 / (current_user = session_user"
    " AND coalesce(current_setting('zeraket.token', true), '') = '')::integer;"
    f" SET LOCAL ROLE {DatabaseRole.WORKER.value};"
)
_LEAKED: Final = "22012"
_REQUEST_ID: Final = re.compile("[0-9a-f]{32}")
_ONE: Final = False
"""Followers are told of one statement with one set of values."""


class Begin(StrEnum):
    """What a transaction may do, in PostgreSQL's words."""

    WRITING = "BEGIN;"
    READING = "BEGIN READ ONLY;"
    READING_ONE_MOMENT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"


class ClaimsLeakedError(Exception):
    """A statement used SET without LOCAL, and the connection came back speaking for somebody."""


class ClaimedSession(Session):
    """One transaction, which begins by saying for whom it speaks, and after which there is none.

    All but `begun_connection` runs where SQLAlchemy may wait for the driver (`greenlet_spawn`).
    """

    def __init__(self, engine: Engine, claims: Claims, begin: Begin, **options: Any) -> None:  # noqa: ANN401 - SQLAlchemy's own
        super().__init__(**options, expire_on_commit=False, join_transaction_mode="control_fully")
        self._engine = engine
        self._claims = claims
        self._begin = begin
        self._connected: Connection | None = None
        self._root: Transaction | None = None
        self._is_over = False

    @property
    def begun_connection(self) -> Connection | None:
        """The connection, if it is there and `connected` would have nothing to do."""
        return None if self.in_nested_transaction() else self._connected

    def connected(self) -> Connection:
        """Give the connection past this session, with the savepoint that it is in."""
        return self.connection() if self.in_nested_transaction() else self.get_bind()

    @property
    def is_used(self) -> bool:
        """Whether there is anything to commit, or to let go of."""
        return self._connected is not None or self.in_transaction()

    def get_bind(self, *_: Any, **__: Any) -> Connection:  # noqa: ANN401 - SQLAlchemy's own
        """Give the connection of this transaction, which begins here if it has not."""
        if self._connected is None:
            self._connected = self._begun()
        return self._connected

    def commit(self) -> None:
        """Write what waits to be written, commit, and give the connection back."""
        if self.in_transaction():
            super().commit()
        if self._root is not None and self._root.is_active:
            self._root.commit()
        self._let_go()

    def rollback(self) -> None:
        """Undo everything, and give the connection back."""
        try:
            if self.in_transaction():
                super().rollback()
        finally:
            self._let_go()

    def _begun(self) -> Connection:
        if self._is_over:
            message = "the transaction of this block is over"
            raise InvalidRequestError(message)
        connection = self._engine.connect()
        try:
            self._root = connection.begin()
            connection.info[CLAIMS] = self._claims
            if self._claims == WORKER:
                _open(connection, self._begin.value + _WORKER_CLAIMS + _request())
            else:
                _open(connection, self._begin.value)
                _say(connection, self._claims)
        except BaseException:
            connection.close()
            raise
        return connection

    def _let_go(self) -> None:
        """Closing the connection rolls back what was not committed."""
        self._is_over = True
        connection, self._connected = self._connected, None
        if connection is not None:
            connection.close()


def claimed_session(session: AsyncSession) -> ClaimedSession:
    """Give what stands behind a session that `Database` made."""
    return cast("ClaimedSession", session.sync_session)


def _request_id() -> str:
    """What the server called the request that it answers, if it answers one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


def _application(request_id: str) -> str:
    """The one setting that PostgreSQL can write before each line of its own log (%a)."""
    return f"{APPLICATION_NAME} {request_id}".rstrip()


def _request() -> str:
    request_id = _request_id()
    if not _REQUEST_ID.fullmatch(request_id):
        return ""
    return (
        f" SET LOCAL zeraket.request_id = '{request_id}';"
        f" SET LOCAL application_name = '{_application(request_id)}';"
    )


def _open(connection: Connection, opening: str) -> None:
    """Begin with the driver's own BEGIN, made longer. A connection on which that fails is thrown
    away.
    """
    adapted: Any = connection.connection.dbapi_connection
    adapted.driver_connection.opening = opening
    try:
        await_only(adapted._start_transaction())  # noqa: SLF001 - no public way without a statement
    except BaseException as error:
        connection.invalidate()
        if getattr(error, "sqlstate", None) == _LEAKED:
            raise ClaimsLeakedError from error
        raise_said(connection, error, opening)


def _say(connection: Connection, claims: Claims) -> None:
    """Say the claims with the driver's cursor: SQLAlchemy's result takes three times as long. A
    connection that had some before is thrown away.
    """
    request_id = _request_id()
    values = (claims.role.value, claims.token, request_id, _application(request_id))
    told = (connection, None, _CLAIMS, values, None, _ONE)
    connection.dispatch.before_cursor_execute(*told)
    try:
        with closing(connection.connection.cursor()) as cursor:
            cursor.execute(_CLAIMS, values)
            first = cursor.fetchone()
    except BaseException as error:  # noqa: BLE001 - raised again, in SQLAlchemy's words
        raise_said(connection, error, _CLAIMS)
    connection.dispatch.after_cursor_execute(*told)
    if first is None or not first[0]:
        connection.invalidate()
        raise ClaimsLeakedError


def raise_said(connection: Connection, error: BaseException, sql: str) -> NoReturn:
    """Raise what the dialect's connection raised as SQLAlchemy does: in its own classes, after
    those who follow statements have heard of it, and with the pool told of a connection that is
    lost.
    """
    connection._handle_dbapi_exception(error, sql, None, None, None)  # noqa: SLF001 - no public way
    raise AssertionError
