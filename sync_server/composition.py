"""The composition root: turns settings into the services every part is handed, and closes them
again.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.clock import system_clock
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.embedded_postgres import ADMINISTRATOR, start_embedded_postgres
from sync_server.kit.keys import (
    MASTER_KEY_BYTES,
    KeySealer,
    MasterKey,
    parse_master_key,
    read_key_file,
    write_development_key,
)
from sync_server.kit.mail import MailboxFolder, MailSender, MailUrlError, SmtpSender, parse_mail_url
from sync_server.kit.services import Services
from sync_server.migrations.roles import LOGIN
from sync_server.migrations.runner import migrate
from sync_server.settings import SettingFault, Settings, UnsafeSettingsError, require_safe

EMBEDDED_DATABASE: Final = "zeraket"
MAILBOX_FOLDER_NAME: Final = "mail"


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open what the server needs; raises UnsafeSettingsError or MasterKeyError before anything is
    opened.
    """
    require_safe(settings)
    sealer = KeySealer(load_master_keys(settings))
    async with reachable_database(settings) as url:
        limits = DatabaseLimits(connections_max=settings.database_connections_max)
        database = Database(url, limits)
        try:
            yield Services(
                database=database,
                key_sealer=sealer,
                clock=system_clock(),
                randomness=secrets.token_bytes,
                public_url=settings.public_url,
                data_directory=settings.data_directory,
                anchor_directory=settings.anchor_directory,
                mail=mail_sender(settings),
            )
        finally:
            await database.close()


def mail_sender(settings: Settings) -> MailSender:
    """Choose SMTP; only development, which settings make sure of, keeps letters in a folder."""
    if settings.mail_url is None:
        folder = settings.data_directory / MAILBOX_FOLDER_NAME
        return MailboxFolder(folder, system_clock(), settings.mail_from)
    try:
        server = parse_mail_url(settings.mail_url.get_secret_value())
    except MailUrlError as error:
        raise UnsafeSettingsError((SettingFault("ZERAKET_MAIL_URL", str(error)),)) from error
    return SmtpSender(server, system_clock(), settings.mail_from)


def load_master_keys(settings: Settings) -> tuple[MasterKey, ...]:
    """Read the master keys; only development makes one where there is none."""
    if settings.master_key is not None:
        return (parse_master_key(settings.master_key.get_secret_value()),)
    path = settings.master_key_path
    if not settings.is_production:
        write_development_key(path, secrets.token_bytes(MASTER_KEY_BYTES))
    return read_key_file(path, production=settings.is_production)


@asynccontextmanager
async def reachable_database(settings: Settings) -> AsyncIterator[str]:
    """Give the login role's URL; the embedded server is started, migrated and stopped around it."""
    if settings.database_url is not None:
        yield settings.database_url.get_secret_value()
        return
    embedded = await asyncio.to_thread(start_embedded_postgres, settings.data_directory)
    try:
        await _ensure_database(embedded.url(ADMINISTRATOR, "postgres"))
        await migrate(embedded.url(ADMINISTRATOR, EMBEDDED_DATABASE))
        yield embedded.url(LOGIN, EMBEDDED_DATABASE)
    finally:
        await asyncio.to_thread(embedded.stop)


async def migrate_configured(settings: Settings) -> None:
    """Bring the configured database forward, as its administrator."""
    if settings.database_url is None:
        async with reachable_database(settings):
            return
    if settings.migration_database_url is None:
        fault = SettingFault(
            "ZERAKET_MIGRATION_DATABASE_URL",
            "give the URL of a role that may create roles and schemas in this database",
        )
        raise UnsafeSettingsError((fault,))
    await migrate(settings.migration_database_url.get_secret_value())


async def _ensure_database(url: str) -> None:
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            question = text("SELECT 1 FROM pg_database WHERE datname = :name")
            found = await connection.scalar(question, {"name": EMBEDDED_DATABASE})
            if found is None:
                await connection.execute(text(f"CREATE DATABASE {EMBEDDED_DATABASE}"))
    finally:
        await engine.dispose()
