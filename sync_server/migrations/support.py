"""How revisions write row-level security and definer functions, so that each is complete wherever
it appears.

Revisions that shipped depend on these: add to them, never change what they emit.
"""

from typing import Final

from alembic import op

from sync_server.migrations.roles import LEDGER, OWNER, RESOLVER

ANY_MEMBER: Final = None


def run(*statements: str) -> None:
    """Execute one statement after the other; the driver takes no more than one at a time."""
    for statement in statements:
        op.execute(statement)


def protect(*tables: str) -> None:
    """Turn row-level security on, for the owner as well."""
    for table in tables:
        run(
            f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
            f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        )


def policy(table: str, role: str, command: str, condition: str) -> None:
    """Grant a command to a role on the rows that meet a condition; one policy for each role and
    command.
    """
    name = f"{table.rpartition('.')[2]}_{role.removeprefix('zeraket_')}_{command.lower()}"
    using = "" if command == "INSERT" else f"USING ({condition})"
    check = "" if command in {"SELECT", "DELETE"} else f"WITH CHECK ({condition})"
    run(
        f"GRANT {command} ON {table} TO {role}",
        f"CREATE POLICY {name} ON {table} FOR {command} TO {role} {using} {check}",
    )


def in_my_organizers(capability: str | None, column: str = "organizer_id") -> str:
    """The condition for a tenant's rows: the caller's set is read once a statement, then met by
    index.
    """
    argument = "" if capability is None else f"'{capability}'"
    return f"{column} = ANY((SELECT private.my_organizer_ids({argument}))::uuid[])"


def tenant_policies(table: str, *, read: str | None, write: str) -> None:
    """Members read, add and change by capability; the worker reads every tenant and writes none."""
    policy(table, "zeraket_app", "SELECT", in_my_organizers(read))
    for command in ("INSERT", "UPDATE"):
        policy(table, "zeraket_app", command, in_my_organizers(write))
    policy(table, "zeraket_worker", "SELECT", "true")


def resolver_reads(table: str, *columns: str) -> None:
    """Let definer functions look up who is calling; nothing else acts as the resolver."""
    name = f"{table.rpartition('.')[2]}_resolver_select"
    run(
        f"GRANT SELECT ({', '.join(columns)}) ON {table} TO {RESOLVER}",
        f"CREATE POLICY {name} ON {table} FOR SELECT TO {RESOLVER} USING (true)",
    )


def resolver_function(signature: str, returns: str, query: str, *roles: str) -> None:
    """Make a definer function in schema `private` that the named roles may call; PUBLIC may not."""
    name = signature.replace(" DEFAULT NULL", "")
    execute_by = ", ".join(dict.fromkeys((OWNER, RESOLVER, *roles)))
    run(
        f"""
        CREATE FUNCTION private.{signature} RETURNS {returns}
        LANGUAGE sql STABLE SECURITY DEFINER PARALLEL SAFE SET search_path = ''
        AS $function$ {query} $function$
        """,
        f"ALTER FUNCTION private.{name} OWNER TO {RESOLVER}",
        f"REVOKE ALL ON FUNCTION private.{name} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION private.{name} TO {execute_by}",
    )


def ledger_function(signature: str, returns: str, body: str) -> None:
    """Make a definer function that runs as the ledger's own role, and that nobody else may call."""
    arguments = signature.partition("(")[2].removesuffix(")")
    types = ", ".join(argument.split()[1] for argument in arguments.split(", ") if argument)
    name = f"private.{signature.partition('(')[0]}({types})"
    run(
        f"CREATE FUNCTION private.{signature} RETURNS {returns} LANGUAGE plpgsql VOLATILE"
        f" SECURITY DEFINER SET search_path = '' AS $function$ {body} $function$",
        f"ALTER FUNCTION {name} OWNER TO {LEDGER}",
        f"REVOKE ALL ON FUNCTION {name} FROM PUBLIC",
        f"GRANT EXECUTE ON FUNCTION {name} TO {OWNER}",
    )


def append_only(*tables: str) -> None:
    """Refuse changes also to those whom no missing right stops: the owner and superusers."""
    for table in tables:
        run(
            f"CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION private.refuse_change()",
            f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER refuse_change",
        )


def hide_columns(table: str, role: str, *columns: str) -> None:
    """Let a role read every column there is by now but these; columns to come need grants of
    their own.
    """
    hidden = ", ".join(f"'{column}'" for column in columns)
    run(
        f"""
        DO $$ DECLARE shown text; BEGIN
            SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO shown
            FROM pg_attribute
            WHERE attrelid = '{table}'::regclass AND attnum > 0 AND NOT attisdropped
              AND attname NOT IN ({hidden});
            REVOKE SELECT ON {table} FROM {role};
            EXECUTE format('GRANT SELECT (%s) ON {table} TO {role}', shown);
        END $$
        """,  # noqa: S608 - names of ours
    )


def show_columns(table: str, role: str) -> None:
    """Undo `hide_columns`."""
    run(f"REVOKE SELECT ON {table} FROM {role}", f"GRANT SELECT ON {table} TO {role}")  # noqa: S608 - names of ours
