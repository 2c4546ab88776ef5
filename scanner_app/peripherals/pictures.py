"""Reading codes from picture files, through the same reader that the camera feeds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hardware.camera.pictures import read_picture
from hardware.decoding.reader import FRAMES_TO_TRY_ALL_LOOKS, open_code_reader
from hardware.faults import PictureUnreadable
from hardware.ports import CodeReading, Frame, Image
from shared.clock import NANOSECONDS_PER_MILLISECOND


@dataclass(frozen=True, slots=True)
class PictureReading:
    """The codes of one file; `problem` says why it could not be read."""

    file: str
    codes: tuple[CodeReading, ...]
    milliseconds: float
    problem: str | None = None


def decode_picture_file(path: Path, monotonic_ns: Callable[[], int]) -> PictureReading:
    """Read a file like a phone held still before the camera, until all looks are used up."""
    started_ns = monotonic_ns()
    try:
        image = read_picture(path)
    except PictureUnreadable as fault:
        return PictureReading(str(path), (), 0.0, str(fault))
    codes = _look_until_found(image, started_ns)
    elapsed_ns = monotonic_ns() - started_ns
    return PictureReading(str(path), codes, elapsed_ns / NANOSECONDS_PER_MILLISECOND)


def _look_until_found(image: Image, started_ns: int) -> tuple[CodeReading, ...]:
    reader = open_code_reader()
    for sequence in range(FRAMES_TO_TRY_ALL_LOOKS):
        codes = reader.read(Frame(image, started_ns, sequence), idle=True)
        if codes:
            return codes
    return ()
