"""The kiosk's log: one JSON line an event on standard error, for journald. No code, no key."""

import json
import logging
from typing import Final, TextIO

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_TALKATIVE: Final = ("httpx", "httpcore")
"""They log every request, and there is one every second."""


class JsonFormatter(logging.Formatter):
    """Writes the event's name, its level and what was said beside it."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one line."""
        extra = {name: value for name, value in vars(record).items() if name not in _STANDARD}
        event = {"event": record.getMessage(), "level": record.levelname.lower(), **extra}
        if record.exc_info is not None:
            event["trace"] = self.formatException(record.exc_info)
        return json.dumps(event, ensure_ascii=False, default=str)


def configure_logging(output: TextIO) -> None:
    """Send everything from INFO up to one place."""
    handler = logging.StreamHandler(output)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
