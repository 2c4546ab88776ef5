import logging
import threading
from collections.abc import Callable, Generator, Iterator
from queue import Queue

import numpy as np
import pytest

from hardware.faults import (
    CameraClosed,
    CameraFault,
    CameraLost,
    CameraSpecificationInvalid,
    CameraUnavailable,
    HardwareFault,
    RecordingFinished,
)
from hardware.ports import Camera, CameraFactory, Frame, MonotonicClock
from hardware.registry import open_camera
from hardware.simulators.mjpeg_camera import MjpegCameraServer
from hardware.supervisor import Backoff, CameraCondition, CameraState, CameraSupervisor

OPENING, WORKING, LOST = CameraCondition
QUICK = Backoff(first_seconds=0.01, longest_seconds=0.05, settled_seconds=5.0)
PATIENCE_SECONDS = 20


class ScriptedCamera:
    """Gives a frame for every None of its script and raises the rest."""

    label = "scripted"

    def __init__(self, script: list[HardwareFault | None]) -> None:
        self._script = iter(script)
        self.closed = False

    def read(self) -> Frame:
        fault = next(self._script)
        if fault is not None:
            raise fault
        return Frame(np.zeros((1, 1), np.uint8), 0, 0)

    def close(self) -> None:
        self.closed = True


class WatchedCamera:
    """A supervisor over the simulated network camera, iterated by a thread of its own."""

    def __init__(self, factory: CameraFactory, clock: MonotonicClock) -> None:
        self.states: Queue[CameraState] = Queue()
        self.frames: Queue[Frame] = Queue()
        self.supervisor = CameraSupervisor(factory, clock, QUICK, self.states.put)
        self.thread = threading.Thread(target=self._watch, name="camera watch")
        self.thread.start()

    def next_condition(self) -> CameraCondition:
        return self.states.get(timeout=PATIENCE_SECONDS).condition

    def stop(self) -> None:
        self.supervisor.stop()
        self.thread.join(PATIENCE_SECONDS)

    def _watch(self) -> None:
        for frame in self.supervisor.frames():
            self.frames.put(frame)


@pytest.fixture
def watched(camera_server: MjpegCameraServer, clock: MonotonicClock) -> Iterator[WatchedCamera]:
    camera_server.show(np.zeros((48, 64, 3), np.uint8))
    camera = WatchedCamera(lambda: open_camera(camera_server.url, monotonic_ns=clock), clock)
    yield camera
    camera.stop()


def factory_of(*outcomes: Camera | HardwareFault) -> CameraFactory:
    remaining = iter(outcomes)

    def next_camera() -> Camera:
        outcome = next(remaining)
        if isinstance(outcome, HardwareFault):
            raise outcome
        return outcome

    return next_camera


def run_to_the_end(factory: CameraFactory, clock: MonotonicClock) -> list[tuple[str, str]]:
    """Conditions and reasons of a supervisor whose last camera ends its recording."""
    states: list[CameraState] = []
    supervisor = CameraSupervisor(factory, clock, QUICK, states.append)
    for _ in supervisor.frames():
        pass
    assert supervisor.state == states[-1]
    return [(state.condition, state.reason) for state in states]


FINISHED = RecordingFinished("the end")


@pytest.mark.parametrize("pull", ["fall_silent", "stop_serving"])
def test_pulled_camera_is_lost_and_found_and_each_is_logged_once(
    pull: str,
    watched: WatchedCamera,
    camera_server: MjpegCameraServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hardware.supervisor")
    assert [watched.next_condition(), watched.next_condition()] == [OPENING, WORKING]
    getattr(camera_server, pull)()
    assert watched.next_condition() is LOST
    camera_server.resume()
    assert watched.next_condition() is WORKING
    events = [record.message for record in caplog.records if record.message != "camera_start"]
    assert events == ["camera_loss", "camera_recovery"]


def test_frames_flow_again_after_a_loss(
    watched: WatchedCamera, camera_server: MjpegCameraServer
) -> None:
    watched.frames.get(timeout=PATIENCE_SECONDS)
    camera_server.stop_serving()
    assert [watched.next_condition() for _ in range(3)] == [OPENING, WORKING, LOST]
    camera_server.resume()
    assert watched.next_condition() is WORKING
    assert watched.frames.get(timeout=PATIENCE_SECONDS).image.shape == (48, 64)


def test_stop_ends_a_wait_for_a_silent_camera(
    watched: WatchedCamera, camera_server: MjpegCameraServer
) -> None:
    assert [watched.next_condition(), watched.next_condition()] == [OPENING, WORKING]
    camera_server.fall_silent()
    watched.stop()
    assert not watched.thread.is_alive()
    assert watched.supervisor.state.condition is WORKING


def test_stop_ends_a_long_wait_between_attempts(clock: MonotonicClock) -> None:
    lost = threading.Event()

    def refuse() -> Camera:
        message = "unplugged"
        raise CameraUnavailable(message)

    patient = Backoff(first_seconds=PATIENCE_SECONDS, longest_seconds=PATIENCE_SECONDS)

    def note(state: CameraState) -> None:
        lost.set() if state.condition is LOST else None

    supervisor = CameraSupervisor(refuse, clock, patient, note)
    thread = threading.Thread(target=lambda: list(supervisor.frames()))
    thread.start()
    assert lost.wait(PATIENCE_SECONDS)
    supervisor.stop()
    thread.join(PATIENCE_SECONDS / 2)
    assert not thread.is_alive()


@pytest.mark.parametrize(
    ("openings", "expected"),
    [
        ([ScriptedCamera([None, None, FINISHED])], [OPENING, WORKING, LOST]),
        (
            [
                CameraUnavailable("unplugged"),
                CameraUnavailable("still unplugged"),
                ScriptedCamera([None, FINISHED]),
            ],
            [OPENING, LOST, WORKING, LOST],
        ),
        (
            [
                ScriptedCamera([None, CameraLost("pulled")]),
                CameraUnavailable("unplugged"),
                ScriptedCamera([CameraLost("no picture")]),
                ScriptedCamera([None, FINISHED]),
            ],
            [OPENING, WORKING, LOST, WORKING, LOST],
        ),
    ],
    ids=["works", "comes late", "opens without a picture"],
)
def test_each_change_is_told_once(
    openings: list[Camera | HardwareFault],
    expected: list[CameraCondition],
    clock: MonotonicClock,
) -> None:
    conditions = [condition for condition, _ in run_to_the_end(factory_of(*openings), clock)]
    assert conditions == expected


def test_loss_keeps_its_first_reason(clock: MonotonicClock) -> None:
    factory = factory_of(
        CameraUnavailable("unplugged"), CameraUnavailable("busy"), ScriptedCamera([FINISHED])
    )
    assert run_to_the_end(factory, clock) == [
        (OPENING, ""),
        (LOST, "unplugged"),
        (LOST, "the end"),
    ]


@pytest.mark.parametrize(
    "fault", [CameraSpecificationInvalid("no camera"), CameraClosed("closed by another")]
)
def test_fault_that_waiting_cannot_mend_is_raised(
    fault: HardwareFault, clock: MonotonicClock
) -> None:
    supervisor = CameraSupervisor(factory_of(fault), clock, QUICK, lambda _: None)
    with pytest.raises(type(fault)):
        next(supervisor.frames())


def stop(supervisor: CameraSupervisor, _: Generator[Frame]) -> None:
    supervisor.stop()


def leave(_: CameraSupervisor, frames: Generator[Frame]) -> None:
    frames.close()


def read_on(_: CameraSupervisor, frames: Generator[Frame]) -> None:
    next(frames, None)


@pytest.mark.parametrize("finish", [stop, leave, read_on])
def test_camera_is_closed_whatever_happens(
    finish: Callable[[CameraSupervisor, Generator[Frame]], None], clock: MonotonicClock
) -> None:
    camera = ScriptedCamera([None, CameraLost("pulled")])
    factory = factory_of(camera, ScriptedCamera([FINISHED]))
    supervisor = CameraSupervisor(factory, clock, QUICK, lambda _: None)
    frames = supervisor.frames()
    next(frames)
    finish(supervisor, frames)
    assert camera.closed


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 0.2), (2, 0.4), (3, 0.8), (5, 2.0), (10_000, 2.0)]
)
def test_wait_doubles_up_to_the_longest(failures: int, seconds: float) -> None:
    assert Backoff().wait_seconds(failures) == pytest.approx(seconds)


@pytest.mark.parametrize(("worked_seconds", "failures"), [(4, 2), (6, 1)])
def test_only_a_settled_camera_forgets_its_failures(worked_seconds: int, failures: int) -> None:
    now_ns = 0
    fault: CameraFault = CameraLost("pulled")
    factory = factory_of(
        CameraUnavailable("unplugged"),
        ScriptedCamera([None, None, fault]),
        ScriptedCamera([FINISHED]),
    )
    supervisor = CameraSupervisor(factory, lambda: now_ns, QUICK, lambda _: None)
    frames = supervisor.frames()
    next(frames)
    now_ns = worked_seconds * 1_000_000_000
    next(frames)
    assert next(frames, None) is None
    assert supervisor._failures == failures
