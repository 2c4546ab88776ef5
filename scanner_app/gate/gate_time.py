"""The gate's own time: a signed server time carried forward by CLOCK_BOOTTIME.

The wall clock has no say.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from shared.admission.facts import TIME_GRACE_CAP_MS, TIME_GRACE_MS
from shared.clock import NANOSECONDS_PER_MILLISECOND

DRIFT_PARTS_PER_MILLION: Final = 50
DEGRADED_UNCERTAINTY_MS: Final = TIME_GRACE_CAP_MS - TIME_GRACE_MS
"""Beyond 10 s of uncertainty the grace has reached its cap, and people should know."""
_PARTS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class TimeAnchor:
    """A signed server time, and what this machine's boot clock read when it came in."""

    time_ms: int
    boottime_ns: int
    round_trip_ms: int
    boot_id: UUID
    """A clock since boot means nothing after another boot."""


@dataclass(frozen=True, slots=True)
class TimeReading:
    """The time at the gate; `uncertainty_ms` is None when nothing vouches for it."""

    now_ms: int
    uncertainty_ms: int | None

    @property
    def degraded(self) -> bool:
        """Whether rotating codes are judged with the widest allowed grace."""
        return self.uncertainty_ms is not None and self.uncertainty_ms > DEGRADED_UNCERTAINTY_MS


def read_gate_time(
    anchor: TimeAnchor | None, boot_id: UUID, boottime_ns: int, time_seen_ms: int
) -> TimeReading:
    """Tell the time from an anchor of this boot; without one, the highest time seen, untrusted.

    A reading below the highest time ever seen is untrusted too: disk or clock was turned back.
    """
    if anchor is None or anchor.boot_id != boot_id or boottime_ns < anchor.boottime_ns:
        return TimeReading(time_seen_ms, None)
    age_ms = (boottime_ns - anchor.boottime_ns) // NANOSECONDS_PER_MILLISECOND
    now_ms = anchor.time_ms + anchor.round_trip_ms // 2 + age_ms
    drift_ms = age_ms * DRIFT_PARTS_PER_MILLION // _PARTS
    uncertainty_ms = anchor.round_trip_ms // 2 + drift_ms
    if now_ms + uncertainty_ms < time_seen_ms:
        return TimeReading(time_seen_ms, None)
    return TimeReading(now_ms, uncertainty_ms)
