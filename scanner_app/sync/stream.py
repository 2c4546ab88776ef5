"""The wake-up stream (server-sent events): it says that something changed, never what."""

from collections.abc import Callable
from typing import Final

from scanner_app.sync.client import ScannerClient
from scanner_app.sync.contact import Contact
from shared.wire.paths import CHANGED_EVENT

_REOPEN_MS: Final = 1_000


class WakeUpStream:
    """Follows the stream on one thread; stopping the client ends it."""

    def __init__(
        self, client: ScannerClient, contact: Contact, on_changed: Callable[[], None]
    ) -> None:
        self.contact = contact
        self._client = client
        self._on_changed = on_changed

    def follow(self) -> int:
        """Follow until the server ends the stream, then say how long to wait; raise SyncError."""
        with self._client.changes_stream() as response:
            # Whatever happened while the stream was down was not announced.
            self._on_changed()
            for line in response.iter_lines():
                self._client.note_sign()
                self.contact.heard()
                if is_wake_up(line):
                    self._on_changed()
        return _REOPEN_MS


def is_wake_up(line: str) -> bool:
    """Say whether a line of the stream announces a change; comments only show that it lives."""
    name, _, value = line.partition(":")
    return name == "event" and value.strip() == CHANGED_EVENT
