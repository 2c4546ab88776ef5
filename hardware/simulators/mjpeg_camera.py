"""A network camera on loopback that shows whatever pictures it is given, and whose cable can be
pulled. For tests and demonstrations; it authenticates nobody.
"""

import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self, TypeAlias, cast

from hardware.camera.pictures import encode_jpeg
from hardware.ports import Image

_BOUNDARY = "zeraket-frame"
_ADDRESS = "127.0.0.1"

# What the standard library hands to an error handler, for TCP and UDP servers alike.
Connection: TypeAlias = socket.socket | tuple[bytes, socket.socket]


class MjpegCameraServer:
    """Serves the picture last shown, `rate_per_second` times a second, to everybody who asks."""

    def __init__(self, port: int = 0, rate_per_second: float = 25.0) -> None:
        """Listens from here until `close`, on a free port when `port` is 0."""
        self._rate_per_second = rate_per_second
        self._jpeg: bytes | None = None
        self._silent = threading.Event()
        self._listener: _Listener | None = _Listener(port, self)
        self._port = self._listener.server_address[1]

    @property
    def url(self) -> str:
        return f"http://{_ADDRESS}:{self._port}/camera.mjpeg"

    def show(self, picture: Image) -> None:
        self.show_jpeg(encode_jpeg(picture))

    def show_jpeg(self, content: bytes) -> None:
        """The same for an encoded picture, or for bytes as a bad cable makes them."""
        self._jpeg = content

    def fall_silent(self) -> None:
        """Pull the cable: connections stay and nothing comes any more."""
        self._silent.set()

    def stop_serving(self) -> None:
        """Switch the camera off: connections break and new ones are refused."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.end()

    def resume(self) -> None:
        """Put the cable back and switch on again, at the same address."""
        self._silent.clear()
        if self._listener is None:
            self._listener = _Listener(self._port, self)

    close = stop_serving

    def next_jpeg(self, ending: threading.Event) -> bytes | None:
        """Wait for one frame time; None when there is nothing to send."""
        ended = ending.wait(1 / self._rate_per_second)
        return None if ended or self._silent.is_set() else self._jpeg

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Listener(ThreadingHTTPServer):
    """One life of the server, from switching on to switching off."""

    # A program that forgets to close the camera must still be able to end.
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, camera: MjpegCameraServer) -> None:
        super().__init__((_ADDRESS, port), _Viewer)
        self.camera = camera
        self.ending = threading.Event()
        self._thread = threading.Thread(
            target=self.serve_forever, args=(0.02,), name="simulated camera", daemon=True
        )
        self._thread.start()

    def end(self) -> None:
        self.ending.set()
        self.shutdown()
        self.server_close()
        self._thread.join()

    def handle_error(self, request: Connection, client_address: object) -> None:
        """A viewer that hangs up is no error of the camera's; anything else is a bug to be seen."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Viewer(BaseHTTPRequestHandler):
    """Sends pictures to one viewer until it hangs up or the camera is switched off."""

    timeout = 1.0

    def do_GET(self) -> None:
        listener = cast("_Listener", self.server)
        self.send_response(200)
        self.send_header("Content-Type", f"multipart/x-mixed-replace; boundary={_BOUNDARY}")
        self.end_headers()
        while not listener.ending.is_set():
            jpeg = listener.camera.next_jpeg(listener.ending)
            if jpeg is not None:
                self._send_part(jpeg)

    def _send_part(self, jpeg: bytes) -> None:
        head = f"--{_BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
        self.wfile.write(head.encode("ascii") + jpeg + b"\r\n")

    def log_message(self, template: str, *values: object) -> None:
        """Stay quiet: the address of a viewer on loopback tells nobody anything."""
