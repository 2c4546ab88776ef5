"""Being told to stop: SIGINT and SIGTERM are waited for by one thread, and interrupt no other."""

import os
import signal
from typing import Final

_STOP_SIGNALS: Final = frozenset({signal.SIGINT, signal.SIGTERM})


def hold_stop_signals() -> None:
    """Hold the signals back for `wait_for_stop_signal`.

    To be called before any thread starts, those of libraries included.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP_SIGNALS)


def wait_for_stop_signal() -> None:
    """Return when the program is told to stop."""
    signal.sigwait(_STOP_SIGNALS)


def tell_this_program_to_stop() -> None:
    """Do from within what a supervisor does from outside; any thread may."""
    os.kill(os.getpid(), signal.SIGTERM)
