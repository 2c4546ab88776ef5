"""From the first readable frame that leaves a camera to the verdict painted in the kiosk's window:
the real program, on one core as it is and on the same core made six times slower.

Qt draws in memory with its software renderer, as on a kiosk without a graphics driver; a screen's
own delay is not in it.
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import cv2

from tests.bench.gate import (
    Event,
    KioskProgram,
    NoAnswerError,
    RunningKiosk,
    is_watching,
    make_gate,
    running,
)
from tests.bench.slowing import measure_slowing, slowed, way_of_slowing
from tests.bench.spread import NANOSECONDS_PER_MILLISECOND, spread
from tests.bench.stage import FRAMES_PER_SECOND, Stage

TIMES_SLOWER: Final = 6
VISITORS: Final = 60
WARM_UP: Final = 5
_PATIENCE_SECONDS: Final = 20


def measure(*, quick: bool) -> dict[str, object]:
    """Measure; milliseconds."""
    visitors = VISITORS // 6 if quick else VISITORS
    cv2.setNumThreads(1)
    folder = Path(tempfile.mkdtemp(prefix="bench-screen-", dir=os.environ.get("BENCH_FOLDER")))
    core = min(os.sched_getaffinity(0))
    try:
        state = folder / "state"
        anchored_ns = make_gate(state)
        stage = Stage(anchored_ns)
        program = KioskProgram(state, stage.camera.url, core)
        with stage.camera:
            at_full_speed = _measure_kiosk(program, stage, visitors, times=1)
            when_slowed = _measure_kiosk(program, stage, visitors, times=TIMES_SLOWER)
        return {
            "name": "first readable frame to verdict on screen",
            "renderer": "Qt Quick software, offscreen, 1024x600",
            "frames_per_second": FRAMES_PER_SECOND,
            "slowing": f"{way_of_slowing()} to 1/{TIMES_SLOWER} of one core",
            "slowing_measured": measure_slowing(TIMES_SLOWER, core),
            "full_speed": at_full_speed,
            "six_times_slower": when_slowed,
        }
    finally:
        shutil.rmtree(folder)


def _measure_kiosk(
    program: KioskProgram, stage: Stage, visitors: int, times: int
) -> dict[str, object]:
    decided, shown, kiosk_side = [], [], []
    with running(program) as kiosk, ExitStack() as slow:
        kiosk.wait_for(is_watching, 60)
        used, begun_ns = kiosk.processor_seconds(), time.monotonic_ns()
        for number in range(WARM_UP + visitors):
            if number == WARM_UP and times > 1:
                slow.enter_context(slowed(kiosk.process_id, times))
                used, begun_ns = kiosk.processor_seconds(), time.monotonic_ns()
            latencies = _one_visitor(stage, kiosk)
            if number >= WARM_UP:
                decided.append(latencies[0])
                shown.append(latencies[1])
                kiosk_side.append(latencies[2])
        used = (kiosk.processor_seconds() - used) * 1e9 / (time.monotonic_ns() - begun_ns)
    return {
        "camera_to_screen": spread(shown),
        "camera_to_verdict": spread(decided),
        "arrival_to_screen": spread(kiosk_side),
        "processor_share": round(used, 3),
    }


def _one_visitor(stage: Stage, kiosk: RunningKiosk) -> tuple[float, float, float]:
    """Give milliseconds from the camera to the verdict and to the screen, and from arrival."""
    visitor = stage.next_visitor()
    stage.empty()
    stage.camera.present(visitor.frames)
    verdict = kiosk.wait_for(visitor.is_judged_in, _PATIENCE_SECONDS)
    shown = kiosk.wait_for(_shows(verdict), _PATIENCE_SECONDS)
    first_ns = stage.camera.first_sent_ns
    admitted = verdict["verdict"].startswith("ADMIT")  # Alone and offline, provisionally.
    if not admitted or first_ns is None:
        message = f"a valid ticket was not admitted: {verdict}"
        raise NoAnswerError(message)
    on_screen_ms = (shown["shown_at_ns"] - first_ns) / NANOSECONDS_PER_MILLISECOND
    after_verdict_ms = shown["latency_ms"] - verdict["latency_ms"]
    return on_screen_ms - after_verdict_ms, on_screen_ms, shown["latency_ms"]


def _shows(verdict: Event) -> Callable[[Event], bool]:
    wanted = ("shown", verdict["scan_id"])
    return lambda event: (event["event"], event.get("scan_id")) == wanted
