"""From starting the kiosk's program to scanning with a camera, and its memory after 100 scans.

Cold means that the files of the program and the store were dropped from the system's memory first,
which takes no privilege; warm is the start after that.
"""

import os
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Final

import cv2

from tests.bench.gate import (
    TICKETS,
    KioskProgram,
    RunningKiosk,
    is_scanning,
    is_watching,
    make_gate,
    running,
)
from tests.bench.stage import Stage

SCANS: Final = 100
STARTS: Final = 5
_PATIENCE_SECONDS: Final = 60
_ROOT: Final = Path(__file__).resolve().parents[2]
_PROGRAM_FOLDERS: Final = (
    Path(sysconfig.get_path("platlib")),
    Path(sysconfig.get_path("stdlib")),
    _ROOT / "scanner_app",
    _ROOT / "hardware",
    _ROOT / "shared",
)


def measure(*, quick: bool) -> dict[str, object]:
    """Measure; seconds and megabytes."""
    cv2.setNumThreads(1)
    folder = Path(tempfile.mkdtemp(prefix="bench-start-", dir=os.environ.get("BENCH_FOLDER")))
    try:
        state = folder / "state"
        stage = Stage(make_gate(state))
        with stage.camera:
            window = KioskProgram(state, stage.camera.url)
            headless = KioskProgram(state, stage.camera.url, headless=True)
            return {
                "name": "kiosk start and memory",
                "tickets": TICKETS,
                "cold": [_start(window, cold=True) for _ in range(1 if quick else 2)],
                "warm": [_start(window, cold=False) for _ in range(2 if quick else STARTS)],
                "headless_warm": [_start(headless, cold=False) for _ in range(1 if quick else 2)],
                "memory": _memory(window, stage, SCANS // 5 if quick else SCANS),
                "memory_headless": _memory(headless, stage, SCANS // 5 if quick else SCANS),
            }
    finally:
        shutil.rmtree(folder)


def _start(program: KioskProgram, *, cold: bool) -> dict[str, float]:
    if cold:
        for folder in (*_PROGRAM_FOLDERS, program.state):
            _forget(folder)
    with running(program) as kiosk:
        ready = kiosk.wait_for(is_scanning, _PATIENCE_SECONDS)
        watching = ready if is_watching(ready) else kiosk.wait_for(is_watching, _PATIENCE_SECONDS)
        return {
            "ready_seconds": _since_start(kiosk, ready["heard_ns"]),
            "camera_seconds": _since_start(kiosk, watching["heard_ns"]),
        }


def _memory(program: KioskProgram, stage: Stage, scans: int) -> dict[str, float]:
    with running(program) as kiosk:
        kiosk.wait_for(is_watching, _PATIENCE_SECONDS)
        at_start = kiosk.memory_mb()
        for _ in range(scans):
            visitor = stage.next_visitor()
            stage.camera.present(visitor.frames)
            kiosk.wait_for(visitor.is_judged_in, _PATIENCE_SECONDS)
        return {"scans": scans, "at_start_mb": at_start, "highest_mb": kiosk.memory_mb()}


def _since_start(kiosk: RunningKiosk, at_ns: int) -> float:
    return round((at_ns - kiosk.started_ns) / 1e9, 3)


def _forget(folder: Path) -> None:
    """Drop a folder's files from the page cache; what other programs have mapped stays."""
    if sys.platform != "linux":
        return
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
                os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(descriptor)
