import io
from contextlib import suppress
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.camera.multipart import StreamBroken, read_parts

HEAD = b"Content-Type: image/jpeg\r\n"


class Answer(io.BytesIO):
    """An HTTP answer whose body is at hand."""

    def __init__(self, body: bytes, content_type: str) -> None:
        super().__init__(body)
        self.headers = Message()
        self.headers["Content-Type"] = content_type


def parts_of(
    body: bytes, content_type: str = "multipart/x-mixed-replace; boundary=cut"
) -> list[bytes]:
    return list(read_parts(Answer(body, content_type)))


@pytest.mark.parametrize(
    "body",
    [
        (
            b"--cut\r\nContent-Length: 3\r\n\r\none\r\n"
            b"--cut\r\nContent-Length: 5\r\n\r\nthree\r\n--cut--"
        ),
        b"--cut\r\ncontent-length:3\r\n\r\none\r\n--cut\r\nCONTENT-LENGTH: 5 \r\n\r\nthree\r\n",
        b"--cut\r\n" + HEAD + b"\r\none\r\n--cut\r\n" + HEAD + b"\r\nthree\r\n--cut--\r\n",
        b"--cut\n" + HEAD + b"\none\n--cut\n" + HEAD + b"\nthree\n--cut--\n",
        b"preamble\r\n\r\n--cut\r\n\r\none\r\n--cut\r\n\r\nthree\r\n--cut--\r\n",
    ],
    ids=["lengths", "odd lengths", "no lengths", "bare line ends", "preamble"],
)
def test_parts_are_cut_apart(body: bytes) -> None:
    assert parts_of(body) == [b"one", b"three"]


def test_boundary_announced_with_its_dashes_is_understood() -> None:
    body = b"--cut\r\nContent-Length: 3\r\n\r\none\r\n--cut--"
    assert parts_of(body, 'multipart/x-mixed-replace; boundary="--cut"') == [b"one"]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"", "text/html"),
        (b"", "multipart/x-mixed-replace"),
        (b"--cut\r\nContent-Length: 9\r\n\r\nshort", "multipart/mixed; boundary=cut"),
        (b"--cut\r\nContent-Length: -1\r\n\r\n", "multipart/mixed; boundary=cut"),
        (b"--cut\r\nContent-Length: 99999999999\r\n\r\n", "multipart/mixed; boundary=cut"),
        (b"--cut\r\n" + b"A: b\r\n" * 100, "multipart/mixed; boundary=cut"),
        (b"A" * 17_000_000, "multipart/mixed; boundary=cut"),
        (b"--cut\r\n\r\n" + b"A" * 17_000_000, "multipart/mixed; boundary=cut"),
    ],
    ids=["web page", "no boundary", "cut off", "negative", "huge", "headers", "noise", "endless"],
)
def test_what_is_no_stream_is_broken(body: bytes, content_type: str) -> None:
    with pytest.raises(StreamBroken):
        parts_of(body, content_type)


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=5))
def test_any_bytes_survive_when_their_length_is_said(contents: list[bytes]) -> None:
    parts = (
        b"--cut\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(content), content)
        for content in contents
    )
    assert parts_of(b"".join(parts) + b"--cut--\r\n") == contents


@given(st.binary(max_size=200))
def test_rubbish_gives_parts_or_a_broken_stream(rubbish: bytes) -> None:
    with suppress(StreamBroken):
        assert isinstance(parts_of(b"--cut\r\n" + rubbish), list)
