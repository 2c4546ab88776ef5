"""Ways to look again at a part of a picture in which no code was read. Each was kept because it
read codes that the others missed, on simulated phones with blur, noise, glare and small codes.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from hardware.decoding.patch import Patch
from hardware.ports import CodeReading, Image

_LONGEST_SIDE_PIXELS = 1100
_THRESHOLD_WINDOW_PIXELS = 31


@dataclass(frozen=True, slots=True)
class Look:
    """Smooth, then sharpen, then enlarge, then perhaps threshold.

    `smoothing_sigma` is in pixels of the patch (0 leaves it), `sharpening` says how many times the
    difference to the mean of a window of `sharpening_window` pixels is added.
    """

    enlargement: int
    smoothing_sigma: float = 0.0
    sharpening_window: int = 7
    sharpening: float = 0.0
    threshold: bool = False


# In the order in which each reads most of what those before it leave.
LOOKS = (
    Look(enlargement=2, smoothing_sigma=1.0, sharpening=3.0),
    Look(enlargement=3, smoothing_sigma=0.75, sharpening=2.0),
    Look(enlargement=2, smoothing_sigma=1.3, sharpening_window=9, sharpening=4.0),
    Look(enlargement=4, smoothing_sigma=0.75, sharpening=2.0),
    Look(enlargement=2, smoothing_sigma=0.75, threshold=True),
    Look(enlargement=2),
)


@dataclass(frozen=True, slots=True)
class Enlargement:
    """A prepared patch, and how to find a point of it in the picture it was cut from."""

    gray: Image
    patch: Patch
    scale: float

    def locate(self, reading: CodeReading) -> CodeReading:
        corners = tuple(
            (self.patch.left + round(x / self.scale), self.patch.top + round(y / self.scale))
            for x, y in reading.corners
        )
        return CodeReading(reading.text, reading.decoder, corners)


def take_look(gray: Image, patch: Patch, look: Look) -> Enlargement:
    """Big patches are enlarged less, so that a look costs a few milliseconds at most."""
    cut = patch.cut(gray)
    scale = min(float(look.enlargement), max(1.0, _LONGEST_SIDE_PIXELS / max(cut.shape)))
    prepared = _sharpen(_smooth(cut, look.smoothing_sigma), look)
    enlarged = cv2.resize(prepared, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    if look.threshold:
        enlarged = cv2.adaptiveThreshold(
            enlarged,
            255,
            cv2.ADAPTIVE_THRESH_MEAN_C,
            cv2.THRESH_BINARY,
            _THRESHOLD_WINDOW_PIXELS,
            0,
        )
    return Enlargement(np.asarray(enlarged, dtype=np.uint8), patch, scale)


def _smooth(gray: Image, sigma: float) -> Image:
    if sigma <= 0:
        return gray
    return np.asarray(cv2.GaussianBlur(gray, (0, 0), sigma), dtype=np.uint8)


def _sharpen(gray: Image, look: Look) -> Image:
    if look.sharpening <= 0:
        return gray
    mean = cv2.blur(gray, (look.sharpening_window, look.sharpening_window))
    sharpened = cv2.addWeighted(gray, 1 + look.sharpening, mean, -look.sharpening, 0)
    return np.asarray(sharpened, dtype=np.uint8)
