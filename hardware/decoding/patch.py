"""Finds the part of a gray picture that is most like a code: where brightness changes much, both
across and down. It says where to look and reads nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from hardware.ports import Image

# One cell of the energy map stands for this many pixels of the picture, each way.
_CELL_PIXELS = 16
_HALF_CELL_PIXELS = _CELL_PIXELS // 2
_NEIGHBOURHOOD_CELLS = 7
_MARGIN_CELLS = 2
# How far above the picture's common level a patch must stand, in steps of brightness, and what
# share of its height its border has.
_LEAST_EXCESS = 8.0
_BORDER_SHARE = 0.45


@dataclass(frozen=True, slots=True)
class Patch:
    """A rectangle in pixels; right and bottom are the first ones outside."""

    left: int
    top: int
    right: int
    bottom: int

    def cut(self, gray: Image) -> Image:
        return gray[self.top : self.bottom, self.left : self.right]


def find_busy_patches(gray: Image, at_most: int) -> tuple[Patch, ...]:
    """The busiest patches with a margin, busiest first; none where nothing stands out."""
    if min(gray.shape) < _CELL_PIXELS:
        return ()
    energy = _energy_map(gray)
    common = float(np.median(energy))
    patches: list[Patch] = []
    while len(patches) < at_most:
        _, peak, _, peak_cell = cv2.minMaxLoc(energy)
        if peak - common < _LEAST_EXCESS:
            break
        border = common + _BORDER_SHARE * (peak - common)
        left, top, width, height = _surroundings(energy > border, peak_cell)
        patches.append(_in_pixels(left, top, width, height, gray))
        energy[top : top + height, left : left + width] = common
    return tuple(patches)


def _surroundings(busy: NDArray[np.bool_], peak_cell: Sequence[int]) -> tuple[int, int, int, int]:
    """The box (left, top, width, height) of the connected busy cells around the peak."""
    column, row = peak_cell
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(busy.astype(np.uint8), connectivity=4)
    left, top, width, height = (int(value) for value in boxes[labels[row, column], :4])
    return left, top, width, height


def _energy_map(gray: Image) -> NDArray[np.float32]:
    """Per cell, the smaller of the mean change across and the mean change down."""
    half = cv2.resize(gray, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    across = cv2.convertScaleAbs(cv2.Sobel(half, cv2.CV_16S, 1, 0))
    down = cv2.convertScaleAbs(cv2.Sobel(half, cv2.CV_16S, 0, 1))
    cells = (max(1, half.shape[1] // _HALF_CELL_PIXELS), max(1, half.shape[0] // _HALF_CELL_PIXELS))
    across = cv2.resize(across, cells, interpolation=cv2.INTER_AREA)
    down = cv2.resize(down, cells, interpolation=cv2.INTER_AREA)
    both = cv2.min(across, down).astype(np.float32)
    smooth = cv2.blur(both, (_NEIGHBOURHOOD_CELLS, _NEIGHBOURHOOD_CELLS))
    return np.asarray(smooth, dtype=np.float32)


def _in_pixels(left: int, top: int, width: int, height: int, gray: Image) -> Patch:
    picture_height, picture_width = gray.shape
    return Patch(
        max(0, left - _MARGIN_CELLS) * _CELL_PIXELS,
        max(0, top - _MARGIN_CELLS) * _CELL_PIXELS,
        min(picture_width, (left + width + _MARGIN_CELLS) * _CELL_PIXELS),
        min(picture_height, (top + height + _MARGIN_CELLS) * _CELL_PIXELS),
    )
