"""What a file is, told by its content alone; neither its name nor what was announced counts."""

import codecs
from typing import IO, Final

import puremagic

from sync_server.kit.storage import PIECE_BYTES
from sync_server.media.errors import DocumentBrokenError, MediaTypeRefusedError
from sync_server.media.rules import PICTURES, TAIL_BYTES, BucketRules, Kind, is_whole_pdf

HEAD_BYTES: Final = 64
_SIGNATURES: Final = {
    Kind.JPEG: (b"\xff\xd8\xff",),
    Kind.PNG: (b"\x89PNG\r\n\x1a\n",),
    Kind.WEBP: (b"RIFF",),
    Kind.GIF: (b"GIF87a", b"GIF89a"),
    Kind.PDF: (b"%PDF-",),
}
_TEXT_CONTROLS: Final = "\t\n\r"
_LAST_CONTROL: Final = "\x1f"


def require_kind(file: IO[bytes], rules: BucketRules) -> Kind:
    """Tell what a file is, and check documents; pictures are checked when they are decoded. Raises
    MediaTypeRefusedError, DocumentBrokenError.
    """
    head, tail = _ends(file)
    guesses = _guesses(file)
    kind = next((kind for kind in _SIGNATURES if _is(kind, head, guesses)), None)
    if kind is None and Kind.CSV in rules.kinds and _is_table_text(file):
        kind = Kind.CSV
    if kind not in rules.kinds:
        found = kind.media_type if kind else next(iter(guesses), None)
        raise MediaTypeRefusedError(found, (allowed.media_type for allowed in rules.kinds))
    if kind is Kind.PDF and not is_whole_pdf(head, tail):
        raise DocumentBrokenError
    return kind


def is_picture(kind: Kind) -> bool:
    return kind in PICTURES


def _is(kind: Kind, head: bytes, guesses: list[str]) -> bool:
    """Two opinions must agree: what puremagic knows, and the first bytes as we know them."""
    return kind.media_type in guesses and head.startswith(_SIGNATURES[kind])


def _ends(file: IO[bytes]) -> tuple[bytes, bytes]:
    file.seek(0)
    head = file.read(HEAD_BYTES)
    size = file.seek(0, 2)
    file.seek(max(0, size - TAIL_BYTES))
    return head, file.read(TAIL_BYTES)


def _guesses(file: IO[bytes]) -> list[str]:
    """Media types that puremagic thinks of, the surest first."""
    file.seek(0)
    try:
        return [guess.mime_type for guess in puremagic.magic_stream(file) if guess.mime_type]
    except puremagic.PureError:
        return []


def _is_table_text(file: IO[bytes]) -> bool:
    """UTF-8 without control characters that does not begin as a page or drawing does."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    file.seek(0)
    beginning = True
    try:
        while piece := file.read(PIECE_BYTES):
            text = decoder.decode(piece)
            if beginning and text.lstrip("\ufeff \t\r\n").startswith("<"):
                return False
            if any(mark <= _LAST_CONTROL and mark not in _TEXT_CONTROLS for mark in text):
                return False
            beginning = False
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
