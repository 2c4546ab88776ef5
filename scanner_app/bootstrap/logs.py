"""The kiosk's log on stderr: one line an event, its circumstances behind it as name=value."""

import json
import logging
import sys
from typing import Final

_OWN_FIELDS: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class EventFormatter(logging.Formatter):
    """Writes what was handed over as `extra` too, which the standard formatter leaves out."""

    def format(self, record: logging.LogRecord) -> str:
        circumstances = (
            f" {name}={json.dumps(value, default=str)}"
            for name, value in vars(record).items()
            if name not in _OWN_FIELDS
        )
        head, separator, trace = super().format(record).partition("\n")
        return f"{record.levelname} {head}{''.join(circumstances)}{separator}{trace}"


def log_to_stderr() -> None:
    """Write what happens to stderr, where the system's journal takes it up."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(EventFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # It says every call, several a second.
    logging.getLogger("httpx").setLevel(logging.WARNING)
