"""A network camera that sends JPEG pictures over HTTP (multipart/x-mixed-replace). A thread
receives, so that the newest picture is always the one read and delay cannot grow; a camera that
falls silent is noticed within two seconds. It follows no redirect and knows basic authentication
only.
"""

import base64
import contextlib
import http.client
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from hardware.camera.multipart import StreamBroken, read_parts
from hardware.camera.newest import SILENCE_LIMIT_SECONDS, Newest
from hardware.camera.pictures import decode_gray
from hardware.faults import CameraLost, CameraSpecificationInvalid, CameraUnavailable
from hardware.ports import Camera, Frame, MonotonicClock

_TORN_PICTURES_LIMIT = 20
_HTTP_OK = 200


@dataclass(frozen=True, slots=True)
class _Arrival:
    content: bytes
    captured_at_ns: int
    sequence: int


@dataclass(frozen=True, slots=True)
class _Stream:
    """An answered request and the socket under it."""

    link: socket.socket
    response: http.client.HTTPResponse

    def hang_up(self) -> None:
        """Wake the receiver at once: a plain close would leave it to its time-out."""
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_RDWR)


class MjpegCamera:
    """Reads from an answered HTTP request until it is closed, breaks, or falls silent."""

    def __init__(self, label: str, stream: _Stream, monotonic_ns: MonotonicClock) -> None:
        self.label = label
        self._stream = stream
        self._monotonic_ns = monotonic_ns
        self._newest: Newest[_Arrival] = Newest(label)
        self._receiver = threading.Thread(target=self._receive, name=f"camera {label}", daemon=True)
        self._receiver.start()

    def read(self) -> Frame:
        for _ in range(_TORN_PICTURES_LIMIT):
            arrival = self._newest.take()
            picture = decode_gray(arrival.content)
            if picture is not None:
                return Frame(picture, arrival.captured_at_ns, arrival.sequence, arrival.content)
        message = f"{self.label} sends pictures that cannot be read"
        raise CameraLost(message)

    def close(self) -> None:
        self._newest.close()
        self._stream.hang_up()
        self._receiver.join(SILENCE_LIMIT_SECONDS)

    def _receive(self) -> None:
        sequence = 0
        loss = "the camera ended the stream"
        try:
            with self._stream.response as response:
                for content in read_parts(response):
                    self._newest.publish(_Arrival(content, self._monotonic_ns(), sequence))
                    sequence += 1
        except (OSError, http.client.HTTPException, StreamBroken, ValueError) as error:
            # http.client answers with ValueError when its file was closed under it.
            loss = f"the connection broke ({type(error).__name__})"
        self._newest.end(loss)


def open_camera(
    location: str, options: Mapping[str, str], *, monotonic_ns: MonotonicClock
) -> Camera:
    """An address carries its own query, so there are no options.

    Raises CameraSpecificationInvalid, CameraUnavailable.
    """
    del options
    address = _parse_address(location)
    label = f"{address.scheme}://{address.hostname}:{_port(address)}{address.path}"
    connection = _connect(address)
    try:
        stream = _request(connection, address)
    except (OSError, http.client.HTTPException, StreamBroken) as error:
        connection.close()
        message = f"{label} does not answer as a camera ({error})"
        raise CameraUnavailable(message) from error
    return MjpegCamera(label, stream, monotonic_ns)


def _parse_address(location: str) -> SplitResult:
    try:
        address = urlsplit(location)
        _port(address)
    except ValueError as error:
        message = f"the camera address is not an address ({error})"
        raise CameraSpecificationInvalid(message) from error
    if not address.hostname:
        message = "the camera address names no host"
        raise CameraSpecificationInvalid(message)
    return address


def _port(address: SplitResult) -> int:
    return address.port or (443 if address.scheme == "https" else 80)


def _connect(address: SplitResult) -> http.client.HTTPConnection:
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    return kind(cast("str", address.hostname), _port(address), timeout=SILENCE_LIMIT_SECONDS)


def _request(connection: http.client.HTTPConnection, address: SplitResult) -> _Stream:
    target = address.path or "/"
    if address.query:
        target = f"{target}?{address.query}"
    connection.connect()
    # http.client forgets the socket of an answer without length, and only a socket can be shut
    # down to wake a waiting receiver.
    link = connection.sock
    connection.request("GET", target, headers=_credentials(address))
    response = connection.getresponse()
    if response.status != _HTTP_OK:
        message = f"HTTP status {response.status}"
        raise StreamBroken(message)
    return _Stream(link, response)


def _credentials(address: SplitResult) -> dict[str, str]:
    if address.username is None:
        return {}
    pair = f"{unquote(address.username)}:{unquote(address.password or '')}"
    return {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"}
