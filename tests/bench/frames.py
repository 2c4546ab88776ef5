"""How long a 720p frame takes to read on one core, and how many hard frames are read at all,
beside two other decoders on the same frames.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

import cv2
import numpy as np

from hardware.camera.pictures import to_gray
from hardware.decoding.reader import FRAMES_TO_TRY_ALL_LOOKS, CodeReader, open_code_reader
from hardware.decoding.zbar import ZbarDecoder
from hardware.decoding.zxing import ZxingDecoder
from hardware.faults import DecoderUnavailable
from hardware.ports import CodeReading, Frame, Image
from tests.bench.scenes import Picture, hard_phone, nobody, ordinary_phone, ticket_text
from tests.bench.spread import NANOSECONDS_PER_MILLISECOND, spread

SEED: Final = 20261123
ORDINARY: Final = 400
HARD: Final = 200
WARM_UP: Final = 20
Read = Callable[[Image], tuple[str, ...]]


def measure(*, quick: bool) -> dict[str, object]:
    """Measure; times in milliseconds, each over the first look that a frame gets."""
    cv2.setNumThreads(1)
    ordinary, hard = (count // 8 if quick else count for count in (ORDINARY, HARD))
    generator = np.random.default_rng(SEED)
    pictures = [
        Picture(ordinary_phone(text, generator), text) for text in map(ticket_text, range(ordinary))
    ]
    empty = [Picture(nobody(generator), "") for _ in range(ordinary)]
    with_code = _try_on(pictures, _kiosk_reader())
    difficult = [
        Picture(hard_phone(text, generator), text) for text in map(ticket_text, range(hard))
    ]
    return {
        "name": "frame to codes, one core",
        "with_code": with_code,
        "without_code": _try_on(empty, _kiosk_reader()),
        "without_code_second_opinion": _try_on(empty, _idle_reader()),
        "hard": {name: _try_on(difficult, read) for name, read in _rivals().items()},
    }


def _rivals() -> dict[str, Read]:
    """Name every way of reading that is compared."""
    rivals: dict[str, Read] = {
        "one look": _first_look,
        "bigger look": _kiosk_reader(),
        "bigger look, held still": _held_still,
        "opencv": _opencv_reader(),
    }
    try:
        zbar = ZbarDecoder()
    except DecoderUnavailable:
        return rivals
    return {**rivals, "pyzbar": lambda image: _texts(zbar.decode(to_gray(image)))}


def _try_on(pictures: list[Picture], read: Read) -> dict[str, float]:
    for picture in pictures[:WARM_UP]:
        read(picture.image)
    times, right, wrong = [], 0, 0
    for picture in pictures:
        begun = time.perf_counter_ns()
        texts = read(picture.image)
        times.append((time.perf_counter_ns() - begun) / NANOSECONDS_PER_MILLISECOND)
        right += picture.text in texts
        wrong += any(text != picture.text for text in texts)
    return {**spread(times), "read_share": round(right / len(pictures), 4), "misread": wrong}


def _kiosk_reader(*, idle: bool = False) -> Read:
    """Read as the kiosk's camera thread does: one frame, one pass, at most one bigger look."""
    reader = open_code_reader()
    return lambda image: _texts(reader.read(Frame(image, 0, 0), idle=idle))


def _idle_reader() -> Read:
    return _kiosk_reader(idle=True)


def _first_look(image: Image) -> tuple[str, ...]:
    """Read a frame the way the reader begins, and leave it at that."""
    smooth = cv2.GaussianBlur(to_gray(image), (3, 3), 0)
    return _texts(ZxingDecoder().decode(np.asarray(smooth, dtype=np.uint8)))


def _held_still(image: Image) -> tuple[str, ...]:
    """Read one frame until all looks are used up, as when a phone is held still."""
    reader = CodeReader()
    for sequence in range(FRAMES_TO_TRY_ALL_LOOKS):
        texts = _texts(reader.read(Frame(image, 0, sequence)))
        if texts:
            return texts
    return ()


def _opencv_reader() -> Read:
    detector = cv2.QRCodeDetector()

    def read(image: Image) -> tuple[str, ...]:
        try:
            text, _, _ = detector.detectAndDecode(to_gray(image))
        except (cv2.error, UnicodeDecodeError):
            return ()
        return (text,) if text else ()

    return read


def _texts(readings: Iterable[CodeReading]) -> tuple[str, ...]:
    return tuple(reading.text for reading in readings)
