"""Style sheets, scripts and pictures of the pages, each under an address that changes with them.

One digest stands for the whole folder: scripts import one another by relative addresses.
"""

import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fastapi import APIRouter, HTTPException, Response

_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_PATH: Final = "/assets"
_DIGEST_CHARACTERS: Final = 16

router = APIRouter(include_in_schema=False)


def asset(name: str) -> str:
    """Give the address of a file in `static/`; a name that is not there is a bug."""
    if name not in _assets():
        raise KeyError(name)
    return f"{_PATH}/{_digest()}/{name}"


@router.get(_PATH + "/{digest}/{name}")
async def read_asset(digest: str, name: str) -> Response:
    """Answer with today's file also for yesterday's digest, but let nobody keep that."""
    content = _assets().get(name)
    if content is None:
        raise HTTPException(404)
    return Response(
        content,
        media_type=_MEDIA_TYPES[f".{name.rpartition('.')[2]}"],
        headers={
            "Cache-Control": _FOR_EVER if digest == _digest() else "no-store",
            "Cross-Origin-Resource-Policy": "same-origin",
            "X-Content-Type-Options": "nosniff",
        },
    )


@cache
def _assets() -> dict[str, bytes]:
    """Read every file once; they are few and small."""
    return {file.name: file.read_bytes() for file in _files()}


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for name, content in sorted(_assets().items()):
        digest.update(f"{name}\x00{len(content)}\x00".encode() + content)
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def _files() -> Iterator[Traversable]:
    return (file for file in (files("sync_server.web") / "static").iterdir() if file.is_file())
