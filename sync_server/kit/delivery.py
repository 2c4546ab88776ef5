"""Answers with content that never changes under its hash: whole, in part, or not at all where the
caller has it already (RFC 9110).
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from fastapi import Request, Response, status
from fastapi.responses import StreamingResponse

from sync_server.kit.problems import ProblemError
from sync_server.kit.storage import ByteRange, OpenedObject

IMMUTABLE: Final = "public, max-age=31536000, immutable"
Opener = Callable[[ByteRange | None], Awaitable[OpenedObject]]
_ONE_RANGE: Final = re.compile(r"bytes=\s*(\d{0,18})-(\d{0,18})\s*", re.ASCII | re.IGNORECASE)
_ETAG: Final = re.compile(r'(?:W/)?("[^"]*")')


class RangeNotSatisfiableError(ProblemError):
    status = 416
    code = "range_not_satisfiable"
    title = "The file is shorter than that"

    def __init__(self, size_bytes: int) -> None:
        super().__init__(headers={"Content-Range": f"bytes */{size_bytes}"})


@dataclass(frozen=True, slots=True)
class Content:
    """What is known of content before it is opened; `headers` go with every answer."""

    sha256: str
    size_bytes: int
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def etag(self) -> str:
        return f'"{self.sha256}"'


async def deliver(request: Request, content: Content, open_content: Opener) -> Response:
    """Answer GET or HEAD; content is opened only where bytes of it are sent."""
    general = {
        **content.headers,
        "ETag": content.etag,
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if is_known(request.headers.get("If-None-Match"), content.etag):
        return Response(status_code=status.HTTP_304_NOT_MODIFIED, headers=general)
    general["Content-Type"] = content.media_type
    if request.method == "HEAD":
        return Response(headers={**general, "Content-Length": str(content.size_bytes)})
    part = _wanted_part(request, content)
    opened = await open_content(part)
    if part is None:
        general["Content-Length"] = str(content.size_bytes)
        return StreamingResponse(opened.pieces, headers=general)
    general["Content-Length"] = str(part.length)
    general["Content-Range"] = f"bytes {part.start}-{part.end - 1}/{content.size_bytes}"
    return StreamingResponse(opened.pieces, status.HTTP_206_PARTIAL_CONTENT, headers=general)


def _wanted_part(request: Request, content: Content) -> ByteRange | None:
    """A condition that does not hold makes the caller fetch the whole (RFC 9110, 13.1.5)."""
    if request.headers.get("If-Range", content.etag) != content.etag:
        return None
    return selected_part(request.headers.get("Range"), content.size_bytes)


def selected_part(header: str | None, size_bytes: int) -> ByteRange | None:
    """Read a Range header; None for the whole, as for several ranges and for what is none. Raises
    RangeNotSatisfiableError where no byte of it is there.
    """
    found = _ONE_RANGE.fullmatch(header or "")
    if found is None:
        return None
    first, last = found.groups()
    if not first and not last:
        return None
    if not first:
        part = ByteRange(max(0, size_bytes - int(last)), size_bytes)
    elif last and int(last) < int(first):
        return None
    else:
        part = ByteRange(int(first), min(int(last) + 1, size_bytes) if last else size_bytes)
    if part.length <= 0:
        raise RangeNotSatisfiableError(size_bytes)
    return part


def is_known(header: str | None, etag: str) -> bool:
    """Say whether If-None-Match names what there is; weak and strong tags compare alike."""
    if header is None:
        return False
    return header.strip() == "*" or etag in _ETAG.findall(header)
