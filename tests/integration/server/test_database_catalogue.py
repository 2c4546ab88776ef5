"""What must be true of every table, function, policy and role, now and after every migration to
come.
"""

from collections.abc import AsyncIterator

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from sync_server.migrations.metadata import metadata
from sync_server.migrations.runner import head_revision, migrate, migrate_back
from tests.plugins.postgres import ClonedDatabase, connected

_OURS = "n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'"

FORBIDDEN = {
    "tables without row-level security, or not for the owner": f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS} AND c.relkind IN ('r', 'p')
          AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
    """,
    "tables that do not belong to the owner role": f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm', 'S')
          AND c.relowner <> 'zeraket_owner'::regrole
    """,
    "views that run with their owner's rights, and materialized views": f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {_OURS} AND (c.relkind = 'm' OR c.relkind = 'v'
          AND NOT coalesce('security_invoker=true' = ANY(c.reloptions), false))
    """,
    "definer functions without an empty search_path": f"""
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_OURS} AND p.prosecdef
          AND NOT coalesce('search_path=""' = ANY(p.proconfig), false)
    """,
    "definer functions outside schema private": f"""
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_OURS} AND p.prosecdef AND n.nspname <> 'private'
    """,
    "functions that everybody may call": f"""
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_OURS} AND EXISTS (
            SELECT FROM aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) AS acl
            WHERE acl.grantee = 0 AND acl.privilege_type = 'EXECUTE')
    """,
    "rights of everybody on tables, schemas or the database": f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
            aclexplode(c.relacl) AS acl WHERE {_OURS} AND acl.grantee = 0
        UNION ALL
        SELECT n.nspname FROM pg_namespace n, aclexplode(n.nspacl) AS acl
            WHERE {_OURS} AND acl.grantee = 0
        UNION ALL
        SELECT d.datname FROM pg_database d,
            aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS acl
            WHERE d.datname = current_database() AND acl.grantee = 0
    """,
    "rights of the login role's own": f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
            aclexplode(c.relacl) AS acl
            WHERE {_OURS} AND acl.grantee = 'zeraket_login'::regrole
        UNION ALL
        SELECT n.nspname FROM pg_namespace n
            WHERE {_OURS} AND has_schema_privilege('zeraket_login', n.oid, 'USAGE, CREATE')
        UNION ALL
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
            WHERE {_OURS} AND has_function_privilege('zeraket_login', p.oid, 'EXECUTE')
    """,
    "roles that may do more than they should": """
        SELECT rolname FROM pg_roles WHERE rolname LIKE 'zeraket\\_%'
          AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
               OR rolcanlogin <> (rolname = 'zeraket_login')
               OR rolinherit <> (rolname = 'zeraket_owner'))
    """,
    "policies for everybody, and second policies for a role and command": """
        SELECT policyname FROM pg_policies WHERE 'public' = ANY(roles)
        UNION ALL
        SELECT min(policyname) FROM pg_policies, unnest(roles) AS role
        WHERE permissive = 'PERMISSIVE'
        GROUP BY schemaname, tablename, cmd, role HAVING count(*) > 1
    """,
    "policies that let a principal write any row, or persons and devices read any": """
        SELECT policyname FROM pg_policies
        WHERE (qual = 'true' OR with_check = 'true')
          AND tablename <> 'alembic_version'
          AND NOT (cmd = 'SELECT' AND roles <@ '{zeraket_worker,zeraket_resolver}'::name[])
    """,
    "policies that ask a function without a sub-select, so once a row": """
        SELECT policyname FROM pg_policies
        WHERE regexp_replace(qual, 'SELECT private\\.', '', 'g') LIKE '%private.%'
    """,
    "policy columns that lead no index": """
        SELECT p.polname || ' ' || a.attname
        FROM pg_policy p
        JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
            AND d.refobjsubid > 0
        JOIN pg_attribute a ON a.attrelid = p.polrelid AND a.attnum = d.refobjsubid
        WHERE p.polcmd <> 'a' AND p.polroles <> ARRAY['zeraket_worker'::regrole::oid]
          AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = p.polrelid AND i.indkey[0] = a.attnum)
    """,
    "foreign keys whose columns lead no index": """
        SELECT k.conname FROM pg_constraint k
        WHERE k.contype = 'f' AND NOT EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = k.conrelid
              AND (i.indkey::int2[])[0:cardinality(k.conkey) - 1] = k.conkey)
    """,
    "tenant tables whose primary key does not begin with the organizer": """
        SELECT k.conname FROM pg_constraint k
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attname = 'organizer_id'
        WHERE k.contype IN ('p', 'u') AND k.conkey[1] <> a.attnum
    """,
    "extensions beside plpgsql": "SELECT extname FROM pg_extension WHERE extname <> 'plpgsql'",
}


@pytest.fixture
async def migrated(empty_database: ClonedDatabase) -> AsyncIterator[AsyncConnection]:
    """The newest schema on each version of PostgreSQL."""
    await migrate(empty_database.administrator_url)
    async with connected(empty_database.administrator_url) as connection:
        yield connection


async def test_the_catalogue_holds_nothing_forbidden(migrated: AsyncConnection) -> None:
    found = {rule: list(await migrated.scalars(text(query))) for rule, query in FORBIDDEN.items()}
    assert {rule: names for rule, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("mistake", "rule"),
    [
        ("CREATE TABLE loose (id uuid)", "tables without row-level security, or not for the owner"),
        (
            "CREATE VIEW seen AS SELECT 1",
            "views that run with their owner's rights, and materialized views",
        ),
        (
            "CREATE FUNCTION private.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "definer functions without an empty search_path",
        ),
        (
            "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
            "definer functions outside schema private",
        ),
        (
            "GRANT EXECUTE ON FUNCTION private.token_hash() TO PUBLIC",
            "functions that everybody may call",
        ),
        (
            "GRANT SELECT ON events TO PUBLIC",
            "rights of everybody on tables, schemas or the database",
        ),
        ("GRANT USAGE ON SCHEMA private TO zeraket_login", "rights of the login role's own"),
        ("DROP INDEX ix_user_sessions_user_id", "policy columns that lead no index"),
        ("DROP INDEX ix_user_sessions_user_id", "foreign keys whose columns lead no index"),
        (
            "CREATE POLICY wide ON gates FOR DELETE TO zeraket_app USING (true)",
            "policies that let a principal write any row, or persons and devices read any",
        ),
        (
            "CREATE POLICY twice ON gates FOR SELECT TO zeraket_app USING (number = 0)",
            "policies for everybody, and second policies for a role and command",
        ),
        (
            """
            CREATE POLICY slow ON gates FOR DELETE TO zeraket_app
            USING (private.has_organizer_role(organizer_id, 'event.manage'))
            """,
            "policies that ask a function without a sub-select, so once a row",
        ),
    ],
)
async def test_the_catalogue_test_notices_a_mistake(
    spare_database: ClonedDatabase, mistake: str, rule: str
) -> None:
    async with connected(spare_database.administrator_url) as connection:
        await connection.execute(text(mistake))
        assert list(await connection.scalars(text(FORBIDDEN[rule]))) != []


async def test_migrations_go_up_down_and_up_again(empty_database: ClonedDatabase) -> None:
    url = empty_database.administrator_url
    await migrate(url)
    first = await _objects(url)
    await migrate_back(url, "base")
    bare = await _objects(url)
    await migrate(url)
    assert bare == ["migrations.alembic_version"]
    assert await _objects(url) == first


async def test_every_revision_can_be_undone_alone(empty_database: ClonedDatabase) -> None:
    url = empty_database.administrator_url
    await migrate(url)
    await migrate_back(url, "-1")
    await migrate(url)
    async with connected(url) as connection:
        revision = await connection.scalar(
            text("SELECT version_num FROM migrations.alembic_version")
        )
    assert revision == head_revision()


async def test_the_models_say_what_the_tables_are(migrated: AsyncConnection) -> None:
    assert await migrated.run_sync(_differences) == []


def _differences(connection: Connection) -> list[str]:
    """Columns only: keys, checks and indexes stand in the migrations alone."""
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    changes = [
        change for change in compare_metadata(context, metadata()) if isinstance(change, tuple)
    ]
    return [str(change) for change in changes if change[0] not in _STATED_IN_MIGRATIONS]


_STATED_IN_MIGRATIONS = frozenset(
    ("remove_index", "remove_constraint", "remove_fk", "add_constraint", "add_fk"),
)


async def _objects(url: str) -> list[str]:
    query = f"""
        SELECT n.nspname || '.' || c.relname FROM pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS} AND c.relkind = 'r'
        UNION ALL
        SELECT p.oid::regprocedure::text FROM pg_proc p
        JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_OURS}
        ORDER BY 1
    """
    async with connected(url) as connection:
        return [str(name) for name in await connection.scalars(text(query))]
