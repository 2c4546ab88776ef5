"""Cuts an HTTP multipart answer into its parts (RFC 2046), as tolerant as cheap cameras need and
never unbounded: cameras differ in whether the boundary they announce has its two dashes, and in
whether a part says its length.
"""

from collections.abc import Iterator
from email.message import Message
from typing import Protocol

_PART_LIMIT_BYTES = 16 * 1024 * 1024
_LINE_LIMIT_BYTES = 64 * 1024
_HEADER_LINES_LIMIT = 64


class StreamBroken(Exception):
    """The answer is not a multipart stream, or stopped being one."""


class MultipartAnswer(Protocol):
    """The part of http.client.HTTPResponse that is needed here."""

    @property
    def headers(self) -> Message: ...

    def read(self, amount: int, /) -> bytes: ...

    def readline(self, limit: int, /) -> bytes: ...


def read_parts(answer: MultipartAnswer) -> Iterator[bytes]:
    """The parts' contents until the answer ends.

    Raises StreamBroken, and OSError from the socket below.
    """
    boundary = _boundary(answer.headers)
    _skip_to_boundary(answer, boundary)
    while (length := _read_part_length(answer)) is not None:
        if length:
            yield _read_exactly(answer, length)
            _skip_to_boundary(answer, boundary)
        else:
            yield _read_to_boundary(answer, boundary)


def _boundary(headers: Message) -> bytes:
    boundary = headers.get_boundary()
    if headers.get_content_maintype() != "multipart" or not boundary:
        message = f"content type {headers.get_content_type()} is no multipart stream"
        raise StreamBroken(message)
    return b"--" + boundary.removeprefix("--").encode("latin-1", "replace")


def _skip_to_boundary(answer: MultipartAnswer, boundary: bytes) -> None:
    skipped = 0
    line = answer.readline(_LINE_LIMIT_BYTES)
    while line and not line.startswith(boundary):
        skipped += len(line)
        if skipped > _PART_LIMIT_BYTES:
            message = "no boundary between parts"
            raise StreamBroken(message)
        line = answer.readline(_LINE_LIMIT_BYTES)


def _read_part_length(answer: MultipartAnswer) -> int | None:
    """The next part's length in bytes, 0 where it does not say, None where the stream has ended."""
    length = 0
    for _ in range(_HEADER_LINES_LIMIT):
        line = answer.readline(_LINE_LIMIT_BYTES)
        if not line:
            return None
        if not line.strip():
            return length
        name, _, value = line.partition(b":")
        if name.strip().lower() == b"content-length":
            length = _parse_length(value)
    message = "a part has no end of headers"
    raise StreamBroken(message)


def _parse_length(value: bytes) -> int:
    digits = value.strip()
    if not digits.isdigit() or int(digits) > _PART_LIMIT_BYTES:
        message = "a part's length is not a length"
        raise StreamBroken(message)
    return int(digits)


def _read_exactly(answer: MultipartAnswer, length: int) -> bytes:
    content = answer.read(length)
    if len(content) < length:
        message = "a part was cut off"
        raise StreamBroken(message)
    return content


def _read_to_boundary(answer: MultipartAnswer, boundary: bytes) -> bytes:
    content = bytearray()
    line = answer.readline(_LINE_LIMIT_BYTES)
    while line and not line.startswith(boundary):
        content += line
        if len(content) > _PART_LIMIT_BYTES:
            message = "a part has no end"
            raise StreamBroken(message)
        line = answer.readline(_LINE_LIMIT_BYTES)
    return bytes(content).removesuffix(b"\n").removesuffix(b"\r")
