"""The only caller of the system clock; everything else is handed a Clock or a time."""

import time
from dataclasses import dataclass
from typing import Final, Protocol

MILLISECONDS_PER_SECOND: Final = 1_000
NANOSECONDS_PER_MILLISECOND: Final = 1_000_000


class Clock(Protocol):
    """Three readings that mean different things: wall time, unbroken time, time since boot."""

    def now_ms(self) -> int:
        """Unix time in milliseconds, as the machine believes it."""
        ...

    def monotonic_ns(self) -> int:
        """Nanoseconds that never go back and stop while the machine sleeps."""
        ...

    def boottime_ns(self) -> int:
        """Nanoseconds since boot, sleep included (CLOCK_BOOTTIME): what gate time runs on."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        """Read the wall clock; never use it for a verdict."""
        return time.time_ns() // NANOSECONDS_PER_MILLISECOND

    def monotonic_ns(self) -> int:
        """Read CLOCK_MONOTONIC."""
        return time.monotonic_ns()

    def boottime_ns(self) -> int:
        """Read CLOCK_BOOTTIME, or CLOCK_MONOTONIC where the system has no such clock."""
        if hasattr(time, "CLOCK_BOOTTIME"):
            return time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        return time.monotonic_ns()


@dataclass(slots=True)
class SettableClock:
    """A clock that moves only when told to, for tests and for replaying what happened."""

    current_ms: int
    elapsed_ns: int = 0

    def now_ms(self) -> int:
        """Say the time that was set."""
        return self.current_ms

    def monotonic_ns(self) -> int:
        """Say how far the clock was advanced."""
        return self.elapsed_ns

    def boottime_ns(self) -> int:
        """Say how far the clock was advanced."""
        return self.elapsed_ns

    def advance(self, milliseconds: int) -> None:
        """Move all three readings forward."""
        self.current_ms += milliseconds
        self.elapsed_ns += milliseconds * NANOSECONDS_PER_MILLISECOND


def system_clock() -> Clock:
    """Give the machine's clock; called in composition roots only."""
    return SystemClock()
