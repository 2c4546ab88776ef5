"""Pictures written anew: only pixels come through, so that the place a photo was taken at, who took
it, and any foreign code in the file stay behind. It decodes what strangers send, in a thread of
`workshop`.
"""

import io
import struct
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import IO, Any, Final

from PIL import Image, ImageCms

from sync_server.media.errors import (
    PictureAnimatedError,
    PictureBrokenError,
    PictureTooLargeError,
)
from sync_server.media.rules import Kind

PIXELS_MAX: Final = 25_000_000
"""About what a good telephone takes; 100 MB of pixels, twice that while it is written."""
SIDE_MAX: Final = 10_000
_FORMATS: Final = {Kind.JPEG: "JPEG", Kind.PNG: "PNG", Kind.WEBP: "WEBP", Kind.GIF: "GIF"}
# A still GIF has no more to it than a PNG has.
_WRITTEN_AS: Final = {Kind.GIF: Kind.PNG}
_WRITING: Final[dict[Kind, dict[str, Any]]] = {  # Any: Pillow's options, by name
    Kind.JPEG: {"quality": 90, "optimize": True, "progressive": True},
    Kind.PNG: {},
    Kind.WEBP: {"quality": 90, "method": 4},
}
_VARIANT: Final = {"quality": 80, "method": 4}
_ORIENTATION_TAG: Final = 0x0112
# How a picture is turned upright, by the number of its orientation (Exif 2.32, 4.6.5 A).
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TRANSPARENT_MODES: Final = frozenset({"RGBA", "LA", "PA", "La", "RGBa"})
_SIXTEEN_BITS_TO_EIGHT: Final = [value >> 8 for value in range(1 << 16)]
# What Pillow raises over damaged files; found by feeding it such files.
_DAMAGE: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    struct.error,
    zlib.error,
)
# We look at the size before the first pixel is decoded; the library does so as well.
Image.MAX_IMAGE_PIXELS = PIXELS_MAX
# What it has to say about a stranger's file is no news for our log.
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture as it will be stored."""

    content: bytes
    kind: Kind
    width: int
    height: int

    @property
    def sha256(self) -> str:
        return sha256(self.content).hexdigest()


@dataclass(frozen=True, slots=True)
class CleanPicture:
    original: Picture
    variants: tuple[Picture, ...]


def clean_picture(file: IO[bytes], kind: Kind, widths: Sequence[int]) -> CleanPicture:
    """Decode a still picture and write it anew, with a WebP for each width below its own. Raises
    PictureTooLargeError, PictureAnimatedError, PictureBrokenError.
    """
    file.seek(0)
    lossless = file.read(16).endswith(b"WEBPVP8L")
    file.seek(0)
    with _damage_told():
        pixels = _pixels(file, kind)
    written = _WRITTEN_AS.get(kind, kind)
    options = _WRITING[written] | ({"lossless": True} if lossless else {})
    variants = [
        _written(_narrowed(pixels, width), Kind.WEBP, _VARIANT)
        for width in widths
        if width < pixels.width
    ]
    return CleanPicture(_written(pixels, written, options), tuple(variants))


@contextmanager
def _damage_told() -> Iterator[None]:
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise PictureTooLargeError(PIXELS_MAX, SIDE_MAX) from error
    except _DAMAGE as error:
        raise PictureBrokenError from error


def _pixels(file: IO[bytes], kind: Kind) -> Image.Image:
    """Decode, turn upright and bring colours to sRGB; nothing but pixels is left."""
    opened = Image.open(file, formats=[_FORMATS[kind]])
    width, height = opened.size
    if width * height > PIXELS_MAX or max(width, height) > SIDE_MAX:
        raise PictureTooLargeError(PIXELS_MAX, SIDE_MAX)
    # Telephones hide depth maps and second takes behind the first picture of a JPEG (MPO).
    if opened.format != "MPO" and getattr(opened, "is_animated", False):
        raise PictureAnimatedError
    opened.load()
    profile = opened.info.get("icc_profile")
    turn = _TURNS.get(_orientation(opened))
    # No copy more than needed: one of these may take 100 MB.
    image: Image.Image = opened if turn is None else opened.transpose(turn)
    image = _in_srgb(_in_plain_mode(image), profile)
    if image.mode == "CMYK":
        image = image.convert("RGB")
    # What stands in `info` would be written into the new file.
    image.info = {}
    return image


def _orientation(image: Image.Image) -> int:
    """A picture whose notes are damaged is a picture still."""
    with suppress(*_DAMAGE):
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    return 1


def _in_plain_mode(image: Image.Image) -> Image.Image:
    """Bring a picture to one of the modes that every reader knows, or leave it in CMYK."""
    if image.mode.startswith("I"):
        return image.convert("I").point(_SIXTEEN_BITS_TO_EIGHT, "L")
    if image.mode in _TRANSPARENT_MODES or "transparency" in image.info:
        return image.convert("RGBA")
    if image.mode == "1":
        return image.convert("L")
    return image if image.mode in {"L", "RGB", "CMYK"} else image.convert("RGB")


def _in_srgb(image: Image.Image, profile: object) -> Image.Image:
    """Show colours as they were meant, now that the profile goes; one that cannot be read does not
    count.
    """
    if not isinstance(profile, bytes):
        return image
    mode = "RGB" if image.mode == "CMYK" else image.mode
    try:
        known = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        turned = ImageCms.profileToProfile(image, known, target, outputMode=mode)
    except (ImageCms.PyCMSError, *_DAMAGE):
        return image
    return turned or image


def _narrowed(pixels: Image.Image, width: int) -> Image.Image:
    height = max(1, round(pixels.height * width / pixels.width))
    return pixels.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3.0)


def _written(pixels: Image.Image, kind: Kind, options: dict[str, Any]) -> Picture:
    file = io.BytesIO()
    pixels.save(file, _FORMATS[kind], **options)
    return Picture(file.getvalue(), kind, pixels.width, pixels.height)
