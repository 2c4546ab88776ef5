"""A kiosk whose disk fills up refuses as a device in trouble, says so, and goes on by itself."""

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scanner_app.bootstrap.gate_worker import JudgedCode
from scanner_app.bootstrap.kiosk import Kiosk, KioskPlan
from scanner_app.gate.gate_time import TimeAnchor
from scanner_app.gate.kiosk import Fault, KioskPhase, KioskStatus
from scanner_app.peripherals.code_source import ShownCode
from scanner_app.store.files import StoreFiles
from scanner_app.store.keyring import KEY_FILE
from scanner_app.store.sync_side import SyncSide
from shared.clock import SystemClock
from tests.factories.admission import NOW_MS
from tests.factories.kiosk_parts import KioskListener
from tests.factories.kiosk_store import STORE_KEY, an_enrolment, make_store
from tests.factories.snapshots import SnapshotContent
from tests.factories.sync import BOOT, a_machine
from tests.factories.visitors import visitor_codes, visitor_tickets

DISK_BYTES = 3_000_000
PAGE_BYTES = 4_096
CODES = visitor_codes(200)
CLOCK = SystemClock()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own; only root may mount one."""
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(tmp_path)],  # noqa: S607
        check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        pytest.skip("mounting a small disk takes root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607


@pytest.fixture
def listener() -> KioskListener:
    return KioskListener()


@pytest.fixture
def kiosk(small_disk: Path, listener: KioskListener) -> Iterator[Kiosk]:
    make_store(small_disk, SnapshotContent(tickets=visitor_tickets(len(CODES))))
    (small_disk / KEY_FILE).write_bytes(STORE_KEY)
    (small_disk / KEY_FILE).chmod(0o600)
    side = SyncSide(StoreFiles(small_disk, STORE_KEY))
    side.enrolment.save_enrolment(an_enrolment(server_address="http://127.0.0.1:1"))
    side.times.save_anchor(TimeAnchor(NOW_MS, CLOCK.boottime_ns(), 0, BOOT))
    side.close()
    plan = KioskPlan(small_disk, "simulator:nobody", production=False, kiosk_name="North 1")
    kiosk = Kiosk(plan, a_machine(), listener, lambda _: None)
    kiosk.start()
    listener.log.wait_for(KioskStatus, lambda status: status.phase is KioskPhase.SCANNING)
    yield kiosk
    kiosk.stop()


def verdict_on(kiosk: Kiosk, listener: KioskListener, text: str) -> str:
    code = ShownCode(text, CLOCK.monotonic_ns(), "hand scanner")
    kiosk.submit(code)
    judged = listener.log.wait_for(JudgedCode, lambda judged: judged.code is code)
    return judged.judgement.verdict.code


def test_a_full_disk_is_a_device_error_until_there_is_room(
    kiosk: Kiosk, listener: KioskListener, small_disk: Path
) -> None:
    with suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(PAGE_BYTES))
    verdicts = [verdict_on(kiosk, listener, code) for code in CODES[:-1]]
    assert set(verdicts) <= {"ADMIT_PROVISIONAL", "DEVICE_ERROR"}
    assert verdicts[-1] == "DEVICE_ERROR"
    status = listener.log.wait_for(KioskStatus, lambda status: status.fault is Fault.DISK_FULL)
    assert status.phase is KioskPhase.SCANNING
    (small_disk / "filler").unlink()
    assert verdict_on(kiosk, listener, CODES[-1]) == "ADMIT_PROVISIONAL"
    listener.log.wait_until(lambda: kiosk.status.fault is None)
