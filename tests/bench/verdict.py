"""How long a gate takes from the text of a code to a verdict that is on disk, and to start.

Real codes, real SQLCipher files, the real session; only the lamp is left out.
"""

import gc
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from scanner_app.gate.gate_time import TimeReading
from scanner_app.gate.gather import GateConditions
from scanner_app.gate.ports import EventKnowledge, GatePost
from scanner_app.gate.session import GateSession, Judgement
from scanner_app.store.kiosk_store import KioskStore
from shared.clock import SystemClock
from shared.credentials.holding import show_code
from shared.credentials.layout import SyncAge
from shared.ids import TicketId, to_signed_64
from tests.factories.admission import DEVICE, GATE, NOW_MS
from tests.factories.credentials import COUNTER, EventKeys, P256Holder, a_core
from tests.factories.journal import BOOT_ID
from tests.factories.kiosk_store import STORE_KEY, make_store
from tests.factories.snapshots import SnapshotContent, SnapshotTicket

SMALL: Final = 100_000
LARGE: Final = 1_000_000
SCANS: Final = 3_000
WARM_UP: Final = 200
_SPREAD: Final = 0x9E3779B97F4A7C15
"""Multiplying by this odd number spreads ids over 64 bits, each once."""
P50_MS_MAX: Final = 1.5
P99_MS_MAX: Final = 5.0
LARGE_RATIO_MAX: Final = 1.2
OPEN_SECONDS_MAX: Final = 2.5
MEMORY_MB_MAX: Final = 300


class NoLamp:
    """Moves nothing."""

    def actuate(self, judgement: Judgement) -> None:
        """Do nothing: what counts is how long it takes to be allowed to."""


def measure() -> dict[str, object]:
    """Measure both sizes in one folder on the disk that the tests use; milliseconds unless said."""
    folder = Path(tempfile.mkdtemp(prefix="bench-verdict-", dir=os.environ.get("BENCH_FOLDER")))
    try:
        stores = {count: folder / str(count) for count in (SMALL, LARGE)}
        for count, store in stores.items():
            make_store(store, SnapshotContent(tickets=_tickets(count)))
        small, large = _verdicts(stores)
        ratio = _number(large, "p50") / _number(small, "p50")
        start = _measure_start(stores[SMALL])
        return {
            "name": "text to durable verdict",
            "cores": os.cpu_count(),
            "scans": SCANS,
            "tickets_100k": small,
            "tickets_1m": large,
            "p50_ratio_1m_to_100k": round(ratio, 3),
            "start_100k": start,
            "within_budget": {
                "p50": _number(small, "p50") <= P50_MS_MAX,
                "p99": _number(small, "p99") <= P99_MS_MAX,
                "ratio": ratio <= LARGE_RATIO_MAX,
                "start": _number(start, "open_seconds") <= OPEN_SECONDS_MAX,
                "memory": _number(start, "memory_mb") <= MEMORY_MB_MAX,
            },
        }
    finally:
        shutil.rmtree(folder)


def _number(figures: dict[str, float], name: str) -> float:
    return figures[name]


def _ticket_id(number: int) -> TicketId:
    return TicketId((number + 1) * _SPREAD % 2**64)


def _tickets(count: int) -> Iterator[SnapshotTicket]:
    holder = P256Holder().key
    core = a_core()
    # In the order of the file's keys, which makes writing it fast.
    for ticket_id in sorted(map(_ticket_id, range(count)), key=to_signed_64):
        yield SnapshotTicket(core=replace(core, ticket_id=ticket_id), holder=holder)


def _verdicts(stores: dict[int, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Scan in both stores by turns, so that what else the machine does falls on both alike."""
    opened = {count: KioskStore.open(path, STORE_KEY) for count, path in stores.items()}
    times: dict[int, list[int]] = {count: [] for count in stores}
    try:
        gates = {count: _Gate(store, count) for count, store in opened.items()}
        gc.collect()
        for number in range(WARM_UP + SCANS):
            for count, gate in gates.items():
                times[count].append(gate.scan(number))
    finally:
        for store in opened.values():
            store.close()
    small, large = (_figures(times[count][WARM_UP:]) for count in (SMALL, LARGE))
    return small, large


class _Gate:
    """A gate with its visitors, each with a code of their own, shown once."""

    def __init__(self, store: KioskStore, ticket_count: int) -> None:
        clock = SystemClock()
        self._store = store
        self._session = GateSession(
            GatePost(DEVICE, GATE, BOOT_ID), store.gate_store(), NoLamp(), clock, os.urandom
        )
        self._conditions = GateConditions(TimeReading(NOW_MS, 20))
        step = ticket_count // (WARM_UP + SCANS)
        self._codes = [_code(_ticket_id(number * step)) for number in range(WARM_UP + SCANS)]

    def scan(self, number: int) -> int:
        """Give how long one verdict took, nanoseconds."""
        text = self._codes[number]
        begun = time.perf_counter_ns()
        judgement = self._session.judge(text, self._known(), self._conditions)
        ended = time.perf_counter_ns()
        if not judgement.admitted:
            message = f"a valid ticket was refused: {judgement.verdict}"
            raise RuntimeError(message)
        return ended - begun

    def _known(self) -> EventKnowledge:
        knowledge = self._store.knowledge()
        if knowledge is None:
            message = "the store has no snapshot"
            raise RuntimeError(message)
        return knowledge


def _code(ticket_id: TicketId) -> str:
    held = EventKeys().reference(a_core(ticket_id=ticket_id))
    return show_code(held, P256Holder(), COUNTER, SyncAge.UNDER_ONE_HOUR)


def _figures(nanoseconds: list[int]) -> dict[str, float]:
    ordered = sorted(nanoseconds)

    def at(share: float) -> float:
        return round(ordered[int(len(ordered) * share)] / 1e6, 3)

    return {"p50": at(0.50), "p95": at(0.95), "p99": at(0.99), "max": at(1 - 1 / len(ordered))}


def _measure_start(store: Path) -> dict[str, float]:
    """Open a store in a fresh process, whose memory nothing else has used."""
    program = f"from tests.bench.verdict import print_start; print_start({str(store)!r})"
    answer = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def print_start(store: str) -> None:
    """Print how long it took to open a store, and the process's memory afterwards."""
    begun = time.perf_counter_ns()
    opened = KioskStore.open(Path(store), STORE_KEY)
    seconds = (time.perf_counter_ns() - begun) / 1e9
    # Not getrusage: its highest mark is that of the process this one was forked from.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    memory_mb = int(status.partition("VmHWM:")[2].split()[0]) / 1024
    opened.close()
    print(json.dumps({"open_seconds": round(seconds, 3), "memory_mb": round(memory_mb, 1)}))


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
