"""A camera without hardware: it shows a phone with a code, or nobody; the registry refuses it in
production.

`simulator:phone?text=TK1%3A…` holds up a phone in a hand that is never quite still;
`simulator:nobody` is an empty gate. The same seed shows the same pictures.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np

from hardware.camera.options import flag, positive_number, refuse_unknown
from hardware.camera.pace import Pace
from hardware.decoding.zxing import draw_modules
from hardware.faults import CameraClosed, CameraSpecificationInvalid
from hardware.ports import Camera, Frame, Image, MonotonicClock
from hardware.simulators.phone_screen import Scene, render_background, render_phone

PictureSource: TypeAlias = Callable[[], Image]

_OPTIONS = frozenset({"text", "rate", "seed", "dark"})
_DEFAULT_RATE_PER_SECOND = 25.0


class SimulatedCamera:
    """Shows what its source draws, at a steady rate."""

    def __init__(
        self, label: str, source: PictureSource, pace: Pace, monotonic_ns: MonotonicClock
    ) -> None:
        self.label = label
        self._source = source
        self._pace = pace
        self._monotonic_ns = monotonic_ns
        self._sequence = 0

    def read(self) -> Frame:
        if not self._pace.wait():
            message = f"{self.label} is closed"
            raise CameraClosed(message)
        frame = Frame(self._source(), self._monotonic_ns(), self._sequence)
        self._sequence += 1
        return frame

    def close(self) -> None:
        self._pace.stop()


def open_camera(
    location: str, options: Mapping[str, str], *, monotonic_ns: MonotonicClock
) -> Camera:
    """Raises CameraSpecificationInvalid."""
    refuse_unknown(options, _OPTIONS)
    pace = Pace(positive_number(options, "rate", _DEFAULT_RATE_PER_SECOND), monotonic_ns)
    source = _source(location, options)
    return SimulatedCamera(f"simulator:{location}", source, pace, monotonic_ns)


def _source(location: str, options: Mapping[str, str]) -> PictureSource:
    generator = np.random.default_rng(round(positive_number(options, "seed", 1)))
    if location == "nobody":
        return lambda: render_background(Scene(), generator)
    if location != "phone" or not options.get("text"):
        message = f"simulator {location!r} is none of: phone (with ?text=), nobody"
        raise CameraSpecificationInvalid(message)
    modules = draw_modules(options["text"])
    dark_mode = flag(options, "dark")
    return lambda: render_phone(modules, _unsteady_scene(generator, dark_mode=dark_mode), generator)


def _unsteady_scene(generator: np.random.Generator, *, dark_mode: bool) -> Scene:
    roll, pitch, yaw = (float(degrees) for degrees in generator.uniform(-6, 6, 3))
    return Scene(roll_degrees=roll, pitch_degrees=pitch, yaw_degrees=yaw, dark_mode=dark_mode)
