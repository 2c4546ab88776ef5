"""The wake-up stream (server-sent events): it says that something changed, never what."""

import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import httpx

from scanner_app.sync.client import ScannerClient
from scanner_app.sync.contact import Contact
from shared.wire.paths import CHANGED_EVENT

_LOGGER: Final = logging.getLogger(__name__)
_REOPEN_MS: Final = 1_000


class WakeUpStream:
    """Follows the stream on one thread; `stop` may be called from another."""

    def __init__(
        self, client: ScannerClient, contact: Contact, on_changed: Callable[[], None]
    ) -> None:
        self.contact = contact
        self._client = client
        self._on_changed = on_changed
        self._lock = threading.Lock()
        self._stopped = False
        self._socket: socket.socket | None = None

    def follow(self) -> int:
        """Follow until the server ends the stream, then say how long to wait; raise SyncError."""
        with self._client.changes_stream() as response:
            self._hold(response)
            try:
                # Whatever happened while the stream was down was not announced.
                self._on_changed()
                for line in response.iter_lines():
                    self.contact.heard()
                    self._client.note_sign()
                    if is_wake_up(line):
                        self._on_changed()
            finally:
                self._release()
        return _REOPEN_MS

    def stop(self) -> None:
        """Break the connection, since the thread waits in it."""
        with self._lock:
            self._stopped = True
            if self._socket is not None:
                _shut_down(self._socket)

    def _hold(self, response: httpx.Response) -> None:
        stream = response.extensions["network_stream"]
        with self._lock:
            self._socket = stream.get_extra_info("socket")
            if self._stopped and self._socket is not None:
                _shut_down(self._socket)

    def _release(self) -> None:
        with self._lock:
            self._socket = None


def is_wake_up(line: str) -> bool:
    """Say whether a line of the stream announces a change; comments only show that it lives."""
    name, _, value = line.partition(":")
    return name == "event" and value.strip() == CHANGED_EVENT


def _shut_down(connection: socket.socket) -> None:
    # The plain method, also of a TLS socket: its own would wait for the other side.
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
