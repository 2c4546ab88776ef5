"""Turns files and bytes into pixels and back, and any picture into gray; what is on a picture does
not matter here.
"""

from pathlib import Path

import cv2
import numpy as np

from hardware.faults import PictureUnreadable
from hardware.ports import Frame, Image

PICTURE_SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_GRAY_DIMENSIONS = 2


def read_picture(path: Path) -> Image:
    """The picture in BGR. Raises PictureUnreadable."""
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"{path.name} cannot be read ({error.strerror})"
        raise PictureUnreadable(message) from error
    picture = decode_picture(content)
    if picture is None:
        message = f"{path.name} is not a picture"
        raise PictureUnreadable(message)
    return picture


def decode_picture(content: bytes, colours: int = cv2.IMREAD_COLOR) -> Image | None:
    """BGR pixels, or None where the bytes are no picture (a torn JPEG from a bad cable, say)."""
    if not content:
        return None
    try:
        decoded = cv2.imdecode(np.frombuffer(content, np.uint8), colours)
    except cv2.error:
        return None
    return None if decoded is None else np.asarray(decoded, dtype=np.uint8)


def decode_gray(content: bytes) -> Image | None:
    """Gray pixels: all that a decoder looks at, for two thirds of the time."""
    return decode_picture(content, cv2.IMREAD_GRAYSCALE)


def picture_to_show(frame: Frame) -> Image:
    """The frame as a person wants to see it: in colour where it has any, at half its size then."""
    if frame.compressed is None:
        return frame.image
    small = decode_picture(frame.compressed, cv2.IMREAD_REDUCED_COLOR_2)
    return frame.image if small is None else small


def encode_jpeg(picture: Image, quality: int = 85) -> bytes:
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return encoded.tobytes()


def to_gray(picture: Image) -> Image:
    if picture.ndim == _GRAY_DIMENSIONS:
        return picture
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), dtype=np.uint8)
