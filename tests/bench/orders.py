"""Paid orders a second, in one process and in four: held, paid in MTN's sandbox over HTTP, read
back, booked and issued, all at one event with one ticket type. And the books: transactions a second
beside bare inserts of as many rows.

The sandbox is a process of its own and approves at once; its callbacks are left out, so each order
is read once. Figures only; what they should be stands with the budgets.
"""

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import uvloop
from sqlalchemy import text

from shared.ids import EventId, OrganizerId
from sync_server.composition import EMBEDDED_DATABASE, open_services
from sync_server.kit.claims import WORKER
from sync_server.kit.embedded_postgres import ADMINISTRATOR, start_embedded_postgres
from sync_server.kit.services import Services
from sync_server.ledger import service as ledger
from sync_server.ledger.postings import capture
from sync_server.orders import service
from sync_server.orders.paying import payment_flow
from sync_server.orders.schemas import PaymentWanted
from sync_server.payments.rules import PaymentState, Provider
from sync_server.settings import Settings
from tests.bench.server import free_port
from tests.factories.ledger import a_sale
from tests.factories.orders import a_request, add_fees, an_order, put_on_sale
from tests.factories.tenants import make_event, make_tenant
from tests.plugins.postgres import connected

ORDERS: Final = 1_000
BUYERS: Final = 8
PROCESSES: Final = 4
ROUNDS: Final = 3
TRANSACTIONS: Final = 1_000
_MILLISECONDS: Final = 1_000
_BARE_TABLES: Final = (
    """
    CREATE TABLE bare_headers (organizer_id uuid, id uuid, kind text, idem_key text,
        request_hash bytea, n_lines bigint, occurred_at timestamptz,
        PRIMARY KEY (organizer_id, id))
    """,
    """
    CREATE TABLE bare_lines (organizer_id uuid, txn_id uuid, line_no bigint, account text,
        currency text, amount bigint, PRIMARY KEY (organizer_id, txn_id, line_no))
    """,
    "GRANT INSERT, SELECT ON bare_headers, bare_lines TO zeraket_worker",
)
_BARE: Final = text("""
    WITH header AS (
        INSERT INTO bare_headers VALUES (:organizer, gen_random_uuid(), 'capture', :key,
            sha256('x'), 4, now())
        RETURNING organizer_id, id
    )
    INSERT INTO bare_lines
    SELECT organizer_id, id, line_no, account, 'UGX', amount FROM header, (VALUES
        (1, 'provider_clearing', 100000), (2, 'organizer_pending', -94100),
        (3, 'platform_fee', -5000), (4, 'tax_on_fees', -900)) AS line (line_no, account, amount)
""")


@dataclass(frozen=True, slots=True)
class _Stall:
    """What is sold, and where it is paid."""

    folder: str
    organizer_id: str
    event_id: str
    type_id: str
    sandbox_url: str

    @property
    def settings(self) -> Settings:
        return _settings(Path(self.folder), self.sandbox_url)


def _settings(folder: Path, sandbox_url: str) -> Settings:
    key = "sandbox-api-key"
    user = "c72025f5-5cd1-4630-99e4-8ba4722fad56"
    return Settings.model_validate(
        {
            "data_directory": folder / "data",
            "database_connections_max": 2 * BUYERS,
            "slow_query_milliseconds": 0,
            # Nothing listens there: what would be called back is read.
            "public_url": "http://127.0.0.1:9",
            "mtn_base_url": sandbox_url,
            "mtn_collection_subscription_key": "collection-key",
            "mtn_collection_api_user": user,
            "mtn_collection_api_key": key,
            "mtn_disbursement_subscription_key": "disbursement-key",
            "mtn_disbursement_api_user": user,
            "mtn_disbursement_api_key": key,
        }
    )


def measure(*, quick: bool = False) -> dict[str, Any]:
    """Measure all three; two minutes or so."""
    with tempfile.TemporaryDirectory(prefix="zeraket-bench-") as folder, _sandbox() as url:
        # PostgreSQL runs as a user of its own and must be able to walk in.
        Path(folder).chmod(0o711)
        share = 10 if quick else 1
        return asyncio.run(_measure(Path(folder), url, share))


@contextmanager
def _sandbox() -> Iterator[str]:
    """MTN's sandbox in a process of its own, whose payers say yes at once."""
    port = free_port()
    command = [sys.executable, "-m", "sync_server", "sandbox", "mtn", "--approve"]
    sandbox = subprocess.Popen(
        [*command, "--port", str(port)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert sandbox.stdout is not None
    try:
        # It speaks once its port is open.
        sandbox.stdout.readline()
        yield f"http://127.0.0.1:{port}"
    finally:
        sandbox.terminate()
        sandbox.wait()


async def _measure(folder: Path, url: str, share: int) -> dict[str, Any]:
    async with open_services(_settings(folder, url)) as services:
        tenant = await make_tenant(services)
        event_id = await make_event(services, tenant)
        type_id = await put_on_sale(services, tenant, event_id, quantity=1_000_000)
        await add_fees(services, tenant)
        stall = _Stall(str(folder), str(tenant.organizer_id), str(event_id), str(type_id), url)
        books = await _books(services, folder, tenant.organizer_id, TRANSACTIONS // share)
        await asyncio.to_thread(_in_processes, stall, 1, BUYERS * 4)
        await _gather_statistics(folder)
        alone = await _median(stall, 1, ORDERS // share)
        together = await _median(stall, PROCESSES, ORDERS // share)
    return {
        "cores": os.cpu_count(),
        "orders": ORDERS // share,
        "paid_orders_per_second": alone["per_second"],
        "order_processor_ms": alone["processor_ms"],
        "place_p50_ms": alone["place_p50_ms"],
        "paid_orders_per_second_in_four": together["per_second"],
        **books,
    }


async def _gather_statistics(folder: Path) -> None:
    """What PostgreSQL does by itself within a minute of the first sales: without statistics it may
    walk all orders of an organizer to find one.
    """
    # The services of this process hold it open, and end it.
    embedded = await asyncio.to_thread(start_embedded_postgres, folder / "data")
    async with connected(embedded.url(ADMINISTRATOR, EMBEDDED_DATABASE)) as administrator:
        await administrator.execute(text("ANALYZE"))


async def _median(stall: _Stall, processes: int, orders: int) -> dict[str, Any]:
    """The middle one of some rounds: the machine is shared."""
    rounds = [
        await asyncio.to_thread(_in_processes, stall, processes, orders) for _ in range(ROUNDS)
    ]
    return sorted(rounds, key=itemgetter("per_second"))[ROUNDS // 2]


def _in_processes(stall: _Stall, processes: int, orders: int) -> dict[str, Any]:
    """Sell from so many processes at once; what each waits to begin is not counted."""
    command = [sys.executable, "-m", "tests.bench.orders", json.dumps(_as_dict(stall))]
    running = [
        subprocess.Popen(
            [*command, str(orders // processes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(processes)
    ]
    for each in running:
        assert each.stdout is not None
        each.stdout.readline()
    begun = time.perf_counter()
    for each in running:
        assert each.stdin is not None
        each.stdin.write("begin\n")
        each.stdin.flush()
    told = [json.loads(each.communicate()[0]) for each in running]
    seconds = max(each["ended"] for each in told) - begun
    sold = sum(each["sold"] for each in told)
    if sold != orders // processes * processes:
        message = f"{sold} of {orders} orders were paid"
        raise RuntimeError(message)
    return {
        "per_second": round(sold / seconds),
        "processor_ms": round(sum(each["processor"] for each in told) / sold * _MILLISECONDS, 1),
        "place_p50_ms": round(statistics.median(each["place_p50_ms"] for each in told), 1),
    }


def _as_dict(stall: _Stall) -> dict[str, str]:
    return {name: getattr(stall, name) for name in _Stall.__slots__}


async def _sell(stall: _Stall, orders: int) -> dict[str, Any]:
    """Say that all is ready, wait for the word, and sell."""
    async with open_services(stall.settings) as services:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        processor = time.process_time()
        places: list[float] = []
        left = iter(range(orders))
        sold = await asyncio.gather(*(_buyer(services, stall, left, places) for _ in range(BUYERS)))
        ended = time.perf_counter()
    return {
        "sold": sum(sold),
        "ended": ended,
        "processor": time.process_time() - processor,
        "place_p50_ms": statistics.median(places) * _MILLISECONDS,
    }


async def _buyer(
    services: Services, stall: _Stall, left: Iterator[int], places: list[float]
) -> int:
    """Buy one order after the other, each paid before the next."""
    event = (OrganizerId(UUID(stall.organizer_id)), EventId(UUID(stall.event_id)))
    flow, sold = payment_flow(services), 0
    for _ in left:
        wanted = an_order(UUID(stall.type_id), payment=PaymentWanted(provider=Provider.MTN))
        begun = time.perf_counter()
        placed = await service.place_order(a_request(services), event, wanted, None)
        places.append(time.perf_counter() - begun)
        payment = await flow.refresh(placed.payments[0].id)
        sold += payment.state is PaymentState.SUCCEEDED
    return sold


async def _books(
    services: Services, folder: Path, organizer_id: OrganizerId, transactions: int
) -> dict[str, Any]:
    """One transaction after the other, on one connection, with and without the books' promises."""
    # The services of this process hold it open, and end it.
    embedded = await asyncio.to_thread(start_embedded_postgres, folder / "data")
    async with connected(embedded.url(ADMINISTRATOR, EMBEDDED_DATABASE)) as administrator:
        for statement in _BARE_TABLES:
            await administrator.execute(text(statement))
    posted = await _timed(services, organizer_id, transactions, books=True)
    bare = await _timed(services, organizer_id, transactions, books=False)
    return {
        "transactions_per_second": round(transactions / posted),
        "bare_inserts_per_second": round(transactions / bare),
        "books_to_bare": round(bare / posted, 2),
    }


async def _timed(
    services: Services, organizer_id: OrganizerId, transactions: int, *, books: bool
) -> float:
    begun = time.perf_counter()
    for number in range(transactions):
        async with services.database.transaction(WORKER) as session:
            if books:
                await ledger.post(
                    session, services, organizer_id, capture(a_sale(f"bench-{number}"))
                )
            else:
                values = {"organizer": organizer_id, "key": f"bench-{number}"}
                await session.execute(_BARE, values)
    return time.perf_counter() - begun


if __name__ == "__main__":
    # The loop that the server runs on.
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        stall_given = _Stall(**json.loads(sys.argv[1]))
        print(json.dumps(runner.run(_sell(stall_given, int(sys.argv[2])))))
