"""The server as an operator runs it: a process of its own, started, and told to stop."""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from processes import free_port
from sync_server.kit.keys import MASTER_KEY_BYTES
from tests.plugins.postgres import ClonedDatabase

MASTER_KEY = bytes(range(MASTER_KEY_BYTES))
_BEGUN_WITHIN_SECONDS = 60
_STOPPED_WITHIN_SECONDS = 30


@dataclass(frozen=True, slots=True)
class ServerProcess:
    """A server that answers at its address."""

    address: str
    process: asyncio.subprocess.Process

    async def stop(self) -> str:
        """Stop it as planned, and give all that it said since it began."""
        self.process.terminate()
        _, said = await asyncio.wait_for(self.process.communicate(), _STOPPED_WITHIN_SECONDS)
        # Raised again when all is done.
        assert self.process.returncode == -signal.SIGTERM
        return said.decode()


@contextlib.asynccontextmanager
async def a_server_process(database: ClonedDatabase, folder: Path) -> AsyncIterator[ServerProcess]:
    """Start it, and see that it does not outlive the test."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    environment = {
        "PATH": "/usr/bin:/bin",
        "ZERAKET_DATABASE_URL": database.login_url,
        "ZERAKET_DATA_DIRECTORY": str(folder),
        "ZERAKET_MASTER_KEY": MASTER_KEY.hex(),
        "ZERAKET_PUBLIC_URL": address,
    }
    command = [sys.executable, "-m", "sync_server", "serve", "--port", str(port)]
    process = await asyncio.create_subprocess_exec(
        *command, env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        await _until_ready(address)
        yield ServerProcess(address, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _until_ready(address: str) -> None:
    async with (
        httpx.AsyncClient(base_url=address) as client,
        asyncio.timeout(_BEGUN_WITHIN_SECONDS),
    ):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await client.get("/ready")).status_code == httpx.codes.OK:
                    return
            await asyncio.sleep(0.05)
