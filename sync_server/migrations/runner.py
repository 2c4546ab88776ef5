"""Brings a database to a revision, and says at which one it is; one migration at a time."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from sync_server.kit.claims import ANONYMOUS
from sync_server.kit.database import Database, sqlstate
from sync_server.migrations.roles import OWNER, ensure_roles

Direction = Callable[[Config, str], None]

VERSION_SCHEMA: Final = "migrations"
_FOLDER: Final = Path(__file__).parent
_LOCK_NUMBER: Final = 0x5A45_5241_4B45_5401
# No such role, role without rights here, no such schema, no such table.
_NEVER_MIGRATED: Final = frozenset(("22023", "42501", "3F000", "42P01"))
_SERVER_SETTINGS: Final = {
    "application_name": "zeraket-migrate",
    "lock_timeout": "4s",
    "statement_timeout": "10min",
    "timezone": "UTC",
}


def _configuration() -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(_FOLDER))
    configuration.set_main_option("path_separator", "os")
    return configuration


@cache
def head_revision() -> str:
    """Name the newest revision this program knows."""
    head = ScriptDirectory.from_config(_configuration()).get_current_head()
    if head is None:
        message = "the program carries no migrations"
        raise RuntimeError(message)
    return head


async def current_revision(database: Database) -> str | None:
    """Name the revision the database is at; None where no migration ever ran."""
    question = text("SELECT version_num FROM migrations.alembic_version")
    try:
        async with database.reading(ANONYMOUS) as session:
            found = await session.scalar(question)
    except DBAPIError as error:
        if sqlstate(error.orig) in _NEVER_MIGRATED:
            return None
        raise
    return found if isinstance(found, str) else None


async def migrate(url: str, revision: str = "head") -> None:
    """Bring the database forward; `url` must belong to a role that may create roles and schemas."""
    await _run(url, revision, command.upgrade)


async def migrate_back(url: str, revision: str) -> None:
    """Undo revisions down to `revision` (`base` for all); for tests and for a person who knows
    why.
    """
    await _run(url, revision, command.downgrade)


async def _run(url: str, revision: str, direction: Direction) -> None:
    engine = create_async_engine(
        make_url(url),
        poolclass=NullPool,
        connect_args={"server_settings": _SERVER_SETTINGS},
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(_run_locked, revision, direction)
    finally:
        await engine.dispose()


def _run_locked(connection: Connection, revision: str, direction: Direction) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:number)"), {"number": _LOCK_NUMBER})
    ensure_roles(connection)
    connection.execute(text(f"SET ROLE {OWNER}"))
    connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {VERSION_SCHEMA}"))
    connection.commit()
    configuration = _configuration()
    configuration.attributes["connection"] = connection
    direction(configuration, revision)
    connection.commit()
