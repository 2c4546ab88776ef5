"""A gate killed at any instant has each scan it admitted on disk, once, and admits nobody again."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from threading import Event
from typing import IO, Final

import pytest

from scanner_app.store.database import Row
from scanner_app.store.kiosk_store import KioskStore
from tests.factories.kiosk_store import STORE_KEY, make_store
from tests.factories.snapshots import SnapshotContent
from tests.factories.visitors import visitor_tickets

KILLS: Final = 200
SCANS_MAX: Final = 24
DELAY_SECONDS_MAX: Final = 0.003
REPLAYED: Final = 3
VISITORS: Final = KILLS * (SCANS_MAX + 10)
PROGRAM: Final = Path(__file__).with_name("gate_under_load.py")


def fraction(purpose: str, number: int) -> float:
    """Draw a number from 0 to 1, the same on every run."""
    digest = sha256(f"{purpose} {number}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    make_store(tmp_path / "store", SnapshotContent(tickets=visitor_tickets(VISITORS)))
    return tmp_path / "store"


class Gate:
    """The program that forks one gate after the other."""

    def __init__(self, program: subprocess.Popen[str]) -> None:
        self._program = program

    def run(self, first: int, scans: int, delay_seconds: float) -> list[str]:
        """Let a gate admit some visitors, kill it soon after, and give every scan it told of."""
        print(first, file=pipe(self._program.stdin), flush=True)
        lines = pipe(self._program.stdout)
        process_id = int(lines.readline())
        told = [lines.readline().strip() for _ in range(scans)]
        Event().wait(delay_seconds)
        os.kill(process_id, signal.SIGKILL)
        told += [line.strip() for line in iter(lines.readline, "gone\n")]
        return told


def pipe(stream: IO[str] | None) -> IO[str]:
    assert stream is not None
    return stream


@pytest.fixture
def gate(directory: Path) -> Iterator[Gate]:
    command = [sys.executable, str(PROGRAM), str(directory), str(VISITORS)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
    ) as program:
        yield Gate(program)
        pipe(program.stdin).close()


def rows(store: KioskStore, statement: str) -> list[Row]:
    return store._databases.journal.all(statement)


def test_no_kill_loses_an_admitted_scan_or_admits_a_ticket_twice(
    gate: Gate, directory: Path
) -> None:
    told: list[str] = []
    admitted = 0
    for number in range(KILLS):
        scans = int(fraction("scans", number) * SCANS_MAX)
        delay_seconds = fraction("delay", number) * DELAY_SECONDS_MAX
        told += gate.run(max(0, admitted - REPLAYED), scans, delay_seconds)
        store = KioskStore.open(directory, STORE_KEY)
        journaled = [bytes(row[0]).hex() for row in rows(store, "SELECT scan_id FROM passages")]
        admitted = len(journaled)
        store.close()
        assert set(journaled) >= {scan_id.replace("-", "") for scan_id in told}
    store = KioskStore.open(directory, STORE_KEY)
    twice = rows(store, "SELECT ticket_id FROM passages GROUP BY ticket_id HAVING count(*) > 1")
    (entries,) = rows(store, "SELECT count(*), count(DISTINCT scan_id) FROM entries")[0:1]
    head = store.verify()
    store.close()
    assert twice == []
    assert len(told) == len(set(told))
    assert entries == (head.seq, head.seq)
    assert admitted >= len(told) > KILLS
