"""How the program ends when nobody asked it to: by a bug, or because it can be of no use."""

import logging
import os
import sys
import threading
from types import TracebackType
from typing import Final

from scanner_app.bootstrap.signals import tell_this_program_to_stop

EXIT_OK: Final = 0
EXIT_USAGE: Final = 2
EXIT_BUG: Final = 70
"""EX_SOFTWARE of sysexits.h; whoever supervises the kiosk starts it again."""
_LOGGER: Final = logging.getLogger(__name__)


def end_on_bugs() -> None:
    """End the process when a thread dies of a bug: a gate that half works looks like one that does.

    At once and without tidying up, which the bug might hold up: what was journaled is on disk.
    """
    sys.excepthook = _end
    threading.excepthook = _end_of_thread


def _end_of_thread(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if error is not None:
        _end(arguments.exc_type, error, arguments.exc_traceback)


def _end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, SystemExit):
        return
    _LOGGER.critical(
        "bug", exc_info=(kind, error, trace), extra={"where": threading.current_thread().name}
    )
    logging.shutdown()
    os._exit(EXIT_BUG)


def complain(message: str) -> None:
    """Say to whoever started the program what is wrong."""
    print(f"zeraket-gate: {message}", file=sys.stderr, flush=True)  # noqa: T201 - that is where


class Ending:
    """Lets any thread end the program in order, with a message."""

    def __init__(self) -> None:
        self.exit_code = EXIT_OK

    def as_unusable(self, message: str) -> None:
        """Say why it makes no sense to go on, and stop as if told to."""
        complain(message)
        self.exit_code = EXIT_USAGE
        tell_this_program_to_stop()
