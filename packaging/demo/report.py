"""What the demonstration found: a line for every step, printed as a table and kept as JSON."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Final, TextIO

_HEADINGS: Final = ("step", "expected", "seen", "verdict ms", "total ms", "")


@dataclass(frozen=True)
class Step:
    """One thing that had to hold. Verdict time is from the first readable frame to the decision,
    total time from stepping in front of the camera.
    """

    name: str
    expected: str
    seen: str
    verdict_ms: float | None = None
    total_ms: int | None = None
    picture: str | None = None
    """The screenshot that the kiosk took of it."""

    @property
    def held(self) -> bool:
        return self.seen == self.expected


@dataclass(frozen=True)
class Table:
    """What is shown below the steps: numbers that belong together."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __str__(self) -> str:
        return f"{self.title}\n{_columns((self.headings, *self.rows))}"


@dataclass
class Report:
    """All steps of one run, and what it left in the books."""

    steps: list[Step] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)

    @property
    def all_held(self) -> bool:
        return bool(self.steps) and all(step.held for step in self.steps)

    def add(self, step: Step, output: TextIO) -> None:
        self.steps.append(step)
        mark = "ok " if step.held else "NOT"
        seen = step.seen if step.held else f"{step.seen} (expected {step.expected})"
        print(f"  {mark} {step.name}: {seen}", file=output, flush=True)

    def check(self, name: str, output: TextIO, *, held: bool) -> None:
        """Add a step that is either true or not."""
        self.add(Step(name, "yes", "yes" if held else "no"), output)

    def write(self, path: Path) -> None:
        document = {
            "all_held": self.all_held,
            "verdict_ms_median": self._verdict_ms(median),
            "verdict_ms_max": self._verdict_ms(max),
            "steps": [{**asdict(step), "held": step.held} for step in self.steps],
            "tables": [asdict(table) for table in self.tables],
        }
        path.write_text(json.dumps(document, indent=2) + "\n")

    def table(self) -> str:
        """Lay the steps out in columns."""
        return _columns((_HEADINGS, *(_row(step) for step in self.steps)))

    def summary(self) -> str:
        """Say in a few words how it went."""
        held = sum(step.held for step in self.steps)
        said = f"{held} of {len(self.steps)} steps held."
        middle, longest = self._verdict_ms(median), self._verdict_ms(max)
        if middle is None:
            return said
        return f"{said} From readable frame to verdict: median {middle} ms, longest {longest} ms."

    def _verdict_ms(self, choose: Callable[[list[float]], float]) -> float | None:
        times = [step.verdict_ms for step in self.steps if step.verdict_ms is not None]
        return round(choose(times), 1) if times else None


def _row(step: Step) -> tuple[str, ...]:
    verdict_ms = "" if step.verdict_ms is None else f"{step.verdict_ms:.1f}"
    total_ms = "" if step.total_ms is None else str(step.total_ms)
    mark = "ok" if step.held else "FAILED"
    return (step.name, step.expected, step.seen, verdict_ms, total_ms, mark)


def _columns(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
