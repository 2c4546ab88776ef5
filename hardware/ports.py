"""What a camera and a decoder are to the rest of the program; no driver is named here."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
MonotonicClock: TypeAlias = Callable[[], int]
Corner: TypeAlias = tuple[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One picture: BGR of shape (height, width, 3) or gray of shape (height, width)."""

    image: Image
    captured_at_ns: int
    sequence: int
    compressed: bytes | None = None
    """The JPEG that a gray image was read from, for whoever wants its colours."""


@dataclass(frozen=True, slots=True)
class CodeReading:
    """The exact text of one code and its corners in frame pixels, clockwise from its top left."""

    text: str
    decoder: str
    corners: tuple[Corner, ...]


class Camera(Protocol):
    """An open camera. One thread reads; any thread may close, which ends a waiting read."""

    @property
    def label(self) -> str:
        """A name for screens and logs, without passwords."""
        ...

    def read(self) -> Frame:
        """Wait for the next picture.

        Raises CameraLost when none comes within two seconds, RecordingFinished after the last one,
        CameraClosed when closed.
        """
        ...

    def close(self) -> None:
        """Let the camera go; a second call does nothing."""
        ...


CameraFactory: TypeAlias = Callable[[], Camera]


class FrameDecoder(Protocol):
    """One library that finds QR codes in a gray picture."""

    @property
    def name(self) -> str: ...

    def decode(self, gray: Image) -> tuple[CodeReading, ...]:
        """Corners are in pixels of the picture given."""
        ...
