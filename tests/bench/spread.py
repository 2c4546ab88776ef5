"""What a list of measurements comes to: the middle, the slow end, and how many there were."""

from collections.abc import Sequence

Spread = dict[str, float]
NANOSECONDS_PER_MILLISECOND = 1_000_000


def spread(milliseconds: Sequence[float]) -> Spread:
    """Sum up at least one measurement; each share is a measurement that was made, none between."""
    ordered = sorted(milliseconds)

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))], 3)

    return {
        "p50": at(0.50),
        "p90": at(0.90),
        "p95": at(0.95),
        "p99": at(0.99),
        "max": at(1.0),
        "count": len(ordered),
    }
