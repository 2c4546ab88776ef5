"""How long to wait after failures: doubling, with full jitter. Pure; randomness is an argument."""

from dataclasses import dataclass

_DOUBLINGS_MAX = 30


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits between nothing and a ceiling that doubles from the first to the longest.

    Full jitter keeps the kiosks of a stadium from coming back all at once.
    """

    first_ms: int = 500
    longest_ms: int = 10_000

    def wait_ms(self, failures: int, fraction: float) -> int:
        """`failures` in a row, at least one; `fraction` is random in [0, 1)."""
        doublings = min(failures - 1, _DOUBLINGS_MAX)
        ceiling_ms = min(self.longest_ms, self.first_ms << doublings)
        return int(ceiling_ms * fraction)
