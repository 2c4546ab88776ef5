"""Buckets: what each takes, who reads and writes it; kinds of files, and names fit to keep; pure.

Policies in the database name the same buckets and capabilities.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Final
from urllib.parse import quote

from sync_server.organizers.rules import Capability

NAME_CHARACTERS_MAX: Final = 200
VARIANT_WIDTHS: Final = (320, 640, 1280)
TAIL_BYTES: Final = 1024
_MEBIBYTE: Final = 1 << 20
_NAMELESS: Final = "file"
_UNSAFE_IN_NAMES: Final = re.compile(r'[<>:"|?*]')
# RFC 8187's attr-char, less what `quote` leaves alone anyway.
_ATTRIBUTE_CHARACTERS: Final = "!#$&+^`|"


class Kind(Enum):
    """A kind of file: its media type, and the endings its names may have, the usual one first."""

    JPEG = ("image/jpeg", (".jpg", ".jpeg"))
    PNG = ("image/png", (".png",))
    WEBP = ("image/webp", (".webp",))
    GIF = ("image/gif", (".gif",))
    PDF = ("application/pdf", (".pdf",))
    CSV = ("text/csv", (".csv",))

    def __init__(self, media_type: str, endings: tuple[str, ...]) -> None:
        self.media_type = media_type
        self.endings = endings


PICTURES: Final = frozenset({Kind.JPEG, Kind.PNG, Kind.WEBP, Kind.GIF})


def kind_of(media_type: str) -> Kind:
    return next(kind for kind in Kind if kind.media_type == media_type)


class Bucket(StrEnum):
    MARKETING_MEDIA = "marketing-media"
    ORGANIZER_DOCUMENTS = "organizer-documents"
    STATEMENTS = "statements"


@dataclass(frozen=True, slots=True)
class BucketRules:
    """`read` None is any member; `write` None is nobody but the server itself."""

    kinds: frozenset[Kind]
    size_bytes_max: int
    read: Capability | None
    write: Capability | None
    public: bool = False

    @property
    def variant_widths(self) -> tuple[int, ...]:
        """Pages show public pictures in several sizes; nobody does with documents."""
        return VARIANT_WIDTHS if self.public else ()


BUCKETS: Final[Mapping[Bucket, BucketRules]] = {
    Bucket.MARKETING_MEDIA: BucketRules(
        kinds=PICTURES,
        size_bytes_max=10 * _MEBIBYTE,
        read=None,
        write=Capability.EVENT_MANAGE,
        public=True,
    ),
    Bucket.ORGANIZER_DOCUMENTS: BucketRules(
        kinds=PICTURES | {Kind.PDF},
        size_bytes_max=20 * _MEBIBYTE,
        read=Capability.MEMBERS_MANAGE,
        write=Capability.MEMBERS_MANAGE,
    ),
    Bucket.STATEMENTS: BucketRules(
        kinds=frozenset({Kind.PDF, Kind.CSV}),
        size_bytes_max=50 * _MEBIBYTE,
        read=Capability.FINANCE_VIEW,
        write=None,
    ),
}


def is_whole_pdf(head: bytes, tail: bytes) -> bool:
    """Look at the first and last bytes of a file: `tail` is at most TAIL_BYTES of it.

    ISO 32000 puts the header first and %%EOF last. Readers are kinder, and files that are two
    things at once live on that kindness.
    """
    ends = tail.rstrip(b"\0\t\n\f\r ").endswith(b"%%EOF") and b"startxref" in tail
    return re.match(rb"%PDF-[12]\.\d", head) is not None and ends


def kept_name(given: str, kind: Kind) -> str:
    """Make a name safe on every system, with an ending that fits what the file is.

    Folders go, and so do control characters and marks that turn the direction of writing.
    """
    last = re.split(r"[/\\]", unicodedata.normalize("NFC", given))[-1]
    visible = "".join(mark for mark in last if unicodedata.category(mark)[0] != "C")
    name = _UNSAFE_IN_NAMES.sub("_", visible).strip(" .") or _NAMELESS
    ending = next((end for end in kind.endings if name.lower().endswith(end)), "")
    stem = name[: len(name) - len(ending)].rstrip(" .") or _NAMELESS
    ending = name[len(name) - len(ending) :] if ending else kind.endings[0]
    return stem[: NAME_CHARACTERS_MAX - len(ending)] + ending


def attachment(name: str) -> str:
    """Write Content-Disposition for any name (RFC 6266, with RFC 8187 beside plain ASCII)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().strip()
    named = _NAMELESS + plain if plain.startswith(".") else plain
    quoted = re.sub(r'[\\"%]', "_", named)
    extended = quote(name, safe=_ATTRIBUTE_CHARACTERS)
    return f"attachment; filename=\"{quoted}\"; filename*=UTF-8''{extended}"
