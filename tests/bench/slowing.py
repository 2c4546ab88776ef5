"""Makes a process as slow as on a slower core. Where a control group may be made (as root on Linux)
the system rations its processor time; elsewhere it is stopped and let go on many times a second.

Stopping wakes every thread of the process each time, so by that way figures come out too slow. A
period is short, because within one a process that has waited runs at the core's full speed.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_GROUP_FOLDERS: Final = (Path("/sys/fs/cgroup/cpu"), Path("/sys/fs/cgroup/cpu,cpuacct"))
RATION_PERIOD_US: Final = 6_000
PERIOD_NS: Final = 12_000_000
_SPIN_NS: Final = 400_000
"""Sleeping ends late by less than this; the rest of a wait is watched."""
_CALIBRATION_SECONDS: Final = 3


def way_of_slowing() -> str:
    """Say in words how this machine slows a process."""
    return "stopped and continued" if _find_groups() is None else "rationed by a control group"


@contextmanager
def slowed(process_id: int, times: int) -> Iterator[None]:
    """Let a process have one part in `times` of a core, until the block ends."""
    groups = _find_groups()
    way = _braked(process_id, times) if groups is None else _rationed(groups, process_id, times)
    with way:
        yield


def _find_groups() -> Path | None:
    """Give the folder of control groups for processor time, if groups can be made there."""
    for folder in _GROUP_FOLDERS:
        if os.access(folder, os.W_OK) and (folder / "cgroup.procs").exists():
            return folder
    return None


@contextmanager
def _rationed(groups: Path, process_id: int, times: int) -> Iterator[None]:
    group = groups / f"zeraket-bench-{process_id}"
    group.mkdir()
    try:
        (group / "cpu.cfs_period_us").write_text(str(RATION_PERIOD_US), encoding="ascii")
        ration_us = RATION_PERIOD_US // times
        (group / "cpu.cfs_quota_us").write_text(str(ration_us), encoding="ascii")
        (group / "cgroup.procs").write_text(str(process_id), encoding="ascii")
        yield
    finally:
        # A group can only be taken away when nobody is in it.
        with suppress(ProcessLookupError):
            (groups / "cgroup.procs").write_text(str(process_id), encoding="ascii")
        group.rmdir()


@contextmanager
def _braked(process_id: int, times: int) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.slowing", str(process_id), str(times)]
    brake = subprocess.Popen(command, stdin=subprocess.PIPE)
    try:
        yield
    finally:
        brake.communicate()


def measure_slowing(times: int, core: int) -> float:
    """Say how many times slower a busy process really gets, and what else runs there adds to it."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    os.sched_setaffinity(0, cores)
    try:
        with slowed(busy.pid, times):
            begun_ns, used_ns = time.monotonic_ns(), _run_time_ns(busy.pid)
            time.sleep(_CALIBRATION_SECONDS)
            used_ns = _run_time_ns(busy.pid) - used_ns
            return round((time.monotonic_ns() - begun_ns) / used_ns, 2)
    finally:
        busy.kill()
        busy.wait()


def _run_time_ns(process_id: int) -> int:
    """Give the processor time of a process with one thread."""
    return int(Path(f"/proc/{process_id}/schedstat").read_text(encoding="ascii").split()[0])


def brake(process_id: int, times: int) -> None:
    """Stop and continue a process until the standard input ends; in the end it runs."""
    os.set_blocking(sys.stdin.fileno(), False)
    try:
        while not _input_ended():
            begun_ns = time.monotonic_ns()
            os.kill(process_id, signal.SIGCONT)
            _sleep_until(begun_ns + PERIOD_NS // times)
            os.kill(process_id, signal.SIGSTOP)
            _sleep_until(begun_ns + PERIOD_NS)
    except ProcessLookupError:
        return
    finally:
        _let_go(process_id)


def _let_go(process_id: int) -> None:
    try:
        os.kill(process_id, signal.SIGCONT)
    except ProcessLookupError:
        return


def _input_ended() -> bool:
    try:
        return os.read(sys.stdin.fileno(), 1) == b""
    except BlockingIOError:
        return False


def _sleep_until(due_ns: int) -> None:
    left_ns = due_ns - time.monotonic_ns() - _SPIN_NS
    if left_ns > 0:
        time.sleep(left_ns / 1e9)
    while time.monotonic_ns() < due_ns:
        pass


if __name__ == "__main__":
    brake(int(sys.argv[1]), int(sys.argv[2]))
