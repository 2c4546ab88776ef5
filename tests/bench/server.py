"""The server under load: scans in, a snapshot built and fetched, a change heard by another gate.

One server process with a database of its own, real HTTP on loopback, DPoP on every call. Figures
only; what they should be stands with the budgets.
"""

import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlcipher3 import dbapi2

from shared.ids import (
    DeviceId,
    EventId,
    GateId,
    ScanId,
    TicketId,
    new_uuid7,
)
from shared.journal.chain import ChainedEntry
from shared.journal.entry import GENESIS_HASH
from shared.wire import paths
from shared.wire.signing import file_key_info
from shared.wire.snapshots import Manifest, SignedManifest
from sync_server.composition import EMBEDDED_DATABASE, open_services
from sync_server.demo import DemoData, create_demo_data
from sync_server.kit.embedded_postgres import ADMINISTRATOR, start_embedded_postgres
from sync_server.settings import Settings
from tests.factories.journal import an_entry, chained
from tests.factories.scanners import Door, Kiosk
from tests.factories.tenants import Person, Tenant

TICKETS = 100_000
BATCH_ENTRIES = 500
BATCHES = 16
PROPAGATIONS = 40
_BIND_ALL = """
    UPDATE tickets SET holder_algorithm = 1,
        holder_key = decode('02', 'hex') || sha256(id::text::bytea)
"""
_SUITE = Suite(KEM.P256, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True)
class _Floor:
    """A server process, its demo event and somebody who acts for it."""

    door: Door
    client: httpx.AsyncClient
    ticket_ids: list[TicketId]


def measure(tickets: int = TICKETS) -> dict[str, Any]:
    """Measure everything against a server process of its own; a minute or so."""
    with tempfile.TemporaryDirectory(prefix="zeraket-bench-") as folder:
        # PostgreSQL runs as a user of its own and must be able to walk in.
        Path(folder).chmod(0o711)
        return asyncio.run(_measure(Path(folder), tickets))


async def _measure(folder: Path, tickets: int) -> dict[str, Any]:
    async with _floor(folder, tickets) as floor:
        snapshot = await _snapshot(floor, folder)
        scans = await _scans(floor)
        changes = await _propagation(floor)
    return {"cores": os.cpu_count(), **snapshot, **scans, **changes}


@asynccontextmanager
async def _floor(folder: Path, tickets: int) -> AsyncIterator[_Floor]:
    """Serve in a process of its own, so that the client's work is not counted as the server's."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = Settings(data_directory=folder / "data", public_url=address, port=port)
    async with open_services(settings) as services:
        demo = await create_demo_data(services, tickets)
        await _bind_all(settings.data_directory)
        async with (
            server_process(settings),
            httpx.AsyncClient(base_url=address, timeout=60) as client,
        ):
            ids = [ticket.ticket_id for ticket in demo.tickets]
            yield _Floor(_door(client, demo), client, ids)


@asynccontextmanager
async def server_process(settings: Settings) -> AsyncIterator[int]:
    """Serve until the measurement is done, and give the process's id."""
    environment = {
        **os.environ,
        "ZERAKET_DATA_DIRECTORY": str(settings.data_directory),
        # One client stands for thousands.
        "ZERAKET_REQUESTS_PER_MINUTE": "0",
        "ZERAKET_PUBLIC_URL": settings.public_url,
    }
    command = [sys.executable, "-m", "sync_server", "serve", "--port", str(settings.port)]
    server = subprocess.Popen(  # noqa: ASYNC220 - our own program
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        async with httpx.AsyncClient(base_url=settings.public_url, timeout=60) as client:
            await _until_ready(client)
        yield server.pid
    finally:
        server.terminate()
        server.wait()


async def _bind_all(data_directory: Path) -> None:
    """Give every ticket a holder key at once: one by one it would take longer than measuring."""
    embedded = await asyncio.to_thread(start_embedded_postgres, data_directory)
    engine = create_async_engine(embedded.url(ADMINISTRATOR, EMBEDDED_DATABASE))
    try:
        async with engine.begin() as connection:
            await connection.execute(text(_BIND_ALL))
    finally:
        await engine.dispose()
        await asyncio.to_thread(embedded.stop)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


async def _until_ready(client: httpx.AsyncClient) -> None:
    for _ in range(300):
        try:
            if (await client.get("/ready")).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            await asyncio.sleep(0.1)
    message = "the server did not become ready"
    raise RuntimeError(message)


def _door(client: httpx.AsyncClient, demo: DemoData) -> Door:
    founder = Person(user_id=None, token=demo.token)  # type: ignore[arg-type]
    tenant = Tenant(demo.organizer_id, founder)
    gate_id = str(demo.gates[0].id)
    return Door(client, tenant, EventId(demo.event_id), str(demo.deployment.id), gate_id)


async def _snapshot(floor: _Floor, folder: Path) -> dict[str, Any]:
    """Build, then download and open as a kiosk would."""
    begun = time.perf_counter()
    built = (await floor.door.post("/snapshots")).json()
    build_seconds = time.perf_counter() - begun
    kiosk = await floor.door.kiosk()
    begun = time.perf_counter()
    rows = await _download(kiosk, folder / "snapshot.db")
    open_seconds = time.perf_counter() - begun
    return {
        "snapshot_tickets": rows,
        "snapshot_build_seconds": round(build_seconds, 3),
        "snapshot_bytes": built["size_bytes"],
        "snapshot_bytes_per_ticket": round(built["size_bytes"] / rows, 1),
        "snapshot_download_to_open_seconds": round(open_seconds, 3),
    }


async def _download(kiosk: Kiosk, path: Path) -> int:
    signed = SignedManifest.model_validate_json((await kiosk.get(paths.MANIFEST)).content)
    manifest = Manifest.model_validate_json(signed.manifest)
    file = await kiosk.get(paths.SNAPSHOT.format(sha256=manifest.sha256))
    await asyncio.to_thread(path.write_bytes, file.content)
    info = file_key_info(manifest.deployment_id, UUID(kiosk.device_id), manifest.sha256)
    key = _SUITE.decrypt(signed.wrapped_key, kiosk.sealing, info=info)
    connection = dbapi2.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
    connection.execute(f"PRAGMA key = \"x'{key.hex()}'\"")
    rows: int = connection.execute("SELECT count(*) FROM tickets").fetchone()[0]
    connection.close()
    return rows


async def _scans(floor: _Floor) -> dict[str, Any]:
    """Two kiosks deliver backlogs of admissions side by side, each batch after its last."""
    kiosks = [await floor.door.kiosk() for _ in range(2)]
    share = BATCHES // len(kiosks)
    backlogs = [
        _backlog(kiosk, floor.ticket_ids[place::2], share) for place, kiosk in enumerate(kiosks)
    ]
    begun = time.perf_counter()
    spent = await asyncio.gather(
        *(_deliver(kiosk, backlog) for kiosk, backlog in zip(kiosks, backlogs, strict=True))
    )
    seconds = time.perf_counter() - begun
    each = [batch for kiosk_batches in spent for batch in kiosk_batches]
    entries = BATCHES * BATCH_ENTRIES
    return {
        "scans_per_second": round(entries / seconds),
        "scan_batch_median_ms": round(statistics.median(each) * 1_000, 1),
    }


def _backlog(kiosk: Kiosk, tickets: list[TicketId], batches: int) -> list[dict[str, Any]]:
    """Sign batches of a chain beforehand: making them is the kiosk's work."""
    entries: list[ChainedEntry] = []
    prev_hash = GENESIS_HASH
    device = UUID(kiosk.device_id)
    for place in range(batches * BATCH_ENTRIES):
        at_ms = 1_800_000_000_000 + place * 1_000
        entry = an_entry(
            scan_id=ScanId(new_uuid7(at_ms, device.bytes[-6:] + place.to_bytes(4, "big"))),
            device_id=DeviceId(device),
            gate_id=GateId(UUID(kiosk.enrolment["gate_id"])),
            seq=place + 1,
            gate_time_ms=at_ms,
            ticket_id=tickets[place % len(tickets)],
            prev_hash=prev_hash,
        )
        entries.append(chained(entry))
        prev_hash = entries[-1].entry_hash
    starts = range(0, len(entries), BATCH_ENTRIES)
    return [kiosk.batch(entries[start : start + BATCH_ENTRIES]) for start in starts]


async def _deliver(kiosk: Kiosk, backlog: list[dict[str, Any]]) -> list[float]:
    spent = []
    for batch in backlog:
        begun = time.perf_counter()
        answer = (await kiosk.post(paths.SCANS, batch)).json()
        spent.append(time.perf_counter() - begun)
        accepted = sum(1 for item in answer["answers"] if item["result"] == "accepted")
        if accepted != BATCH_ENTRIES:
            message = f"a batch was answered with {accepted} accepted entries"
            raise RuntimeError(message)
    return spent


async def _propagation(floor: _Floor) -> dict[str, Any]:
    """Admit at one gate; another, woken by its stream, asks for changes until it has heard."""
    first, second = await floor.door.kiosk(), await floor.door.kiosk()
    backlog = _singles(first, floor.ticket_ids)
    heard: list[float] = []
    async with _stream(second) as lines:
        cursor = await _catch_up(second, {"xid": 0, "id": 0})
        for batch in backlog:
            begun = time.perf_counter()
            await first.post(paths.SCANS, batch)
            heard.append(await _hear(second, lines, cursor) - begun)
    ordered = sorted(heard)
    return {
        "change_median_ms": round(statistics.median(ordered) * 1_000, 1),
        "change_p95_ms": round(ordered[int(len(ordered) * 0.95) - 1] * 1_000, 1),
    }


def _singles(kiosk: Kiosk, ticket_ids: list[TicketId]) -> list[dict[str, Any]]:
    made = []
    prev_hash = GENESIS_HASH
    device = UUID(kiosk.device_id)
    for place in range(PROPAGATIONS):
        at_ms = 1_900_000_000_000 + place * 1_000
        entry = an_entry(
            scan_id=ScanId(new_uuid7(at_ms, device.bytes[-6:] + place.to_bytes(4, "big"))),
            device_id=DeviceId(device),
            seq=place + 1,
            gate_time_ms=at_ms,
            ticket_id=ticket_ids[-1 - place],
            prev_hash=prev_hash,
        )
        prev_hash = entry.entry_hash()
        made.append(kiosk.batch([chained(entry)]))
    return made


@asynccontextmanager
async def _stream(kiosk: Kiosk) -> AsyncIterator[AsyncIterator[str]]:
    await kiosk.get(paths.MANIFEST)
    async with kiosk.listening() as lines:
        yield lines


async def _catch_up(kiosk: Kiosk, cursor: dict[str, int]) -> dict[str, int]:
    more = True
    while more:
        page = (await kiosk.get(paths.CHANGES, params={**cursor, "limit": 1_000})).json()
        cursor["xid"], cursor["id"] = page["cursor"]
        more = page["more"]
    return cursor


async def _hear(kiosk: Kiosk, lines: AsyncIterator[str], cursor: dict[str, int]) -> float:
    """Wait for a wake-up that brings something, and give the instant it was there."""
    async for line in lines:
        if line != f"event: {paths.CHANGED_EVENT}":
            continue
        page = (await kiosk.get(paths.CHANGES, params=cursor)).json()
        cursor["xid"], cursor["id"] = page["cursor"]
        if page["changes"]:
            return time.perf_counter()
    message = "the stream ended"
    raise RuntimeError(message)


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]) if len(sys.argv) > 1 else TICKETS), indent=2))
