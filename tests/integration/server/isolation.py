"""The matrix of isolation: every role, every table, every command, against the rows of two tenants.

The superuser finds out what should be reached (`reach.py`), the principal tries what is.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import RowMapping, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import Claims, DatabaseRole
from sync_server.kit.database import Database, sqlstate
from tests.integration.server import reach
from tests.integration.server.reach import Command, Principal

REFUSED: Final = "42501"
COMMANDS: Final = frozenset(("SELECT", "INSERT", "UPDATE", "DELETE"))

Outcome = int | str


@dataclass(frozen=True, slots=True)
class Table:
    """A table as one role sees it; a right to some columns is a right."""

    name: str
    place: str
    commands: frozenset[str]
    columns: frozenset[str]
    readable: tuple[str, ...]
    changeable: str


@dataclass(slots=True)
class Matrix:
    """Reads what is there as the superuser, tries everything as the principals."""

    database: Database
    administrator: AsyncConnection
    stepping: AsyncConnection
    """The superuser's as well, for roles that nobody logs in as."""
    principals: tuple[Principal, ...]
    known: dict[tuple[object, ...], Any]
    """What the superuser found out; nothing is ever committed, so it stays true."""
    _tables: dict[str, tuple[Table, ...]] = field(default_factory=dict)

    async def violations(self) -> list[str]:
        """Say where more or less is reached than should be."""
        return [fault async for fault in self._faults((), (), ())]

    async def is_violated(
        self, tables: Iterable[str], roles: Iterable[str] = (), commands: Iterable[str] = ()
    ) -> bool:
        """Say whether anything is amiss there; everywhere, where nothing is named."""
        async with aclosing(self._faults(tables, roles, commands)) as faults:
            return await anext(faults, None) is not None

    async def _faults(
        self, tables: Iterable[str], roles: Iterable[str], commands: Iterable[str]
    ) -> AsyncGenerator[str, None]:
        for principal in self._of(roles):
            for table in await self._seen_by(principal.role, frozenset(tables)):
                # What is not granted is refused: PostgreSQL says so of itself.
                for name in table.commands & (frozenset(commands) or COMMANDS):
                    for fault in await self._try(principal, table, name):
                        yield fault

    async def strangers(self) -> list[str]:
        """Say what is reached with a token that the role does not know, or with none."""
        requests = [role for role in DatabaseRole if role is not DatabaseRole.WORKER]
        nobody = [
            Principal(f"{role} of {known.name}", role.value, Claims(role, known.claims.token), {})
            for role in requests
            for known in self.principals
            if known.claims is not None and known.role != role
        ]
        return [
            f"{principal.name}: {command} {table.name}"
            for principal in nobody
            for table in await self._seen_by(principal.role, frozenset())
            if table.name != "alembic_version"
            for command in ("SELECT", "UPDATE", "DELETE")
            if command in table.commands
            if await self._reached(principal, table, command)
        ]

    async def tables(self) -> list[str]:
        """Name every table, so that each can be left open in turn."""
        return [table.place for table in await self._seen_by(reach.OWNER, frozenset())]

    def _of(self, roles: Iterable[str]) -> list[Principal]:
        named = frozenset(roles)
        return [each for each in self.principals if not named or each.role in named]

    async def _seen_by(self, role: str, named: frozenset[str]) -> list[Table]:
        if role not in self._tables:
            found = await self.administrator.execute(text(_TABLES), {"role": role})
            self._tables[role] = tuple(_table(row) for row in found.mappings())
        return [
            table for table in self._tables[role] if not named or named & {table.name, table.place}
        ]

    async def _try(self, principal: Principal, table: Table, name: str) -> list[str]:
        command = Command(principal.role, table.name, name)
        own = reach.rows_of(command, table.columns)
        if not reach.may(principal, command):
            own = reach.NOTHING
        tried = {"SELECT": self._read, "INSERT": self._add, "UPDATE": self._change}
        return await tried.get(name, self._remove)(principal, command, table, own)

    async def _read(
        self, principal: Principal, command: Command, table: Table, own: str
    ) -> list[str]:
        rows = f"SELECT ROW({', '.join(table.readable)})::text AS seen FROM {table.place}"
        digest = "SELECT count(*) || ' rows ' || md5(string_agg(seen, ',' ORDER BY seen)) FROM ({})"
        expected = await self._once(principal, f"{digest.format(f'{rows} WHERE {own}')} AS t")
        reached = await self._seen(principal, f"{digest.format(rows)} AS t")
        return _unless_equal(principal, command, expected, reached)

    async def _change(
        self, principal: Principal, command: Command, table: Table, own: str
    ) -> list[str]:
        expected = await self._once(principal, f"SELECT count(*) FROM {table.place} WHERE {own}")
        reached = await self._reached(principal, table, command.name, own)
        faults = _unless_equal(principal, command, expected, reached)
        refused = reach.REFUSED_CHANGES.get(f"{principal.role} {table.name}")
        if refused is not None and expected:
            outcome = await self._attempt(principal, f"UPDATE {table.place} SET {refused}")
            faults += _unless_equal(principal, command, REFUSED, outcome)
        return faults

    async def _remove(
        self, principal: Principal, command: Command, table: Table, own: str
    ) -> list[str]:
        expected = await self._once(principal, f"SELECT count(*) FROM {table.place} WHERE {own}")
        reached = await self._reached(principal, table, command.name)
        return _unless_equal(principal, command, expected, reached)

    async def _add(
        self, principal: Principal, command: Command, table: Table, own: str
    ) -> list[str]:
        """A row that may be added is there already, so its key stops it, and nothing before."""
        subject = f"{principal.role} {table.name}"
        tries: list[tuple[str, dict[str, Any], bool]]
        tries = [(f"NOT coalesce({own}, false)", {}, True)]
        if subject in reach.REFUSED_ADDITIONS:
            condition = reach.EVERYTHING if own == reach.NOTHING else own
            tries.append((condition, reach.REFUSED_ADDITIONS[subject], True))
        if own != reach.NOTHING:
            tries.append((own, reach.ADDED.get(subject, {}), False))
        faults: list[str] = []
        for condition, changes, is_refused in tries:
            row = await self._row(principal, table, condition)
            if row is None:
                continue
            added = json.dumps({**json.loads(row), **changes})
            outcome = await self._attempt(principal, _INSERT.format(table.place), {"row": added})
            if (outcome == REFUSED) is not is_refused:
                faults.append(f"{principal.name}: {command.name} {table.name} gives {outcome}")
        return faults

    async def _reached(
        self, principal: Principal, table: Table, name: str, own: str = reach.EVERYTHING
    ) -> Outcome:
        """No WHERE clause: one would bring in the SELECT policy and hide a hole in another."""
        statements = {
            "SELECT": f"SELECT 1 FROM {table.place}",
            "DELETE": f"DELETE FROM {table.place}",
        }
        changed = reach.CHANGED.get(f"{principal.role} {table.name}")
        row: dict[str, Any] = {}
        if changed is None:
            row = {"row": await self._row(principal, table, own) or "{}"}
            statements["UPDATE"] = _UPDATE.format(table.place, table.changeable)
        else:
            statements["UPDATE"] = f"UPDATE {table.place} SET {changed}"
        outcome = await self._attempt(principal, statements[name], row)
        return 0 if outcome == REFUSED else outcome

    async def _row(self, principal: Principal, table: Table, condition: str) -> str | None:
        query = f"SELECT row_to_json(t)::text FROM {table.place} AS t WHERE {condition} LIMIT 1"
        found = await self._once(principal, query)
        return found if isinstance(found, str) else None

    async def _once(self, principal: Principal, query: str) -> object:
        key = (principal.name, query)
        if key not in self.known:
            values = _named_in(query, principal.values)
            self.known[key] = await self.administrator.scalar(text(query), values)
        return self.known[key]

    async def _seen(self, principal: Principal, query: str) -> object:
        try:
            async with self._as(principal) as connection:
                return await connection.scalar(text(query))
        except DBAPIError as error:
            return sqlstate(error.orig)

    async def _attempt(
        self, principal: Principal, statement: str, values: Mapping[str, Any] | None = None
    ) -> Outcome:
        """Try a statement and take it back; give the rows it touched, or why it failed."""
        used = _named_in(statement, {**principal.values, **(values or {})})
        try:
            async with self._as(principal) as connection:
                return (await connection.execute(text(statement), used)).rowcount
        except DBAPIError as error:
            return sqlstate(error.orig) or type(error.orig).__name__

    @asynccontextmanager
    async def _as(self, principal: Principal) -> AsyncIterator[AsyncConnection]:
        if principal.claims is None:
            try:
                await self.stepping.execute(text(f"SET LOCAL ROLE {principal.role}"))
                yield self.stepping
            finally:
                await self.stepping.rollback()
            return
        async with self.database.transaction(principal.claims) as session:
            yield await session.connection()
            await session.rollback()


def _table(row: RowMapping) -> Table:
    return Table(
        name=row["name"],
        place=row["place"],
        commands=frozenset(row["commands"]),
        columns=frozenset(row["columns"]),
        readable=tuple(row["readable"]),
        changeable=row["changeable"] or row["columns"][-1],
    )


def _named_in(statement: str, values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if f":{name}" in statement}


def _unless_equal(
    principal: Principal, command: Command, expected: object, reached: object
) -> list[str]:
    if expected == reached:
        return []
    return [f"{principal.name}: {command.name} {command.table} gives {reached}, not {expected}"]


_INSERT = "INSERT INTO {0} SELECT * FROM json_populate_record(NULL::{0}, CAST(:row AS json))"
_UPDATE = (
    "UPDATE {0} SET {1} = (SELECT {1} FROM json_populate_record(NULL::{0}, CAST(:row AS json)))"
)
_TABLES = """
    SELECT c.relname AS name, format('%I.%I', n.nspname, c.relname) AS place,
        array_agg(a.attname::text ORDER BY a.attnum) AS columns,
        coalesce(array_agg(quote_ident(a.attname) ORDER BY a.attnum)
            FILTER (WHERE has_column_privilege(:role, c.oid, a.attnum, 'SELECT')), '{}')
            AS readable,
        -- A column to write without harm: of no unique key, where there is another.
        (array_agg(quote_ident(a.attname) ORDER BY u.keys IS NOT NULL, a.attnum DESC)
            FILTER (WHERE has_column_privilege(:role, c.oid, a.attnum, 'UPDATE')))[1]
            AS changeable,
        array_remove(ARRAY[
            CASE WHEN has_any_column_privilege(:role, c.oid, 'SELECT') THEN 'SELECT' END,
            CASE WHEN has_any_column_privilege(:role, c.oid, 'INSERT') THEN 'INSERT' END,
            CASE WHEN has_any_column_privilege(:role, c.oid, 'UPDATE') THEN 'UPDATE' END,
            CASE WHEN has_table_privilege(:role, c.oid, 'DELETE') THEN 'DELETE' END
        ], NULL) AS commands
    FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    LEFT JOIN LATERAL (
        SELECT i.indkey AS keys FROM pg_index AS i
        WHERE i.indrelid = c.oid AND i.indisunique AND a.attnum = ANY(i.indkey) LIMIT 1
    ) AS u ON true
    WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
      AND c.relkind IN ('r', 'p')
    GROUP BY c.oid, c.relname, n.nspname
    ORDER BY c.relname
"""
