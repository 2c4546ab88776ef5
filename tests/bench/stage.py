"""What happens before the measured kiosk's camera: visitors come one after the other, each once."""

import threading
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from hardware.decoding.reader import CodeReader
from hardware.ports import Frame, Image
from shared.ids import ticket_id_to_hex
from tests.bench.gate import Event, TimedCamera, counter_now
from tests.bench.scenes import nobody, ordinary_phone, ticket_text
from tests.factories.visitors import visitor_core

FRAMES_PER_SECOND: Final = 30
SEED: Final = 20261124
_FRAMES_A_VISITOR: Final = 3
_JPEG_QUALITY: Final = 80
"""Gives 720p pictures of the size that webcams send."""
_PAUSE_SECONDS: Final = (0.35, 0.75)


class Stage:
    """A camera, and phones whose codes are of this moment by the gate's own time."""

    def __init__(self, anchored_ns: int) -> None:
        self.camera = TimedCamera(FRAMES_PER_SECOND)
        self._anchored_ns = anchored_ns
        self._generator = np.random.default_rng(SEED)
        self._nobody = [_as_jpeg(nobody(self._generator)) for _ in range(4)]
        self._number = 0
        self.camera.present(self._nobody)

    def empty(self) -> None:
        """Let nobody stand there, for a time of no fixed length: nobody comes on the beat."""
        self.camera.present(self._nobody)
        threading.Event().wait(self._generator.uniform(*_PAUSE_SECONDS))

    def next_visitor(self) -> "Visitor":
        """Draw the next visitor's phone, in frames of which each can be read."""
        number, self._number = self._number, self._number + 1
        ticket_id = ticket_id_to_hex(visitor_core(number).ticket_id)
        text = ticket_text(number, counter_now(self._anchored_ns))
        frames: list[bytes] = []
        while len(frames) < _FRAMES_A_VISITOR:
            jpeg = _as_jpeg(ordinary_phone(text, self._generator))
            if _is_readable(jpeg, text):
                frames.append(jpeg)
        return Visitor(ticket_id, frames)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Somebody with a phone; the ticket as the kiosk's events name it."""

    ticket_id: str
    frames: list[bytes]

    def is_judged_in(self, event: Event) -> bool:
        """Whether an event is this visitor's verdict."""
        return bool(event["event"] == "verdict" and event["ticket_id"] == self.ticket_id)


def _as_jpeg(image: Image) -> bytes:
    _, encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return encoded.tobytes()


def _is_readable(jpeg: bytes, text: str) -> bool:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    image = np.asarray(picture, dtype=np.uint8)
    return any(reading.text == text for reading in CodeReader().read(Frame(image, 0, 0)))
