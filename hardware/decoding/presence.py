"""Tells a code that has just come into view from one that is still there; it sees identities and
times, no pictures.
"""

from collections.abc import Callable, Iterable

from hardware.ports import CodeReading

_NANOSECONDS = 1_000_000_000
DEFAULT_GAP_SECONDS = 1.2


def text_identity(reading: CodeReading) -> str:
    """A code is what its text says; a rotating code changes its text and needs another function."""
    return reading.text


class CodePresence:
    """Remembers which codes are in view: one not seen for longer than the gap has left, and is new
    when it returns.
    """

    def __init__(
        self,
        identity: Callable[[CodeReading], str] = text_identity,
        gap_seconds: float = DEFAULT_GAP_SECONDS,
    ) -> None:
        self._identity = identity
        self._gap_ns = round(gap_seconds * _NANOSECONDS)
        self._last_seen_ns: dict[str, int] = {}

    def observe(self, readings: Iterable[CodeReading], at_ns: int) -> tuple[CodeReading, ...]:
        """The readings that are new presentations at this moment. Times must not run backwards."""
        self._forget_before(at_ns - self._gap_ns)
        return tuple(reading for reading in readings if self._is_new(reading, at_ns))

    def in_view(self, at_ns: int) -> bool:
        """Whether any code was seen within the gap."""
        return any(seen_ns >= at_ns - self._gap_ns for seen_ns in self._last_seen_ns.values())

    def clear(self) -> None:
        """Take every code as new again, after an operator's undo for instance."""
        self._last_seen_ns.clear()

    def _is_new(self, reading: CodeReading, at_ns: int) -> bool:
        identity = self._identity(reading)
        known = identity in self._last_seen_ns
        self._last_seen_ns[identity] = at_ns
        return not known

    def _forget_before(self, oldest_ns: int) -> None:
        self._last_seen_ns = {
            identity: seen_ns
            for identity, seen_ns in self._last_seen_ns.items()
            if seen_ns >= oldest_ns
        }
