"""Examines an installation: says in plain words what is wrong and what to do."""

import shutil
from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from shared.clock import Clock, system_clock
from sync_server.composition import load_master_keys, reachable_database
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.instants import unix_ms
from sync_server.kit.keys import MasterKeyError
from sync_server.migrations.runner import current_revision, head_revision
from sync_server.settings import Settings, setting_faults

CLOCK_DIFFERENCE_MS_MAX: Final = 2_000
FREE_BYTES_MIN: Final = 1 << 30
_UNREACHABLE: Final = (OSError, DBAPIError)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` says what to do where it is not well."""

    subject: str
    remedy: str = ""

    @property
    def well(self) -> bool:
        return not self.remedy

    def __str__(self) -> str:
        return f"ok    {self.subject}" if self.well else f"FAULT {self.subject}: {self.remedy}"


async def examine(settings: Settings) -> tuple[Finding, ...]:
    """Look at everything that can be looked at; a fault never hides the ones after it."""
    return (
        *_examine_settings(settings),
        _examine_keys(settings),
        _examine_disk(settings),
        *await _examine_database(settings, system_clock()),
    )


def _examine_settings(settings: Settings) -> tuple[Finding, ...]:
    faults = setting_faults(settings)
    if not faults:
        return (Finding(f"settings ({settings.environment})"),)
    return tuple(Finding(f"setting {fault.setting}", fault.remedy) for fault in faults)


def _examine_keys(settings: Settings) -> Finding:
    try:
        load_master_keys(settings)
    except MasterKeyError as error:
        return Finding("master key", str(error))
    return Finding("master key")


def _examine_disk(settings: Settings) -> Finding:
    folder = settings.data_directory.resolve()
    while not folder.exists():
        folder = folder.parent
    if shutil.disk_usage(folder).free < FREE_BYTES_MIN:
        return Finding("disk", f"less than 1 GiB is free for {settings.data_directory}; make room")
    return Finding("disk")


async def _examine_database(settings: Settings, clock: Clock) -> tuple[Finding, ...]:
    try:
        async with reachable_database(settings) as url:
            database = Database(url, DatabaseLimits(connections_max=1))
            try:
                return await _examine_reached(database, clock)
            finally:
                await database.close()
    except _UNREACHABLE as error:
        remedy = (
            f"cannot be reached ({type(error).__name__}); check ZERAKET_DATABASE_URL and the server"
        )
        return (Finding("database", remedy),)


async def _examine_reached(database: Database, clock: Clock) -> tuple[Finding, ...]:
    return (
        Finding("database"),
        await _examine_login_role(database),
        await _examine_migrations(database),
        await _examine_clock(database, clock),
    )


async def _examine_login_role(database: Database) -> Finding:
    """A login role with rights of its own would undo row-level security."""
    question = text(
        "SELECT rolsuper OR rolbypassrls OR rolinherit OR rolcreaterole OR rolcreatedb"
        " FROM pg_roles WHERE rolname = session_user",
    )
    async with database.engine.connect() as connection:
        powerful = await connection.scalar(question)
    if powerful:
        return Finding(
            "login role",
            "it has rights of its own; put zeraket_login (no SUPERUSER, no BYPASSRLS, NOINHERIT)"
            " into ZERAKET_DATABASE_URL",
        )
    return Finding("login role")


async def _examine_migrations(database: Database) -> Finding:
    current, head = await current_revision(database), head_revision()
    if current != head:
        found = f"at {current}" if current else "never migrated"
        return Finding("migrations", f"{found}, not at {head}; run `zeraket-server migrate`")
    return Finding("migrations")


async def _examine_clock(database: Database, clock: Clock) -> Finding:
    async with database.engine.connect() as connection:
        answer = await connection.execute(text("SELECT clock_timestamp()"))
        database_ms = unix_ms(answer.scalar_one())
    if abs(database_ms - clock.now_ms()) > CLOCK_DIFFERENCE_MS_MAX:
        return Finding("clock", "this machine and the database differ by seconds; run NTP on both")
    return Finding("clock")
