import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import numpy as np
import pytest

from hardware.camera.pictures import encode_jpeg, picture_to_show
from hardware.faults import CameraClosed, CameraLost, CameraUnavailable
from hardware.ports import Camera, Frame, Image, MonotonicClock
from hardware.registry import open_camera
from hardware.simulators.mjpeg_camera import MjpegCameraServer

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=cut\r\n"
    b"Connection: close\r\n\r\n"
)


def shade(value: int) -> Image:
    return np.full((48, 64, 3), value, np.uint8)


def part(content: bytes) -> bytes:
    return b"--cut\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(content), content)


class OneAnswer:
    """Answers one request with the bytes given, keeps what was asked, and stays on the line."""

    def __init__(self, answer: bytes) -> None:
        self.asked = b""
        self._answer = answer
        self._done = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, name="one answer")
        self._thread.start()

    def close(self) -> None:
        self._done.set()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        line, _ = self._listener.accept()
        with line:
            self.asked = line.recv(4096)
            line.sendall(self._answer)
            self._done.wait()


@pytest.fixture
def cleanup() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def serve(cleanup: ExitStack) -> Callable[[bytes], OneAnswer]:
    def start(answer: bytes) -> OneAnswer:
        server = OneAnswer(answer)
        cleanup.callback(server.close)
        return server

    return start


@pytest.fixture
def connect(cleanup: ExitStack, clock: MonotonicClock) -> Callable[[str], Camera]:
    def start(address: str) -> Camera:
        camera = open_camera(address, monotonic_ns=clock)
        cleanup.callback(camera.close)
        return camera

    return start


Serve = Callable[[bytes], OneAnswer]
Connect = Callable[[str], Camera]


def test_newest_picture_wins_over_those_that_waited(serve: Serve, cleanup: ExitStack) -> None:
    last_arrived = threading.Event()
    times = iter(range(20))

    def clock() -> int:
        at = next(times)
        last_arrived.set() if at == 19 else None
        return at

    server = serve(HEAD + b"".join(part(encode_jpeg(shade(value))) for value in range(20)))
    camera = open_camera(f"http://127.0.0.1:{server.port}/", monotonic_ns=clock)
    cleanup.callback(camera.close)
    assert last_arrived.wait(10)
    assert camera.read().sequence >= 18


def test_torn_picture_is_skipped(serve: Serve, connect: Connect) -> None:
    server = serve(HEAD + part(b"\xff\xd8torn") + part(encode_jpeg(shade(80))))
    assert connect(f"http://127.0.0.1:{server.port}/").read().sequence == 1


def test_nothing_but_torn_pictures_is_a_loss(
    camera_server: MjpegCameraServer, connect: Connect
) -> None:
    camera_server.show_jpeg(b"\xff\xd8torn")
    with pytest.raises(CameraLost, match="cannot be read"):
        connect(camera_server.url).read()


def test_query_and_credentials_are_sent_and_not_shown(serve: Serve, connect: Connect) -> None:
    server = serve(HEAD + part(encode_jpeg(shade(80))))
    camera = connect(f"http://gate:s%40fe@127.0.0.1:{server.port}/video?fps=15")
    camera.read()
    assert server.asked.startswith(b"GET /video?fps=15 HTTP/1.1\r\n")
    assert b"Authorization: Basic Z2F0ZTpzQGZl\r\n" in server.asked
    assert camera.label == f"http://127.0.0.1:{server.port}/video"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"",
    ],
    ids=["missing", "elsewhere", "locked", "not http", "silent"],
)
def test_address_that_is_no_camera_is_unavailable(
    answer: bytes, serve: Serve, connect: Connect
) -> None:
    server = serve(answer)
    with pytest.raises(CameraUnavailable, match="does not answer as a camera"):
        connect(f"http://127.0.0.1:{server.port}/")


def test_address_where_nobody_listens_is_unavailable(connect: Connect, refusing_port: int) -> None:
    with pytest.raises(CameraUnavailable):
        connect(f"http://127.0.0.1:{refusing_port}/")


def test_web_page_is_lost_at_the_first_picture(serve: Serve, connect: Connect) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<p>Sign in</p>")
    with pytest.raises(CameraLost):
        connect(f"http://127.0.0.1:{server.port}/").read()


def test_pulled_cable_is_a_loss(camera_server: MjpegCameraServer, connect: Connect) -> None:
    camera_server.show(shade(80))
    camera = connect(camera_server.url)
    camera.read()
    camera_server.fall_silent()
    with pytest.raises(CameraLost):
        read_for_ever(camera)


def test_camera_switched_off_is_a_loss(camera_server: MjpegCameraServer, connect: Connect) -> None:
    camera_server.show(shade(80))
    camera = connect(camera_server.url)
    camera.read()
    camera_server.stop_serving()
    with pytest.raises(CameraLost):
        read_for_ever(camera)


def test_loss_stays_a_loss(serve: Serve, connect: Connect) -> None:
    server = serve(HEAD + part(encode_jpeg(shade(80))) + b"--cut\r\nContent-Length: x\r\n\r\n")
    camera = connect(f"http://127.0.0.1:{server.port}/")
    camera.read()
    for _ in range(2):
        with pytest.raises(CameraLost, match="StreamBroken"):
            camera.read()


def test_closing_ends_a_wait_for_a_picture(serve: Serve, connect: Connect) -> None:
    camera = connect(f"http://127.0.0.1:{serve(HEAD).port}/")
    closer = threading.Timer(0.05, camera.close)
    closer.start()
    with pytest.raises(CameraClosed):
        camera.read()
    closer.join()


def test_server_shows_pictures_at_the_same_address_after_it_was_off(
    camera_server: MjpegCameraServer, connect: Connect
) -> None:
    camera_server.show(shade(80))
    address = camera_server.url
    camera_server.stop_serving()
    with pytest.raises(CameraUnavailable):
        connect(address)
    camera_server.resume()
    assert camera_server.url == address
    assert connect(address).read().image.shape == (48, 64)


def test_several_viewers_see_the_same(camera_server: MjpegCameraServer, connect: Connect) -> None:
    camera_server.show(shade(80))
    viewers = [connect(camera_server.url) for _ in range(3)]
    assert [int(viewer.read().image[0, 0]) for viewer in viewers] == [80, 80, 80]


def read_for_ever(camera: Camera) -> None:
    while True:
        camera.read()


def test_people_see_the_colours_that_the_decoder_does_without(
    camera_server: MjpegCameraServer, connect: Connect
) -> None:
    camera_server.show(np.full((48, 64, 3), (0, 128, 255), np.uint8))
    shown = picture_to_show(connect(camera_server.url).read())
    assert shown.shape == (24, 32, 3)
    assert np.allclose(shown[12, 16], (0, 128, 255), atol=12)


def test_a_frame_that_cannot_be_decoded_again_is_shown_in_gray() -> None:
    gray = np.full((4, 4), 9, np.uint8)
    assert picture_to_show(Frame(gray, 0, 0, compressed=b"torn")) is gray
    assert picture_to_show(Frame(gray, 0, 0)) is gray
