"""Examines an installation: says in plain words what is wrong and what to do."""

import shutil
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from typing import Final

import httpx
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.clock import Clock, system_clock
from sync_server.composition import (
    load_master_keys,
    object_storage,
    openid_clients,
    reachable_database,
)
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.instants import unix_ms
from sync_server.kit.keys import MasterKeyError
from sync_server.kit.openid_client import OpenidClient
from sync_server.kit.storage import ObjectKey, ObjectMissingError, StorageUnavailableError
from sync_server.migrations.roles import LOGIN, MEMBERSHIPS, WORKER_LOGIN
from sync_server.migrations.runner import current_revision, head_revision
from sync_server.openid.errors import OpenidProviderUnavailableError
from sync_server.openid.providers import open_provider
from sync_server.passkeys.rules import relying_party
from sync_server.payments.configured import Means, open_rails, rail_faults
from sync_server.payments.ports import Accepted, CredentialCheck, Refused, Unknown
from sync_server.payments.providers.bank.books import MemoryBook
from sync_server.payments.providers.clients import provider_client
from sync_server.payments.rails import PaymentRails
from sync_server.payments.rules import Provider
from sync_server.settings import (
    HALF_OF_GOOGLE,
    Settings,
    UnsafeSettingsError,
    setting_faults,
)

CLOCK_DIFFERENCE_MS_MAX: Final = 2_000
FREE_BYTES_MIN: Final = 1 << 30
_PROVIDER_SECONDS: Final = 10
_PROBE: Final = b"A probe of zeraket-server doctor; it may be deleted."
_PROBE_FOLDER: Final = "doctor"
_UNREACHABLE: Final = (OSError, DBAPIError)
# Membership counts through other roles as well; what is inherited needs no SET ROLE.
_LOGIN_RIGHTS: Final = text("""
    SELECT me.rolname AS name,
           me.rolsuper OR me.rolbypassrls OR me.rolinherit OR me.rolcreaterole OR me.rolcreatedb
               OR bool_or(pg_has_role(me.oid, other.oid, 'USAGE')) AS powerful,
           coalesce(array_agg(other.rolname::text ORDER BY other.rolname)
               FILTER (WHERE pg_has_role(me.oid, other.oid, 'MEMBER')), '{}') AS acts_as
    FROM pg_roles AS me JOIN pg_roles AS other ON other.oid <> me.oid
    WHERE me.rolname = session_user
    GROUP BY me.oid, me.rolname, me.rolsuper, me.rolbypassrls, me.rolinherit, me.rolcreaterole,
        me.rolcreatedb
""")


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
        _examine_passkeys(settings),
        _examine_keys(settings),
        _examine_disk(settings),
        *await _examine_database(settings, system_clock()),
        *await _examine_sign_ins(settings),
        await _examine_storage(settings),
        *await examine_rails(settings, system_clock()),
    )


def _examine_settings(settings: Settings) -> tuple[Finding, ...]:
    faults = setting_faults(settings)
    if not faults:
        return (Finding(f"settings ({settings.environment})"),)
    return tuple(Finding(f"setting {fault.setting}", fault.remedy) for fault in faults)


def _examine_passkeys(settings: Settings) -> Finding:
    """On a desk it is well to do without them."""
    if relying_party(settings.public_url) is not None:
        return Finding("passkeys")
    off = "are off: browsers make none for an IP address, nor without https:// but on localhost"
    if not settings.is_production:
        return Finding(f"passkeys ({off})")
    return Finding("passkeys", f"{off}; give ZERAKET_PUBLIC_URL an https:// address with a name")


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


async def _examine_sign_ins(settings: Settings) -> tuple[Finding, ...]:
    """Providers that are configured; production says by itself that one is so by half."""
    if settings.has_half_of_google and not settings.is_production:
        return (Finding(f"setting {HALF_OF_GOOGLE.setting}", HALF_OF_GOOGLE.remedy),)
    return tuple([await _examine_provider(settings, one) for one in openid_clients(settings)])


async def _examine_provider(settings: Settings, client: OpenidClient) -> Finding:
    provider = open_provider(client, system_clock(), settings.public_url)
    subject = f"signing in with {client.name}"
    try:
        await provider.document()
    except OpenidProviderUnavailableError:
        remedy = (
            f"no usable discovery document comes from {client.issuer}; check that this machine"
            " reaches it, and ZERAKET_GOOGLE_ISSUER"
        )
        return Finding(subject, remedy)
    return Finding(subject)


async def _examine_storage(settings: Settings) -> Finding:
    """Write, read and remove a file of no tenant's."""
    key = ObjectKey(_PROBE_FOLDER, sha256(_PROBE).hexdigest())
    try:
        storage = object_storage(settings)
        await storage.put(key, BytesIO(_PROBE))
        found = b"".join([piece async for piece in (await storage.open(key)).pieces])
        await storage.delete(key)
        kept = await storage.exists(key)
    except UnsafeSettingsError as error:
        return Finding("storage", "; ".join(str(fault) for fault in error.faults))
    except (StorageUnavailableError, ObjectMissingError):
        return Finding("storage", "files cannot be written and read; " + _where(settings))
    if found != _PROBE or kept:
        return Finding("storage", "it gives back other than it was given; " + _where(settings))
    return Finding("storage")


def _where(settings: Settings) -> str:
    if settings.storage_url is None:
        return f"check disk and rights of {settings.data_directory}"
    return "check ZERAKET_STORAGE_URL, its keys, and that the bucket exists"


async def examine_rails(settings: Settings, clock: Clock) -> tuple[Finding, ...]:
    """Each way to pay: its settings, and whether its provider lets us in."""
    faults = rail_faults(settings)
    if faults:
        return tuple(Finding(f"setting {fault.setting}", fault.remedy) for fault in faults)
    async with provider_client(httpx.Timeout(_PROVIDER_SECONDS)) as client:
        # Nothing is asked that a bank's files would have to answer.
        rails = open_rails(Means(settings, client, clock, MemoryBook()))
        return tuple([await _examine_rail(rails, provider) for provider in rails.offered])


async def _examine_rail(rails: PaymentRails, provider: Provider) -> Finding:
    subject, client = f"paying with {provider}", rails.collector(provider)
    if not isinstance(client, CredentialCheck):
        return Finding(f"{subject} (its keys are tried by the first payment)")
    check = f"check ZERAKET_{provider.upper()}_…"
    match await client.check_credentials():
        case Accepted():
            return Finding(subject)
        case Refused(code=code):
            return Finding(subject, f"{provider} does not let us in ({code}); {check}")
        case Unknown(cause=cause):
            return Finding(subject, f"{provider} cannot be reached ({cause}); {check}")


async def _examine_database(settings: Settings, clock: Clock) -> tuple[Finding, ...]:
    try:
        async with reachable_database(settings) as urls:
            database = Database(urls.requests, DatabaseLimits(connections_max=2), urls.worker)
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
        await _examine_login_role("login role", database.engine, LOGIN),
        await _examine_worker(database.worker_engine),
        await _examine_migrations(database),
        await _examine_clock(database, clock),
    )


async def _examine_worker(engine: AsyncEngine) -> Finding:
    subject = "worker's login role"
    try:
        return await _examine_login_role(subject, engine, WORKER_LOGIN)
    except _UNREACHABLE as error:
        remedy = f"cannot log in ({type(error).__name__}); check ZERAKET_WORKER_DATABASE_URL"
        return Finding(subject, remedy)


async def _examine_login_role(subject: str, engine: AsyncEngine, expected: str) -> Finding:
    """A login role with rights of its own, or that may act as whom it should not, would undo
    row-level security.
    """
    async with engine.connect() as connection:
        found = (await connection.execute(_LOGIN_RIGHTS)).one()
    if found.powerful:
        return Finding(
            subject,
            f"{found.name} has rights of its own; log in as {expected} (no SUPERUSER, no"
            " BYPASSRLS, NOINHERIT)",
        )
    if frozenset(found.acts_as) != frozenset(MEMBERSHIPS[expected]):
        others = ", ".join(found.acts_as) or "nobody"
        return Finding(
            subject,
            f"{found.name} may act as {others}; it should be {expected} and may act as"
            f" {', '.join(MEMBERSHIPS[expected])}: run `zeraket-server migrate`",
        )
    return Finding(subject)


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
