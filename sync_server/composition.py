"""The composition root: turns settings into the services every part is handed, and closes them
again.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from shared.clock import system_clock
from sync_server.kit.database import Database, DatabaseLimits, worker_url_beside
from sync_server.kit.embedded_postgres import ADMINISTRATOR, start_embedded_postgres
from sync_server.kit.job_queue import PgQueuerJobs
from sync_server.kit.keys import (
    MASTER_KEY_BYTES,
    KeySealer,
    MasterKey,
    parse_master_key,
    read_key_file,
    write_development_key,
)
from sync_server.kit.mail import MailboxFolder, MailSender, MailUrlError, SmtpSender, parse_mail_url
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.s3 import S3Credentials, S3Storage, StorageUrlError, parse_storage_url
from sync_server.kit.services import OBJECTS_FOLDER_NAME, Services
from sync_server.kit.slow_queries import EXPLAINING_LIMITS, SlowQueries
from sync_server.kit.storage import FolderStorage, ObjectStorage
from sync_server.kit.tracing import traced
from sync_server.migrations.roles import LOGIN, WORKER_LOGIN
from sync_server.migrations.runner import migrate
from sync_server.operations import jobs_pruning
from sync_server.orders import jobs as orders_jobs
from sync_server.orders.paying import payment_flow, refund_flow
from sync_server.payments import bank_jobs
from sync_server.payments.bank_statements import StatementTables
from sync_server.payments.callbacks import inbox_name, notice_from_bytes
from sync_server.payments.configured import Means, make_folders, open_rails, rail_faults
from sync_server.payments.ports import Hint
from sync_server.payments.providers.bank.intake import FileNews
from sync_server.payments.providers.calls import time_limits
from sync_server.payments.providers.clients import provider_client
from sync_server.payments.rails import PaymentRails, rails_of
from sync_server.payments.rules import Provider
from sync_server.payouts import jobs as payout_jobs
from sync_server.payouts.jobs import payout_flow
from sync_server.reconciliation import jobs as reconciliation_jobs
from sync_server.reconciliation import service as reconciliation
from sync_server.reconciliation.service import OUR_ACCOUNT
from sync_server.settings import SettingFault, Settings, UnsafeSettingsError, require_safe
from sync_server.webhooks import service as webhooks
from sync_server.webhooks.sources import WebhookEvent, WebhookSources, source_faults

EMBEDDED_DATABASE: Final = "zeraket"
MAILBOX_FOLDER_NAME: Final = "mail"
WEBHOOK_SOURCES: Final[WebhookSources] = {}
"""Whose webhooks are taken, by the name in their address."""


@dataclass(frozen=True, slots=True)
class DatabaseUrls:
    """One database, as the login role of requests and as the worker's."""

    requests: str
    worker: str


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open what the server needs; raises UnsafeSettingsError or MasterKeyError before anything is
    opened.
    """
    require_safe(settings)
    require_known_sources(settings)
    require_whole_rails(settings)
    make_folders(settings)
    sealer = KeySealer(load_master_keys(settings))
    async with reachable_database(settings) as urls:
        limits = DatabaseLimits(connections_max=settings.database_connections_max)
        database = Database(urls.requests, limits, urls.worker)
        aside = Database(urls.requests, EXPLAINING_LIMITS, urls.worker)
        slow_queries = SlowQueries(aside, system_clock(), settings.slow_query_milliseconds)
        slow_queries.follow(database)
        providers = provider_client(time_limits())
        means = Means(settings, providers, system_clock(), StatementTables(database))
        try:
            async with traced(database, settings.traces_url) as tracer:
                yield Services(
                    database=database,
                    key_sealer=sealer,
                    clock=system_clock(),
                    randomness=secrets.token_bytes,
                    public_url=settings.public_url,
                    data_directory=settings.data_directory,
                    anchor_directory=settings.anchor_directory,
                    mail=mail_sender(settings),
                    openid_clients=openid_clients(settings),
                    object_storage=object_storage(settings),
                    jobs=registered_jobs(WEBHOOK_SOURCES),
                    cron_secret=settings.cron_secret,
                    metrics_token=settings.metrics_token,
                    requests_per_minute=settings.requests_per_minute,
                    tracer=tracer,
                    webhook_secrets=settings.webhook_secrets,
                    parts={PaymentRails: open_rails(means)},
                )
        finally:
            await providers.aclose()
            await slow_queries.close()
            await database.close()


async def hear_provider(provider: Provider, services: Services, event: WebhookEvent) -> None:
    """Act on a callback, which says which payout, refund or payment to ask about, and nothing that
    is believed: providers have one address for all.
    """
    notice = notice_from_bytes(event.body)
    hint = rails_of(services).collector(provider).read_notice(notice)
    if hint is not None and await payout_flow(services).hear(provider, hint):
        return
    await payment_flow(services).hear(provider, notice)


async def hear_bank(services: Services, news: FileNews) -> None:
    """Act on a bank's file, which says whom to ask about; what is asked is what was kept of it. A
    statement is also held against the books, as one that an operator takes in.
    """
    payments = payment_flow(services)
    for theirs in sorted(news.payment_references):
        await payments.follow(Provider.BANK, Hint(None, theirs, news.name, None))
    for ours in sorted(news.end_to_end_ids):
        await _hear_of_transfer(services, ours, news.name)
    if news.lines:
        read = (news.content, news.lines)
        await reconciliation.keep_statement(services, Provider.BANK, OUR_ACCOUNT, news.name, read)


async def _hear_of_transfer(services: Services, ours: str, file: str) -> None:
    """A transfer that we sent is a payout or a refund; whoever sees the bank's own names a third
    thing, and nobody is asked about that.
    """
    hint = Hint(ours, None, file, None)
    if not await payout_flow(services).hear(Provider.BANK, hint):
        await refund_flow(services).hear(Provider.BANK, hint)


def registered_jobs(sources: WebhookSources) -> PgQueuerJobs:
    """Name every job the server does, once."""
    jobs = PgQueuerJobs()
    payout_jobs.register(jobs)
    reconciliation_jobs.register(jobs)
    jobs_pruning.register(jobs)
    webhooks.register(jobs, sources)
    orders_jobs.register(jobs)
    bank_jobs.register(jobs, hear_bank)
    for provider in Provider:
        webhooks.register_source(jobs, inbox_name(provider), partial(hear_provider, provider))
    return jobs


def require_known_sources(settings: Settings) -> None:
    """Raise UnsafeSettingsError where webhooks are configured that would all be refused."""
    faults = source_faults(WEBHOOK_SOURCES, settings.webhook_secrets)
    if faults:
        found = tuple(SettingFault("ZERAKET_WEBHOOK_SECRETS", fault) for fault in faults)
        raise UnsafeSettingsError(found)


def require_whole_rails(settings: Settings) -> None:
    """Raise UnsafeSettingsError where a way to pay is configured by half, or with play money."""
    faults = rail_faults(settings)
    if faults:
        raise UnsafeSettingsError(faults)


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


def openid_clients(settings: Settings) -> tuple[OpenidClient, ...]:
    """Name the providers people can sign in at: Google, where the settings hold both halves."""
    client_id, secret = settings.google_client_id, settings.google_client_secret
    if client_id is None or secret is None:
        return ()
    issuer = settings.google_issuer
    return (OpenidClient("google", "Google", issuer, client_id, secret.get_secret_value()),)


def object_storage(settings: Settings) -> ObjectStorage:
    """Choose S3 where its address is set, else a folder below the data directory."""
    url, secret = settings.storage_url, settings.storage_secret_key
    if url is None:
        return FolderStorage(settings.data_directory / OBJECTS_FOLDER_NAME)
    try:
        place = parse_storage_url(url)
    except StorageUrlError as error:
        raise UnsafeSettingsError((SettingFault("ZERAKET_STORAGE_URL", str(error)),)) from error
    if not settings.storage_access_key or secret is None:
        remedy = "give ZERAKET_STORAGE_ACCESS_KEY and ZERAKET_STORAGE_SECRET_KEY as well"
        raise UnsafeSettingsError((SettingFault("ZERAKET_STORAGE_URL", remedy),))
    return S3Storage(place, S3Credentials(settings.storage_access_key, secret.get_secret_value()))


def load_master_keys(settings: Settings) -> tuple[MasterKey, ...]:
    """Read the master keys; only development makes one where there is none."""
    if settings.master_key is not None:
        return (parse_master_key(settings.master_key.get_secret_value()),)
    path = settings.master_key_path
    if not settings.is_production:
        write_development_key(path, secrets.token_bytes(MASTER_KEY_BYTES))
    return read_key_file(path, production=settings.is_production)


@asynccontextmanager
async def reachable_database(settings: Settings) -> AsyncIterator[DatabaseUrls]:
    """Give the login roles' URLs; the embedded server is started, migrated and stopped around
    them.
    """
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        worker = settings.worker_database_url
        yield DatabaseUrls(url, worker.get_secret_value() if worker else worker_url_beside(url))
        return
    embedded = await asyncio.to_thread(start_embedded_postgres, settings.data_directory)
    try:
        await _ensure_database(embedded.url(ADMINISTRATOR, "postgres"))
        await migrate(embedded.url(ADMINISTRATOR, EMBEDDED_DATABASE))
        yield DatabaseUrls(
            embedded.url(LOGIN, EMBEDDED_DATABASE), embedded.url(WORKER_LOGIN, EMBEDDED_DATABASE)
        )
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
