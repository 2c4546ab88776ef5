"""Holds a source of ready pictures to a number of pictures a second; it waits, and knows nothing
of pictures.
"""

import threading

from hardware.ports import MonotonicClock

_NANOSECONDS = 1_000_000_000


class Pace:
    """Waits until the next picture is due. `stop` ends a wait from any thread."""

    def __init__(self, rate_per_second: float, monotonic_ns: MonotonicClock) -> None:
        self._interval_ns = round(_NANOSECONDS / rate_per_second)
        self._monotonic_ns = monotonic_ns
        self._due_ns: int | None = None
        self._stopped = threading.Event()

    def wait(self) -> bool:
        """True when the next picture is due, False when stopped.

        A reader that came late is not hurried afterwards.
        """
        now_ns = self._monotonic_ns()
        due_ns = now_ns if self._due_ns is None else max(self._due_ns, now_ns)
        self._due_ns = due_ns + self._interval_ns
        return not self._stopped.wait((due_ns - now_ns) / _NANOSECONDS)

    def stop(self) -> None:
        self._stopped.set()
