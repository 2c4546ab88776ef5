"""One repeated piece of work on a thread of its own, so that its failures delay no other work."""

import logging
import threading
from collections.abc import Callable
from typing import Final

from scanner_app.sync.backoff import Backoff
from shared.clock import MILLISECONDS_PER_SECOND
from shared.errors import ZeraketError

_LOGGER: Final = logging.getLogger(__name__)


class Duty:
    """Calls `step` until stopped; a step answers how many milliseconds to wait for the next.

    `on_outcome` hears None after every success and the error after every failure, on the duty's
    thread.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], int],
        on_outcome: Callable[[str, ZeraketError | None], None],
        fraction: Callable[[], float],
        backoff: Backoff,
    ) -> None:
        self.name = name
        self._step = step
        self._on_outcome = on_outcome
        self._fraction = fraction
        self._backoff = backoff
        self._failures = 0
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"sync-{name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """Do the next step now, unless the last one failed: then its wait has a reason."""
        if self._failures == 0:
            self._woken.set()

    def retry_now(self) -> None:
        """Do the next step now, whatever happened before."""
        self._woken.set()

    def stop(self) -> None:
        """End after the step under way."""
        self._stopping.set()
        self._woken.set()

    def join(self, timeout_seconds: float) -> bool:
        """Wait for the thread's end and say whether it came."""
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self._stopping.is_set():
            # Cleared first: whoever wakes the duty during a step wants one more.
            self._woken.clear()
            wait_ms = self._attempt()
            if not self._stopping.is_set():
                self._woken.wait(wait_ms / MILLISECONDS_PER_SECOND)

    def _attempt(self) -> int:
        try:
            wait_ms = self._step_and_tell()
        except Exception:
            # A bug in one duty must not end it for good: scans would silently stay here.
            _LOGGER.exception("duty_bug", extra={"duty": self.name})
            self._failures += 1
            wait_ms = None
        if wait_ms is None:
            return self._backoff.wait_ms(self._failures, self._fraction())
        self._failures = 0
        return wait_ms

    def _step_and_tell(self) -> int | None:
        """None after a failure that was foreseen."""
        try:
            wait_ms = self._step()
        except ZeraketError as error:
            self._failures += 1
            self._on_outcome(self.name, error)
            return None
        self._on_outcome(self.name, None)
        return wait_ms
