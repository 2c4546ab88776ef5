"""When the server was last heard, for all of sync's threads; plan.is_online says what it means."""

import threading

from scanner_app.sync.plan import is_online
from shared.clock import NANOSECONDS_PER_MILLISECOND, Clock


class Contact:
    """Remembers the last sign of the server, and tells when it is back after silence."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._heard_ns: int | None = None
        self._misses = 0

    def heard(self) -> bool:
        """Note a sign of the server; say whether it was out of reach before."""
        with self._lock:
            back = not is_online(self._age_ms(), self._misses)
            self._heard_ns = self._clock.boottime_ns()
            self._misses = 0
            return back

    def missed(self) -> None:
        """Note a call that did not get through."""
        with self._lock:
            self._misses += 1

    def online(self) -> bool:
        """Say whether the server counts as in reach."""
        with self._lock:
            return is_online(self._age_ms(), self._misses)

    def heard_ago_ms(self) -> int | None:
        """None until the server was heard for the first time."""
        with self._lock:
            return self._age_ms()

    def _age_ms(self) -> int | None:
        if self._heard_ns is None:
            return None
        return (self._clock.boottime_ns() - self._heard_ns) // NANOSECONDS_PER_MILLISECOND
