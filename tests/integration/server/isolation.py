"""The two-tenant matrix: every table, every command, as one tenant against the rows of another."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.kit.claims import Claims, DatabaseRole
from sync_server.kit.database import Database, sqlstate
from tests.factories.tenants import Tenant

_REFUSED = "42501"
_OWNER_COLUMNS = {
    "organizers": "id",
    "users": "id",
    "user_roles": "user_id",
    "user_sessions": "user_id",
    "user_emails": "user_id",
}


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    commands: frozenset[str]
    updatable: str | None

    @property
    def owner_column(self) -> str:
        return _OWNER_COLUMNS.get(self.name, "organizer_id")

    def owner(self, tenant: Tenant) -> Any:  # noqa: ANN401 - a uuid of either kind
        by_person = self.name.startswith("user")
        return tenant.founder.user_id if by_person else tenant.organizer_id


@dataclass(frozen=True, slots=True)
class Matrix:
    """Reads what is there as the superuser, tries everything as the login role."""

    database: Database
    administrator: AsyncConnection
    own: Tenant
    foreign: Tenant

    async def tables(self) -> list[Table]:
        """What persons may reach; grants to columns count."""
        found = await self.administrator.execute(text(_TABLES))
        return [Table(row.name, frozenset(row.commands), row.updatable) for row in found]

    async def violations(self) -> list[str]:
        """Say where a tenant reaches a foreign row, or does not reach its own."""
        found: list[str] = []
        for table in await self.tables():
            row = await self._row(table, self.foreign)
            found += [f"{table.name}: has no row to try on"] if row is None else []
            found += await self._reach(table)
            inserted = await self._touched(
                self.own.claims, _INSERT.format(table.name), {"row": row}
            )
            found += [f"{table.name}: INSERT for another tenant"] if inserted else []
        return found

    async def strangers(self) -> list[str]:
        """Say what is reached with a token that the role does not know, or with none."""
        token = self.own.claims.token
        principals = [Claims(role, "") for role in DatabaseRole if role is not DatabaseRole.WORKER]
        principals += [Claims(DatabaseRole.DEVICE, token), Claims(DatabaseRole.WALLET, token)]
        return [
            f"{principal.role} {command} {table.name}"
            for principal in principals
            for table in await self.tables()
            for command in ("SELECT", "UPDATE", "DELETE")
            if await self._count(principal, table, command)
        ]

    async def _reach(self, table: Table) -> list[str]:
        own_rows = await self._own_rows(table)
        found = []
        for command in ("SELECT", "UPDATE", "DELETE"):
            expected = own_rows if command in table.commands else 0
            reached = await self._count(self.own.claims, table, command)
            found += (
                []
                if reached == expected
                else [f"{table.name}: {command} reaches {reached} rows, not {expected}"]
            )
        return found

    async def _own_rows(self, table: Table) -> int:
        query = f"SELECT count(*) FROM {table.name} WHERE {table.owner_column} = :owner"
        counted = await self.administrator.scalar(text(query), {"owner": table.owner(self.own)})
        return int(counted or 0)

    async def _row(self, table: Table, tenant: Tenant) -> str | None:
        query = (
            f"SELECT row_to_json(t)::text FROM {table.name} t"
            f" WHERE {table.owner_column} = :owner LIMIT 1"
        )
        found = await self.administrator.scalar(text(query), {"owner": table.owner(tenant)})
        return found if isinstance(found, str) else None

    async def _count(self, claims: Claims, table: Table, command: str) -> int:
        """No WHERE clause: one would bring in the SELECT policy and hide a hole in another."""
        column = table.updatable or table.owner_column
        row = await self._row(table, self.own)
        statements = {
            "SELECT": f"SELECT 1 FROM {table.name}",
            "UPDATE": _UPDATE.format(table.name, column),
            "DELETE": f"DELETE FROM {table.name}",
        }
        return await self._touched(claims, statements[command], {"row": row})

    async def _touched(self, claims: Claims, statement: str, values: dict[str, Any]) -> int:
        """Try a statement and take it back; failing for want of rights is touching nothing."""
        used = {name: value for name, value in values.items() if f":{name}" in statement}
        try:
            async with self.database.transaction(claims) as session:
                connection = await session.connection()
                touched = (await connection.execute(text(statement), used)).rowcount
                await session.rollback()
        except DBAPIError as error:
            return 0 if sqlstate(error.orig) == _REFUSED else 1
        return touched


_INSERT = "INSERT INTO {0} SELECT * FROM json_populate_record(NULL::{0}, CAST(:row AS json))"
_UPDATE = (
    "UPDATE {0} SET {1} = (SELECT {1} FROM json_populate_record(NULL::{0}, CAST(:row AS json)))"
)
_TABLES = """
    SELECT c.relname AS name,
           array_remove(ARRAY[
               CASE WHEN has_any_column_privilege('zeraket_app', c.oid, 'SELECT') THEN 'SELECT' END,
               CASE WHEN has_any_column_privilege('zeraket_app', c.oid, 'UPDATE') THEN 'UPDATE' END,
               CASE WHEN has_table_privilege('zeraket_app', c.oid, 'DELETE') THEN 'DELETE' END
           ], NULL) AS commands,
           (SELECT a.attname FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
              AND has_column_privilege('zeraket_app', c.oid, a.attnum, 'UPDATE')
            ORDER BY a.attnum DESC LIMIT 1) AS updatable
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      AND has_any_column_privilege('zeraket_app', c.oid, 'SELECT')
    ORDER BY c.relname
"""
