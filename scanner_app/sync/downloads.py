"""Writing a snapshot's bytes behind those already there (RFC 9110 §14); it does not judge them."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx

from scanner_app.sync.errors import DownloadUnwritable, ServerUnreachable, Silence

_CONTENT_RANGE: Final = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


def size_to_continue(path: Path, size_bytes: int) -> int:
    """Tell how much of a file is there; one that is too large is no part of it and goes."""
    try:
        have = path.stat().st_size if path.exists() else 0
        if have <= size_bytes:
            return have
        path.unlink()
    except OSError as error:
        raise DownloadUnwritable(str(error)) from error
    return 0


def write_body(response: httpx.Response, path: Path, size_bytes: int) -> Iterator[int]:
    """Write a response to `path` and yield the size so far; raise ServerUnreachable when short.

    A whole answer starts the file again; a partial one must start where the file ends.
    """
    start = _start(response)
    have = path.stat().st_size if path.exists() else 0
    if start not in {0, have}:
        raise ServerUnreachable(Silence.WRONG_PART)
    size = start
    try:
        with path.open("ab" if start else "wb") as file:
            # As it comes in: gathering larger pieces would lose what came before a cut.
            for chunk in response.iter_raw():
                size += file.write(chunk[: size_bytes - size])
                yield size
    except OSError as error:
        raise DownloadUnwritable(str(error)) from error
    if size < size_bytes:
        raise ServerUnreachable(Silence.CUT_SHORT)


def _start(response: httpx.Response) -> int:
    if response.status_code != HTTPStatus.PARTIAL_CONTENT:
        return 0
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
    return int(match[1]) if match else -1
