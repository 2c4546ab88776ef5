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

_LOGINS = "'zeraket_login'::regrole, 'zeraket_worker_login'::regrole"
_REASONS = {
    "zeraket_app idempotent_answers.sealed_answer": "a repeat is given what it was given first;"
    " under the master key, which the database never sees",
    "zeraket_wallet idempotent_answers.sealed_answer": "the same, of its own ticket's bindings",
    "zeraket_wallet tickets.claim_token_hash": "of its own token: the row is found by it",
    "zeraket_wallet ticket_bindings.claim_token_hash": "of its own token: its bindings are counted",
}
_READABLE_SECRETS = ", ".join(f"'{secret}'" for secret in _REASONS)
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
    "rights of a login role's own": f"""
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
            aclexplode(c.relacl) AS acl WHERE {_OURS} AND acl.grantee IN ({_LOGINS})
        UNION ALL
        SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) AS acl
            WHERE {_OURS} AND acl.grantee IN ({_LOGINS})
        UNION ALL
        SELECT n.nspname FROM pg_namespace n, unnest(ARRAY[{_LOGINS}]) AS login
            WHERE {_OURS} AND has_schema_privilege(login, n.oid, 'USAGE, CREATE')
        UNION ALL
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace,
            unnest(ARRAY[{_LOGINS}]) AS login
            WHERE {_OURS} AND has_function_privilege(login, p.oid, 'EXECUTE')
        UNION ALL
        SELECT c.oid::regclass::text FROM pg_class c WHERE c.relowner IN ({_LOGINS})
    """,
    "roles that may do more than they should": f"""
        SELECT rolname FROM pg_roles WHERE rolname LIKE 'zeraket\\_%'
          AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication
               OR rolcanlogin <> (oid IN ({_LOGINS}))
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
          AND NOT (cmd = 'SELECT'
            AND roles <@ '{zeraket_worker,zeraket_resolver,zeraket_jobs,zeraket_ledger}'::name[])
    """,
    # Also in a sub-select, where an argument is a column: then it is asked of each row again.
    "policies that ask a function once a row": r"""
        SELECT policyname FROM pg_policies
        WHERE regexp_replace(qual, 'SELECT private\.\w+\(((NULL|''[^'']*'')(::text)?)?\)', '', 'g')
            LIKE '%private.%'
           OR regexp_replace(qual, 'SELECT current_setting\([^()]*\)', '', 'g')
            LIKE '%current_setting%'
    """,
    "policies that read another table for each row": """
        SELECT p.polname FROM pg_policy p
        JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> p.polrelid
        WHERE p.polcmd <> 'a'
    """,
    # An index over some rows only is none for a policy, which is asked about all of them.
    "policies none of whose columns leads an index": """
        SELECT p.polname
        FROM pg_policy p
        JOIN pg_depend d ON d.classid = 'pg_policy'::regclass AND d.objid = p.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = p.polrelid
            AND d.refobjsubid > 0
        WHERE p.polcmd <> 'a' AND p.polroles <> ARRAY['zeraket_worker'::regrole::oid]
        GROUP BY p.oid, p.polname
        HAVING NOT bool_or(EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = p.polrelid AND i.indkey[0] = d.refobjsubid
              AND i.indpred IS NULL AND i.indisvalid))
    """,
    "secrets that a caller may read": f"""
        SELECT role || ' ' || c.relname || '.' || a.attname
        FROM unnest('{{zeraket_app,zeraket_device,zeraket_wallet}}'::text[]) AS role, pg_class c
        JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE {_OURS} AND c.relkind IN ('r', 'p', 'v', 'm')
          AND a.attname ~ '(^|_)(secret|sealed|password|private)|(token|code|key|password)_hash$'
          AND has_column_privilege(role, c.oid, a.attnum, 'SELECT')
          AND role || ' ' || c.relname || '.' || a.attname NOT IN ({_READABLE_SECRETS})
    """,
    "functions that claim to tell nothing of what they read": f"""
        SELECT p.oid::regprocedure::text
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {_OURS} AND p.proleakproof
    """,
    "rules, which are rewritten into queries of others": f"""
        SELECT r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
        JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {_OURS} AND r.rulename <> '_RETURN'
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
        ("GRANT USAGE ON SCHEMA private TO zeraket_login", "rights of a login role's own"),
        ("DROP INDEX ix_user_sessions_user_id", "policies none of whose columns leads an index"),
        (
            """
            CREATE INDEX ix_some ON user_sessions (user_id) WHERE revoked_at IS NULL;
            DROP INDEX ix_user_sessions_user_id
            """,
            "policies none of whose columns leads an index",
        ),
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
            "policies that ask a function once a row",
        ),
        (
            """
            CREATE POLICY slow ON gates FOR DELETE TO zeraket_app
            USING ((SELECT private.has_organizer_role(organizer_id, 'event.manage')))
            """,
            "policies that ask a function once a row",
        ),
        (
            """
            CREATE POLICY slow ON gates FOR DELETE TO zeraket_app
            USING (organizer_id::text = current_setting('zeraket.token'))
            """,
            "policies that ask a function once a row",
        ),
        (
            """
            CREATE POLICY slow ON gates FOR DELETE TO zeraket_app
            USING (EXISTS (SELECT FROM events WHERE events.id = gates.event_id))
            """,
            "policies that read another table for each row",
        ),
        ("GRANT SELECT ON scanner_sessions TO zeraket_app", "secrets that a caller may read"),
        (
            "GRANT SELECT (sealed_private_key) ON issuer_keys TO zeraket_device",
            "secrets that a caller may read",
        ),
        (
            "ALTER FUNCTION private.token_hash() LEAKPROOF",
            "functions that claim to tell nothing of what they read",
        ),
        (
            "CREATE RULE mirrored AS ON INSERT TO gates DO ALSO SELECT 1",
            "rules, which are rewritten into queries of others",
        ),
        (
            "ALTER TABLE gates DISABLE ROW LEVEL SECURITY",
            "tables without row-level security, or not for the owner",
        ),
        (
            "ALTER TABLE gates NO FORCE ROW LEVEL SECURITY",
            "tables without row-level security, or not for the owner",
        ),
        ("GRANT SELECT (id) ON events TO zeraket_worker_login", "rights of a login role's own"),
        (
            "CREATE POLICY wide ON gates FOR SELECT TO zeraket_device USING (true)",
            "policies that let a principal write any row, or persons and devices read any",
        ),
    ],
)
async def test_the_catalogue_test_notices_a_mistake(
    spare_database: ClonedDatabase, mistake: str, rule: str
) -> None:
    async with connected(spare_database.administrator_url) as connection:
        for statement in mistake.split(";"):
            await connection.execute(text(statement))
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


async def test_the_newest_revision_undoes_all_it_did(empty_database: ClonedDatabase) -> None:
    url, newest = empty_database.administrator_url, head_revision()
    await migrate(url, f"{int(newest) - 1:04}")
    before = await _rights_and_shapes(url)
    await migrate(url)
    after = await _rights_and_shapes(url)
    await migrate_back(url, "-1")
    left_behind = before ^ await _rights_and_shapes(url)
    assert left_behind == set()
    assert before != after


async def _rights_and_shapes(url: str) -> set[str]:
    """Policies, what each role may do with each column, bodies of functions, indexes."""
    query = f"""
        SELECT concat_ws(' ', tablename, policyname, permissive, roles, cmd, qual, with_check)
        FROM pg_policies
        UNION ALL
        SELECT concat_ws(' ', role, c.relname, a.attname, right_to)
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0,
            unnest(ARRAY['zeraket_app', 'zeraket_device', 'zeraket_wallet', 'zeraket_worker',
                'zeraket_resolver']) AS role,
            unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS right_to
        WHERE {_OURS} AND c.relkind = 'r' AND has_column_privilege(role, c.oid, a.attnum, right_to)
        UNION ALL
        SELECT p.proacl::text || pg_get_functiondef(p.oid)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {_OURS}
        UNION ALL
        SELECT indexdef FROM pg_indexes WHERE schemaname IN ('public', 'private')
    """
    async with connected(url) as connection:
        return {" ".join(str(said).split()) for said in await connection.scalars(text(query))}


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
