"""Finds the driver for a camera specification and opens it; the only place that imports drivers by
name.

| specification                  | driver            | options                                  |
|--------------------------------|-------------------|------------------------------------------|
| `device:0` `0` `/dev/video0`   | camera.device     | `width` `height` `rate` `exposure_ms`    |
| `file:PATH`                    | camera.recording  | `loop` `pace=real` `rate`                |
| `http://…` `https://…` (MJPEG) | camera.mjpeg      | none: the query belongs to the address   |
| `simulator:phone` or `:nobody` | simulators.camera | `text` `rate` `seed` `dark`              |

Options follow a question mark: `file:queue.mp4?loop&pace=real`, `device:0?exposure_ms=auto`. PATH
is a video, a picture or a folder of pictures.
"""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, cast
from urllib.parse import parse_qsl

from hardware.faults import CameraSpecificationInvalid, SimulatorForbidden
from hardware.ports import Camera, MonotonicClock

_DRIVERS: Mapping[str, str] = {
    "device": "hardware.camera.device",
    "file": "hardware.camera.recording",
    "http": "hardware.camera.mjpeg",
    "https": "hardware.camera.mjpeg",
    "simulator": "hardware.simulators.camera",
}
_NETWORK_SCHEMES = frozenset({"http", "https"})


@dataclass(frozen=True, slots=True)
class CameraSpecification:
    """Which driver, what it shall open, and how."""

    scheme: str
    location: str
    options: Mapping[str, str] = field(default_factory=dict)


class CameraDriver(Protocol):
    """What a driver module offers."""

    def open_camera(
        self,
        location: str,
        options: Mapping[str, str],
        *,
        monotonic_ns: MonotonicClock,
    ) -> Camera: ...


def parse_camera_specification(specification: str) -> CameraSpecification:
    """Raises CameraSpecificationInvalid."""
    if specification.isdecimal() or specification.startswith("/dev/"):
        specification = f"device:{specification}"
    scheme, separator, rest = specification.partition(":")
    if not separator or not rest or scheme not in _DRIVERS:
        message = f"{specification!r} is no camera specification"
        raise CameraSpecificationInvalid(message)
    if scheme in _NETWORK_SCHEMES:
        return CameraSpecification(scheme, specification)
    location, _, query = rest.partition("?")
    return CameraSpecification(scheme, location, dict(parse_qsl(query, keep_blank_values=True)))


def open_camera(
    specification: str, *, monotonic_ns: MonotonicClock, production: bool = True
) -> Camera:
    """Open the camera that a specification names.

    Raises CameraSpecificationInvalid, CameraUnavailable, and SimulatorForbidden for a simulator in
    production.
    """
    wanted = parse_camera_specification(specification)
    if wanted.scheme == "simulator" and production:
        message = "a simulated camera does not work in production"
        raise SimulatorForbidden(message)
    driver = cast("CameraDriver", importlib.import_module(_DRIVERS[wanted.scheme]))
    return driver.open_camera(wanted.location, wanted.options, monotonic_ns=monotonic_ns)
