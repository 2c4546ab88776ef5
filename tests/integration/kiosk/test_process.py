"""The kiosk as the program it is: started, watched through its JSON lines, told to stop."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID

import pytest

from scanner_app.bootstrap.gate_worker import WAITED_MS_MAX
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.store.files import StoreFiles
from scanner_app.store.keyring import KEY_FILE
from scanner_app.store.kiosk_store import KioskStore
from scanner_app.store.sync_side import SyncSide
from shared.clock import SystemClock
from tests.factories.admission import NOW_MS
from tests.factories.kiosk_store import STORE_KEY, an_enrolment, make_store
from tests.factories.snapshots import SnapshotContent
from tests.factories.visitors import visitor_codes, visitor_tickets

PROGRAM = Path(sys.executable).parent / "zeraket-gate"
STOP_SECONDS = 20
BOOT_ID_FILE = Path("/proc/sys/kernel/random/boot_id")


class KioskProcess:
    def __init__(self, directory: Path, camera: str, environment: str) -> None:
        self.process = subprocess.Popen(
            [PROGRAM, "run", "--headless", "--json", "--camera", camera, "--state", directory],
            env=os.environ | {"ZERAKET_GATE_ENVIRONMENT": environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def next(self, **wanted: object) -> dict[str, Any]:
        """Read on until an event has these values."""
        assert self.process.stdout is not None
        events: Iterator[dict[str, Any]] = map(json.loads, self.process.stdout)
        return next(event for event in events if wanted.items() <= event.items())

    def end(self) -> tuple[int, str]:
        """Wait for the end; give the exit code and what was complained of."""
        _, complaints = self.process.communicate(timeout=STOP_SECONDS)
        return self.process.returncode, complaints


Run = Callable[..., KioskProcess]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started: list[KioskProcess] = []

    def run_one(camera: str = "simulator:nobody", environment: str = "development") -> KioskProcess:
        started.append(KioskProcess(tmp_path, camera, environment))
        return started[-1]

    yield run_one
    for kiosk in started:
        kiosk.process.kill()
        kiosk.process.communicate()


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_a_new_kiosk_waits_to_be_enrolled_and_ends_when_told_to(
    run: Run, ending: signal.Signals
) -> None:
    kiosk = run()
    kiosk.next(event="status", phase="awaiting_enrolment")
    kiosk.process.send_signal(ending)
    code, complaints = kiosk.end()
    assert code == 0
    assert "Traceback" not in complaints


def test_it_ends_in_order_even_when_told_to_before_it_has_begun(run: Run) -> None:
    kiosk = run()
    kiosk.next(event="status", phase="starting")
    kiosk.process.send_signal(signal.SIGTERM)
    assert kiosk.end()[0] == 0


@pytest.mark.parametrize(
    ("camera", "environment", "words"),
    [
        ("elephant", "development", "'elephant' is no camera specification"),
        ("simulator:elephant", "development", "elephant"),
        ("device:0?colour=blue", "development", "colour"),
        ("simulator:nobody", "production", "simulated camera"),
    ],
)
def test_a_camera_it_cannot_work_with_ends_it_with_a_message(
    run: Run, camera: str, environment: str, words: str
) -> None:
    code, complaints = run(camera, environment).end()
    assert code == 2
    assert words in complaints
    assert "Traceback" not in complaints


def test_a_second_kiosk_on_the_same_store_says_so(run: Run) -> None:
    run().next(event="status", phase="awaiting_enrolment")
    second = run()
    assert second.next(event="status", phase="fault")["fault"] is None
    second.process.send_signal(signal.SIGTERM)
    assert "store_in_use" in second.end()[1]


def prepare(directory: Path, codes: int) -> None:
    make_store(directory, SnapshotContent(tickets=visitor_tickets(codes)))
    (directory / KEY_FILE).write_bytes(STORE_KEY)
    (directory / KEY_FILE).chmod(0o600)
    side = SyncSide(StoreFiles(directory, STORE_KEY))
    side.enrolment.save_enrolment(an_enrolment(server_address="http://127.0.0.1:1"))
    boot_id = UUID(BOOT_ID_FILE.read_text().strip())
    side.times.save_anchor(TimeAnchor(NOW_MS, SystemClock().boottime_ns(), 0, boot_id))
    side.close()


def test_a_phone_held_up_before_the_gate_can_judge_is_judged_when_it_can(
    run: Run, tmp_path: Path
) -> None:
    prepare(tmp_path, 1)
    (tmp_path / KEY_FILE).chmod(0o644)
    kiosk = run(f"simulator:phone?text={quote(visitor_codes(1)[0])}")
    kiosk.next(event="status", fault="key_file_exposed", camera="working")
    # Longer than a code waits for its verdict.
    threading.Event().wait(WAITED_MS_MAX / 1_000 + 1)
    (tmp_path / KEY_FILE).chmod(0o600)
    assert kiosk.next(event="verdict")["verdict"] == "ADMIT_PROVISIONAL"


def test_a_phone_before_the_camera_is_admitted_offline_and_journaled(
    run: Run, tmp_path: Path
) -> None:
    prepare(tmp_path, 1)
    kiosk = run(f"simulator:phone?text={quote(visitor_codes(1)[0])}")
    verdict = kiosk.next(event="verdict")
    assert (verdict["verdict"], verdict["journaled"]) == ("ADMIT_PROVISIONAL", True)
    kiosk.process.send_signal(signal.SIGTERM)
    assert kiosk.end()[0] == 0
    store = KioskStore.open(tmp_path, STORE_KEY)
    assert store.verify().seq == 1
    store.close()
