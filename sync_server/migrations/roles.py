"""The cluster's roles and what they may do with a database as a whole; safe to repeat, run before
every migration.

Roles belong to the cluster and not to a database, so no revision can own them: a restored dump
needs them as well.
"""

from typing import Final

from sqlalchemy import text
from sqlalchemy.engine import Connection

OWNER: Final = "zeraket_owner"
RESOLVER: Final = "zeraket_resolver"
LOGIN: Final = "zeraket_login"
PRINCIPALS: Final = ("zeraket_app", "zeraket_device", "zeraket_wallet", "zeraket_worker")

_ROLE_OPTIONS: Final = {
    OWNER: "NOLOGIN INHERIT",
    RESOLVER: "NOLOGIN NOINHERIT",
    LOGIN: "LOGIN NOINHERIT",
    **dict.fromkeys(PRINCIPALS, "NOLOGIN NOINHERIT"),
}
_MEMBERSHIPS: Final = (
    (RESOLVER, OWNER),
    *((principal, LOGIN) for principal in PRINCIPALS),
)


def ensure_roles(connection: Connection) -> None:
    """Make roles that are missing, and give this database to their care."""
    for role, options in _ROLE_OPTIONS.items():
        connection.execute(text(_create(role, options)))
    for group, member in _MEMBERSHIPS:
        connection.execute(text(f"GRANT {group} TO {member}"))
    # A role that is no superuser must be a member of the owner to act as it.
    connection.execute(text(f"GRANT {OWNER} TO CURRENT_USER"))
    connection.execute(text(_DATABASE_GRANTS))
    connection.execute(text("REVOKE ALL ON SCHEMA public FROM PUBLIC"))
    connection.execute(text(f"GRANT CREATE, USAGE ON SCHEMA public TO {OWNER}"))
    readers = ", ".join((RESOLVER, *PRINCIPALS))
    connection.execute(text(f"GRANT USAGE ON SCHEMA public TO {readers}"))


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


_DATABASE_GRANTS: Final = f"""
    DO $$ BEGIN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO {LOGIN}', current_database());
        EXECUTE format('GRANT CREATE ON DATABASE %I TO {OWNER}', current_database());
    END $$
"""
