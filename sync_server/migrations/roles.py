"""The cluster's roles and what they may do with a database as a whole; safe to repeat, run before
every migration.

Roles belong to the cluster and not to a database, so no revision can own them: a restored dump
needs them as well.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

from sync_server.kit import claims

OWNER: Final = "zeraket_owner"
RESOLVER: Final = "zeraket_resolver"
LOGIN: Final = claims.LOGIN
WORKER_LOGIN: Final = claims.WORKER_LOGIN
LEDGER: Final = "zeraket_ledger"
"""Owns the functions that write the books; nobody logs in as it."""
PRINCIPALS: Final = ("zeraket_app", "zeraket_device", "zeraket_wallet", "zeraket_worker")
QUEUE: Final = "zeraket_jobs"
"""The queue library's own connection: it reaches its tables and nothing else."""
MEMBERSHIPS: Final[dict[str, tuple[str, ...]]] = {
    OWNER: (LEDGER, RESOLVER),
    RESOLVER: (),
    LEDGER: (),
    LOGIN: ("zeraket_app", "zeraket_device", "zeraket_wallet"),
    WORKER_LOGIN: (QUEUE, "zeraket_worker"),
    **dict.fromkeys((*PRINCIPALS, QUEUE), ()),
}
"""Whom each role may act as. A statement on a request's connection never becomes the worker."""

_ROLE_OPTIONS: Final = {
    OWNER: "NOLOGIN INHERIT",
    RESOLVER: "NOLOGIN NOINHERIT",
    LEDGER: "NOLOGIN NOINHERIT",
    LOGIN: "LOGIN NOINHERIT",
    WORKER_LOGIN: "LOGIN NOINHERIT",
    **dict.fromkeys((*PRINCIPALS, QUEUE), "NOLOGIN NOINHERIT"),
}


def ensure_roles(connection: Connection) -> None:
    """Make roles that are missing, and give this database to their care."""
    for role, options in _ROLE_OPTIONS.items():
        connection.execute(text(_create(role, options)))
    for member, groups in MEMBERSHIPS.items():
        for group in groups:
            connection.execute(text(f"GRANT {group} TO {member}"))
        connection.execute(text(leave_other_groups(member, groups)))
    # A role that is no superuser must be a member of the owner to act as it.
    connection.execute(text(f"GRANT {OWNER} TO CURRENT_USER"))
    grant_database(connection)
    connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
    connection.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER}"))
    readers = ", ".join((RESOLVER, LEDGER, *PRINCIPALS))
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {readers}"))


def grant_database(connection: Connection) -> None:
    """Give the rights on this database as a whole: what a copy of a database does not take over."""
    connection.execute(text(_DATABASE_GRANTS))


def _create(role: str, options: str) -> str:
    """Two databases of one cluster may be migrated at once: whoever comes second finds the role
    there.
    """
    return f"""
        DO $$ BEGIN
            CREATE ROLE {role} {options};
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END $$
    """


def leave_other_groups(member: str, groups: tuple[str, ...]) -> str:
    """Take away what older versions or somebody else gave: from PostgreSQL 16 each giver's gift
    is one of its own, and is taken back in the giver's name.
    """
    kept = ",".join(groups)
    return f"""
        DO $$ DECLARE held record; BEGIN
            FOR held IN
                SELECT roleid::regrole AS role, grantor::regrole AS giver FROM pg_auth_members
                WHERE member = '{member}'::regrole
                  AND roleid::regrole::text <> ALL ('{{{kept}}}'::text[])
            LOOP
                EXECUTE format('REVOKE %s FROM {member} GRANTED BY %s', held.role, held.giver);
            END LOOP;
        END $$
    """  # noqa: S608 - names of ours


_DATABASE_GRANTS: Final = f"""
    DO $$ BEGIN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO {LOGIN}', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO {WORKER_LOGIN}', current_database());
        EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}', current_database());
    END $$
"""
