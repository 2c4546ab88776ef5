"""Statements that are put together once and handed to the driver, for what is sent with every
sale: what SQLAlchemy does anew for each execution takes three times as long as sending it.

They run on the session's own connection, in its transaction and under its claims; whoever follows
statements hears of them, and what PostgreSQL refuses is raised as from any other statement.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any, Final, NoReturn, TypeVar, cast

from sqlalchemy import ClauseElement, Connection, Dialect, Table, bindparam, insert, select
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import instance_dict, manager_of_class
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.util import greenlet_spawn

from sync_server.kit.models import Base
from sync_server.kit.sessions import claimed_session, raise_said

Row = Mapping[str, Any]
Entity = TypeVar("Entity", bound=Base)
_Process = Callable[[Any], Any]
_DIALECT: Final[Dialect] = dialect()  # type: ignore[no-untyped-call]
_LATER: Final = "__[POSTCOMPILE_"
_REQUIRED: Final = object()
_MANY: Final = False
"""Followers are told of one statement, however many sets of values it has."""


class PreparedStatement:
    """A Core or ORM statement whose values all have names; lists are passed as arrays, never as an
    IN of as many parameters.
    """

    def __init__(self, statement: ClauseElement) -> None:
        self._statement = statement

    async def rows(self, session: AsyncSession, values: Mapping[str, Any]) -> Sequence[Row]:
        """Send it, and give all rows, by the names of their columns."""
        arguments = self._arguments(values)
        found: Sequence[Row] = await self._send(
            session, arguments, lambda driver: driver.fetch(self.sql, *arguments)
        )
        return found

    async def row(self, session: AsyncSession, values: Mapping[str, Any]) -> Row | None:
        found = await self.rows(session, values)
        return found[0] if found else None

    async def send_all(self, session: AsyncSession, many: Sequence[Mapping[str, Any]]) -> None:
        """Send it once for each, all in one go; rows it would give are not read."""
        if len(many) == 1:
            await self.rows(session, many[0])
            return
        arguments = [self._arguments(values) for values in many]
        await self._send(session, arguments, lambda driver: driver.executemany(self.sql, arguments))

    async def _send(
        self, session: AsyncSession, arguments: Sequence[Any], send: Callable[[Any], Awaitable[Any]]
    ) -> Any:  # noqa: ANN401 - the driver's answer
        connection = await _connection(session)
        driver = connection.connection.driver_connection
        told = (connection, None, self.sql, arguments, None, _MANY)
        connection.dispatch.before_cursor_execute(*told)
        try:
            answer = await send(driver)
        except BaseException as error:  # noqa: BLE001 - raised again, in SQLAlchemy's words
            await greenlet_spawn(_raise, connection, error, self.sql)
        connection.dispatch.after_cursor_execute(*told)
        return answer

    @cached_property
    def sql(self) -> str:
        """The text that is sent."""
        text = str(self._compiled)
        if _LATER in text:
            message = "a statement with a list of parameters has no text of its own"
            raise ValueError(message)
        return text

    @cached_property
    def _compiled(self) -> SQLCompiler:
        return cast("SQLCompiler", self._statement.compile(dialect=_DIALECT))

    @cached_property
    def _parameters(self) -> Sequence[tuple[str, Any, _Process | None]]:
        """Name, the statement's own value, and what its type makes of one."""
        return [
            (
                (bind := self._compiled.binds[name]).key,
                _REQUIRED if bind.required else bind.value,
                bind.type.dialect_impl(_DIALECT).bind_processor(_DIALECT),
            )
            for name in self._compiled.positiontup or ()
        ]

    def _arguments(self, values: Mapping[str, Any]) -> list[Any]:
        """Put values in their places; KeyError where one is missing."""
        arguments = []
        for key, own, process in self._parameters:
            value = values[key] if own is _REQUIRED else values.get(key, own)
            arguments.append(value if process is None else process(value))
        return arguments


@cache
def insertion(kind: type[Base], names: tuple[str, ...]) -> PreparedStatement:
    """Add rows of which these columns are given."""
    table = cast("Table", kind.__table__)
    return PreparedStatement(insert(table).values({name: bindparam(name) for name in names}))


@cache
def change_of(
    kind: type[Base],
    names: tuple[str, ...],
    noted: type[Base] | None = None,
    seen: tuple[str, ...] = (),
) -> PreparedStatement:
    """Write these columns of the one row that `row_` with each column of its key names, if those
    of `seen` are what `seen_` with their names says, and give a row where that was so; with
    `noted`, then add a row there, whose columns are named with `noted_`.
    """
    table = cast("Table", kind.__table__)
    found = [column == bindparam(f"row_{column.key}") for column in table.primary_key]
    found += [table.c[name].is_not_distinct_from(bindparam(f"seen_{name}")) for name in seen]
    statement = table.update().where(*found).values({name: bindparam(name) for name in names})
    written = statement.returning(*table.primary_key)
    if noted is None:
        return PreparedStatement(written)
    log = cast("Table", noted.__table__)
    row = [bindparam(f"noted_{column.key}", type_=column.type) for column in log.columns]
    added = insert(log).from_select(
        list(log.columns), select(*row).select_from(written.cte("written"))
    )
    return PreparedStatement(added.returning(*log.primary_key))


def entity(kind: type[Entity], row: Row) -> Entity:
    """Make an object of a row, as a session would and apart from any; columns that it has not are
    null.
    """
    made = manager_of_class(kind).new_instance()
    # Past the attributes' own setters, which would note each value as a change.
    columns = instance_dict(made)
    columns.update(row)
    for name, process in _readers(kind):
        if name in columns:
            columns[name] = process(columns[name])
    return made


def keep(session: AsyncSession, row: Base, values: Mapping[str, Any]) -> None:
    """Have an object stand as its row was just written; a session that knew it lets it go, or it
    would write the same once more.
    """
    if row in session:
        session.expunge(row)
    instance_dict(row).update(values)


@cache
def _readers(kind: type[Base]) -> Sequence[tuple[str, _Process]]:
    """What the driver leaves to the types, as the elements of an array."""
    read = (
        (column.key, column.type.dialect_impl(_DIALECT).result_processor(_DIALECT, None))
        for column in kind.__table__.columns
    )
    return [(name, process) for name, process in read if process is not None]


async def _connection(session: AsyncSession) -> Connection:
    """Give the connection of a session's transaction, which begins here if it has not."""
    claimed = claimed_session(session)
    known = claimed.begun_connection
    return await greenlet_spawn(claimed.connected) if known is None else known


def _raise(connection: Connection, error: BaseException, sql: str) -> NoReturn:
    """Raise what the driver raised as SQLAlchemy does."""
    adapted: Any = connection.connection.dbapi_connection
    try:
        _translate(adapted, error)
    except BaseException as said:  # noqa: BLE001 - raised again
        raise_said(connection, said, sql)


def _translate(adapted: Any, error: BaseException) -> NoReturn:  # noqa: ANN401 - SQLAlchemy's adapter
    if isinstance(error, Exception):
        adapted._handle_exception(error)  # noqa: SLF001 - the dialect's own words
    raise error
