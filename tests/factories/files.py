"""Files as people send them: photos with their notes, pictures that move, documents, and files that
pretend.
"""

import io
import struct
import zlib
from secrets import token_bytes
from typing import Any, Final

from PIL import Image, ImageDraw

from sync_server.kit.services import Services
from sync_server.kit.storage import hash_of
from sync_server.media import service as media
from sync_server.media.callers import Sender
from sync_server.media.service import Kept
from sync_server.media.uploads import Upload
from sync_server.media.workshop import Workshop

PLACE_TAKEN: Final = (0.0, 18.0, 49.0)
"""Degrees, minutes and seconds north, as a telephone writes them."""
_GPS_TAG: Final = 0x8825


def a_picture(width: int = 64, height: int = 48, colour: str = "white") -> Image.Image:
    """A dark corner at the top left, so that turning it shows."""
    image = Image.new("RGB", (width, height), colour)
    ImageDraw.Draw(image).rectangle((0, 0, width // 3, height // 3), fill="black")
    return image


def written(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:  # noqa: ANN401 - Pillow's own
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def a_photo(width: int = 64, height: int = 48, colour: str = "white", kind: str = "JPEG") -> bytes:
    return written(a_picture(width, height, colour), kind)


def a_new_photo(width: int = 64, height: int = 48) -> bytes:
    """A photo that nobody published before: under its hash there is nothing yet."""
    image = a_picture(width, height)
    for number in range(8):
        red, green, blue = token_bytes(3)
        left = number * width // 8
        ImageDraw.Draw(image).rectangle((left, 0, left + 7, height), fill=(red, green, blue))
    return written(image)


def a_photo_with_notes(orientation: int = 1, kind: str = "JPEG") -> bytes:
    """A photo that tells where it was taken, by whom and with what."""
    notes = Image.Exif()
    notes[0x0112] = orientation
    notes[0x010F] = "Telephone Maker"
    notes[0x013B] = "Grace Nakato"
    notes.get_ifd(_GPS_TAG).update({1: "N", 2: PLACE_TAKEN, 3: "E", 4: PLACE_TAKEN})
    return written(a_picture(), kind, exif=notes)


def an_animation(kind: str) -> bytes:
    frames = [a_picture(colour=colour) for colour in ("white", "red")]
    return written(frames[0], kind, save_all=True, append_images=frames[1:])


def a_pdf(text: str = "Terms") -> bytes:
    body = f"%PDF-1.7\n1 0 obj\n<< /Title ({text}) >>\nendobj\n"
    return f"{body}trailer << /Root 1 0 R >>\nstartxref\n{len(body)}\n%%EOF\n".encode()


def a_bomb(width: int, height: int, kind: str = "PNG") -> bytes:
    """A small file that says it is a huge picture."""
    if kind == "WEBP":
        size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
        chunk = b"VP8X" + (10).to_bytes(4, "little") + bytes(4) + size
        return b"RIFF" + (len(chunk) + 4).to_bytes(4, "little") + b"WEBP" + chunk
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(bytes(1000))),
            (b"IEND", b""),
        )
    )


async def keep(services: Services, sender: Sender, content: bytes) -> Kept:
    """Keep a file without HTTP."""
    file = io.BytesIO(content)
    return await media.add_file(
        services, Workshop(), sender, Upload(file, hash_of(file), len(content))
    )
