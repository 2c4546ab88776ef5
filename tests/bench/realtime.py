"""News to five hundred listeners of one server process: how long from the commit that makes it true
to the socket that hears it, what a listener costs in memory, and how soon lost rights end them all.

One server process with a database of its own, real sockets on loopback, a token for each listener.
Figures only; what they should be stands with the budgets.
"""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from sync_server.composition import open_services
from sync_server.demo import create_demo_data
from sync_server.kit import channels
from sync_server.kit.claims import WORKER
from sync_server.kit.outbox import Message, publish
from sync_server.kit.services import Services
from sync_server.organizers.rules import Capability
from sync_server.settings import Settings
from tests.bench.server import free_port, server_process
from tests.bench.spread import NANOSECONDS_PER_MILLISECOND, spread
from tests.factories.listening import Ear, join
from tests.factories.tenants import Person, Tenant, make_member

STREAMS: Final = 500
WARM: Final = 50
"""Whatever the first listeners load is not theirs alone."""
MESSAGES: Final = 40
_PAUSE_SECONDS: Final = 0.13
"""Out of step with the server's rhythm, so that no message is lucky every time."""
_JOINED_AT_ONCE: Final = 20
_REMOVE_ALL: Final = text("DELETE FROM organizer_members WHERE user_id = ANY(:user_ids)")


@dataclass(frozen=True)
class _Crowd:
    """A server process, and people who may listen to one channel of it."""

    services: Services
    settings: Settings
    process_id: int
    tenant: Tenant
    channel: str
    people: list[Person]


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Measure against a server process of its own; half a minute or so."""
    with tempfile.TemporaryDirectory(prefix="zeraket-bench-") as folder:
        # PostgreSQL runs as a user of its own and must be able to walk in.
        Path(folder).chmod(0o711)
        return asyncio.run(_measure(Path(folder), MESSAGES // 4 if quick else MESSAGES))


async def _measure(folder: Path, messages: int) -> dict[str, Any]:
    async with _crowd(folder) as crowd:
        ears = await _join(crowd, crowd.people[:WARM])
        await _hear(crowd, ears, 2)
        before_kb = _memory_kb(crowd.process_id)
        ears += await _join(crowd, crowd.people[WARM:])
        heard = await _hear(crowd, ears, messages)
        memory_kb = _memory_kb(crowd.process_id)
        ended = await _end(crowd, ears)
        await asyncio.gather(*(ear.close() for ear in ears))
    return {
        "cores": os.cpu_count(),
        "streams": len(ears),
        "heard_ms": spread(heard),
        "memory_kb_a_stream": round((memory_kb - before_kb) / (STREAMS - WARM), 1),
        "server_memory_mb": round(memory_kb / 1024, 1),
        "ended_ms": spread(ended),
    }


@asynccontextmanager
async def _crowd(folder: Path) -> AsyncIterator[_Crowd]:
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = Settings(data_directory=folder / "data", public_url=address, port=port)
    async with open_services(settings) as services:
        demo = await create_demo_data(services, 1)
        founder = Person(user_id=None, token=demo.token)  # type: ignore[arg-type]
        tenant = Tenant(demo.organizer_id, founder)
        people = [
            await make_member(services, tenant, Capability.SCANS_VIEW) for _ in range(STREAMS)
        ]
        channel = channels.event_gates(demo.event_id)
        async with server_process(settings) as process_id:
            yield _Crowd(services, settings, process_id, tenant, channel, people)


async def _join(crowd: _Crowd, people: list[Person]) -> list[Ear]:
    """Open a stream for each, some at once, and hear every greeting."""
    ears: list[Ear] = []
    for begin in range(0, len(people), _JOINED_AT_ONCE):
        some = people[begin : begin + _JOINED_AT_ONCE]
        address = crowd.settings.public_url
        ears += await asyncio.gather(*(join(address, it.token, [crowd.channel]) for it in some))
    greetings = await asyncio.gather(*(ear.event() for ear in ears))
    if any(greeting.name != "listening" for greeting in greetings):
        message = "somebody was not let in"
        raise RuntimeError(message)
    return ears


async def _hear(crowd: _Crowd, ears: list[Ear], messages: int) -> list[float]:
    """Tell messages one by one; give milliseconds from each commit to each listener's ear."""
    told: dict[int, int] = {}
    hearing = [asyncio.create_task(_listen(ear, messages)) for ear in ears]
    for number in range(messages):
        news = Message("bench.news", None, (crowd.channel,), {"number": number})
        async with crowd.services.database.transaction(WORKER) as session:
            await publish(session, news)
        told[number] = time.perf_counter_ns()
        await asyncio.sleep(_PAUSE_SECONDS)
    heard = await asyncio.gather(*hearing)
    return [
        (at_ns - told[number]) / NANOSECONDS_PER_MILLISECOND
        for times in heard
        for number, at_ns in times.items()
    ]


async def _listen(ear: Ear, messages: int) -> dict[int, int]:
    times: dict[int, int] = {}
    while len(times) < messages:
        event = await ear.event()
        times[event.data["number"]] = time.perf_counter_ns()
    return times


async def _end(crowd: _Crowd, ears: list[Ear]) -> list[float]:
    """Remove every member in one transaction; give milliseconds to the end of each stream."""
    ending = [asyncio.create_task(_last(ear)) for ear in ears]
    async with crowd.services.database.transaction(crowd.tenant.claims) as session:
        await session.execute(_REMOVE_ALL, {"user_ids": [it.user_id for it in crowd.people]})
    removed_ns = time.perf_counter_ns()
    ended_ns = await asyncio.gather(*ending)
    return [(at_ns - removed_ns) / NANOSECONDS_PER_MILLISECOND for at_ns in ended_ns]


async def _last(ear: Ear) -> int:
    (last,) = await ear.rest()
    if last.name != "closed":
        message = f"a stream ended with {last.name}"
        raise RuntimeError(message)
    return time.perf_counter_ns()


def _memory_kb(process_id: int) -> int:
    """Resident memory of the process that serves; its threads are in it, PostgreSQL is not."""
    status = Path("/proc", str(process_id), "status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0])


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
