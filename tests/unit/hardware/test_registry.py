from pathlib import Path

import pytest

from hardware.faults import (
    CameraSpecificationInvalid,
    CameraUnavailable,
    HardwareFault,
    SimulatorForbidden,
)
from hardware.ports import MonotonicClock
from hardware.registry import CameraSpecification, open_camera, parse_camera_specification


@pytest.mark.parametrize(
    ("specification", "expected"),
    [
        ("0", CameraSpecification("device", "0")),
        ("device:2", CameraSpecification("device", "2")),
        ("/dev/video1", CameraSpecification("device", "/dev/video1")),
        (
            "device:0?exposure_ms=auto&width=1920",
            CameraSpecification("device", "0", {"exposure_ms": "auto", "width": "1920"}),
        ),
        ("file:queue.mp4", CameraSpecification("file", "queue.mp4")),
        (
            "file:/a b/c#1.mp4?loop&pace=real",
            CameraSpecification("file", "/a b/c#1.mp4", {"loop": "", "pace": "real"}),
        ),
        ("http://h:8080/v?q=1", CameraSpecification("http", "http://h:8080/v?q=1")),
        ("https://h/v", CameraSpecification("https", "https://h/v")),
        (
            "simulator:phone?text=TK1%3AA%20%20B",
            CameraSpecification("simulator", "phone", {"text": "TK1:A  B"}),
        ),
    ],
)
def test_specification_names_driver_place_and_options(
    specification: str, expected: CameraSpecification
) -> None:
    assert parse_camera_specification(specification) == expected


@pytest.mark.parametrize(
    "specification",
    [
        "",
        "camera",
        "file:",
        "rtsp://host/stream",
        "-1",
        "os:path",
        "device:0?colour=red",
        "device:0?width=wide",
        "device:0?rate=0",
        "device:0?exposure_ms=nan",
        "simulator:tiger",
        "simulator:phone",
        "simulator:nobody?size=3",
        "http:///nowhere",
        "http://host:port/",
        "http://[::1/",
    ],
)
def test_wrong_specification_is_refused(specification: str, clock: MonotonicClock) -> None:
    with pytest.raises(CameraSpecificationInvalid, match="file:PATH"):
        open_camera(specification, monotonic_ns=clock, production=False)


@pytest.mark.parametrize("option", ["pace=fast", "rate=fast", "speed=2"])
def test_wrong_option_of_a_file_is_refused(
    option: str, tmp_path: Path, clock: MonotonicClock
) -> None:
    (tmp_path / "one.png").touch()
    with pytest.raises(CameraSpecificationInvalid):
        open_camera(f"file:{tmp_path}?{option}", monotonic_ns=clock)


@pytest.mark.parametrize(
    "specification", ["simulator:nobody", "simulator:phone?text=A", "simulator:tiger"]
)
def test_simulator_is_refused_in_production(specification: str, clock: MonotonicClock) -> None:
    with pytest.raises(SimulatorForbidden):
        open_camera(specification, monotonic_ns=clock, production=True)


def test_production_is_taken_for_granted(clock: MonotonicClock) -> None:
    with pytest.raises(SimulatorForbidden):
        open_camera("simulator:nobody", monotonic_ns=clock)


@pytest.mark.parametrize(
    "specification", ["device:97", "/dev/no-such-camera", "file:no-such-file.mp4"]
)
def test_absent_camera_is_unavailable(specification: str, clock: MonotonicClock) -> None:
    with pytest.raises(CameraUnavailable, match="does not exist"):
        open_camera(specification, monotonic_ns=clock)


def test_device_that_is_no_camera_is_unavailable(clock: MonotonicClock) -> None:
    with pytest.raises(CameraUnavailable, match="could not be opened"):
        open_camera("/dev/null", monotonic_ns=clock)


def faults(kind: type[HardwareFault]) -> list[type[HardwareFault]]:
    return [kind, *(fault for child in kind.__subclasses__() for fault in faults(child))]


@pytest.mark.parametrize("kind", faults(HardwareFault))
def test_every_fault_says_what_happened_and_what_to_do(kind: type[HardwareFault]) -> None:
    assert str(kind("The lens fell off")) == f"The lens fell off. {kind.remedy}"
    assert kind is HardwareFault or "remedy" in vars(kind)
