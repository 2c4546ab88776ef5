"""Every socket the client has open, so that stopping need not wait for a silent server."""

import socket
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from weakref import WeakSet

_OPENED: Final = frozenset({"connection.connect_tcp.complete", "connection.start_tls.complete"})


class OpenConnections:
    """Hears of connections through httpx's `trace` extension; any thread may break them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: WeakSet[socket.socket] = WeakSet()
        self._broken = False

    def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Take note of a connection that was opened."""
        if event not in _OPENED:
            return
        opened = details["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.add(opened)
            if self._broken:
                _shut_down(opened)

    def break_all(self) -> None:
        """End every wait for an answer, now and from now on."""
        with self._lock:
            self._broken = True
            for opened in self._sockets:
                _shut_down(opened)


def _shut_down(opened: socket.socket) -> None:
    # The plain method, also of a TLS socket: its own would wait for the other side.
    with suppress(OSError):
        socket.socket.shutdown(opened, socket.SHUT_RDWR)
