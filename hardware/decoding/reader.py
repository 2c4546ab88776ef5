"""Reads the codes of a frame within a time that a gate can afford; what a code means is decided
elsewhere. Every frame is read once as a whole. A frame in which that finds nothing gets one bigger
look at its busiest part, another way each time, and where there is idle time a second opinion.
"""

import logging

import cv2
import numpy as np

from hardware.camera.pictures import to_gray
from hardware.decoding.looks import LOOKS, Look, take_look
from hardware.decoding.patch import Patch, find_busy_patches
from hardware.decoding.zbar import ZbarDecoder
from hardware.decoding.zxing import ZxingDecoder
from hardware.faults import DecoderUnavailable
from hardware.ports import CodeReading, Frame, FrameDecoder, Image

_logger = logging.getLogger(__name__)
_PATCHES_LOOKED_AT = 2
# A light smoothing takes the sensor's noise away: the decoder is three times faster for it and
# reads a tenth more of the noisy frames. What it costs in fine detail, the bigger look wins back.
_NOISE_WINDOW = (3, 3)
_SECOND_OPINION_LOOK = Look(enlargement=2, smoothing_sigma=0.75, sharpening=1.0)
# The whole frame and two patches, each looked at in every way.
FRAMES_TO_TRY_ALL_LOOKS = len(LOOKS) * _PATCHES_LOOKED_AT


class CodeReader:
    """Reads frame after frame of one camera; it remembers only which look is next."""

    def __init__(self, second_opinion: FrameDecoder | None = None) -> None:
        self._decoder: FrameDecoder = ZxingDecoder()
        self._second_opinion = second_opinion
        self._turn = 0

    def read(
        self, frame: Frame, *, idle: bool = False, hurried: bool = False
    ) -> tuple[CodeReading, ...]:
        """The codes of the frame.

        `idle` allows about 30 ms more for a frame without any; `hurried` allows nothing more, since
        newer frames are waiting already.
        """
        gray = to_gray(frame.image)
        codes = self._decoder.decode(_smooth(gray))
        if codes or hurried:
            return codes
        return self._look_closer(gray, idle=idle)

    def _look_closer(self, gray: Image, *, idle: bool) -> tuple[CodeReading, ...]:
        patches = find_busy_patches(gray, _PATCHES_LOOKED_AT)
        if not patches:
            return ()
        look, patch = self._next_look(patches)
        readings = _decode_patch(self._decoder, gray, patch, look)
        if readings or not idle or self._second_opinion is None:
            return readings
        return _decode_patch(self._second_opinion, gray, patch, _SECOND_OPINION_LOOK)

    def _next_look(self, patches: tuple[Patch, ...]) -> tuple[Look, Patch]:
        """A round of all looks at the busiest patch, then one at the next, and so on."""
        turn = self._turn
        self._turn += 1
        look = LOOKS[turn % len(LOOKS)]
        round_number = turn // len(LOOKS)
        return look, patches[min(round_number % _PATCHES_LOOKED_AT, len(patches) - 1)]


def open_code_reader() -> CodeReader:
    """A reader with a second opinion where its library is installed."""
    try:
        return CodeReader(ZbarDecoder())
    except DecoderUnavailable as fault:
        _logger.info("decoder_absence", extra={"reason": fault.reason})
        return CodeReader()


def _decode_patch(
    decoder: FrameDecoder, gray: Image, patch: Patch, look: Look
) -> tuple[CodeReading, ...]:
    enlargement = take_look(gray, patch, look)
    return tuple(enlargement.locate(reading) for reading in decoder.decode(enlargement.gray))


def _smooth(gray: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(gray, _NOISE_WINDOW, 0), dtype=np.uint8)
