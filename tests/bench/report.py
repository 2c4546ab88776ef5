"""Runs the measurements one after the other, each in a process of its own so that memory and caches
do not mix, prints a table and writes JSON. A missed budget is said, and is no failure.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from shared.clock import MILLISECONDS_PER_SECOND, system_clock
from tests.bench.budgets import BUDGETS, Line, lines_of, remarks_on
from tests.bench.machine import describe_machine

_ROOT: Final = Path(__file__).resolve().parents[2]
_RESULT: Final = _ROOT / ".demo" / "bench.json"


def main() -> int:
    """Measure, print, write; exit code 1 only where a measurement itself failed."""
    options = _options()
    report = _measure_all(options.only or list(BUDGETS), options.date, quick=options.quick)
    text = json.dumps(report, indent=2) + "\n"
    for path in filter(None, (_RESULT, options.copy)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(f"written to {path}")
    return 1 if report["failed"] else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description="Measure what has a budget.")
    parser.add_argument("copy", nargs="?", type=Path, help="where to write the JSON as well")
    parser.add_argument("--only", action="append", choices=BUDGETS, help="measure this part only")
    parser.add_argument("--quick", action="store_true", help="measure less, and less surely")
    parser.add_argument("--date", default=_now(), help="the date to write into the report")
    return parser.parse_args()


def _now() -> str:
    seconds = system_clock().now_ms() // MILLISECONDS_PER_SECOND
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def _measure_all(names: list[str], date: str, *, quick: bool) -> dict[str, Any]:
    machine = describe_machine(os.environ.get("BENCH_FOLDER"))
    _print_machine(machine)
    results: dict[str, Any] = {}
    lines: list[Line] = []
    for name in names:
        result = _measure(name, quick=quick)
        if result is not None:
            results[name] = result
            lines += _print_part(name, result)
    missed = [line.what for line in lines if not line.kept]
    print(f"\n{len(lines) - len(missed)} of {len(lines)} budgets kept")
    return {
        "date": date,
        "quick": quick,
        "machine": machine,
        "lines": [asdict(line) for line in lines],
        "missed": missed,
        "failed": [name for name in names if name not in results],
        "parts": results,
    }


def _measure(name: str, *, quick: bool) -> dict[str, Any] | None:
    """Measure in a fresh process; None where that failed, which is said."""
    print(f"\nmeasuring: {name} ...", flush=True)
    command = [sys.executable, "-m", "tests.bench.part", name, *(["--quick"] if quick else [])]
    environment: Mapping[str, str] = os.environ | {"PYTHONPATH": str(_ROOT)}
    ran = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    if ran.returncode != 0:
        print(f"{name} could not be measured")
        return None
    result: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return result


def _print_machine(machine: dict[str, Any]) -> None:
    fsync = machine["fsync_ms"]
    print(
        f"{machine['cpu']}, {machine['cores']} cores, {machine['system']},"
        f" Python {machine['python']}, PostgreSQL {machine['postgresql']}\n"
        f"load {machine['load_before'][0]}; a page on disk (fsync): p50 {fsync['p50']} ms,"
        f" p99 {fsync['p99']} ms"
    )


def _print_part(name: str, result: dict[str, Any]) -> list[Line]:
    lines = lines_of(name, result)
    for line in lines:
        sign = "≥" if line.at_least else "≤"
        figure, limit = f"{line.figure:,.5g} {line.unit}", f"{sign} {line.limit:,g} {line.unit}"
        print(f"  {line.what:<46} {figure:>14} {limit:>14}   {line.verdict}")
    for remark in remarks_on(name, result):
        print(f"  {remark}")
    return lines


if __name__ == "__main__":
    sys.exit(main())
