"""The camera thread: frames in, newly shown codes out. What a code means is decided elsewhere."""

import os
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from hardware.camera.pictures import picture_to_show
from hardware.decoding.presence import CodePresence
from hardware.decoding.reader import CodeReader, open_code_reader
from hardware.faults import CameraSpecificationInvalid, SimulatorForbidden
from hardware.ports import CodeReading, Frame
from hardware.registry import open_camera, parse_camera_specification
from hardware.supervisor import Backoff, CameraCondition, CameraState, CameraSupervisor
from shared.credentials.layout import parse
from shared.errors import CredentialError, ZeraketError

_IDLE_WAIT_NS: Final = 25_000_000
"""Waiting this long for a frame means there is time for a second opinion about the next one."""
_LATE_NS: Final = 12_000_000
"""A frame older than this was overtaken: reading is slower than the camera."""
_FRAMES_A_TREAT_WHEN_LATE: Final = 8
"""Then one frame of so many gets a bigger look, for codes that need one, and is shown to people."""
_NICENESS: Final = 5
_STOP_SECONDS: Final = 2.0
"""A driver that hangs longer than this is left to the end of the process."""
_SIMULATOR: Final = "simulator"


class CameraUnusableError(ZeraketError):
    """A camera was asked for that nobody can open, today or later."""

    code = "camera_unusable"


def check_camera(specification: str, *, production: bool) -> None:
    """Raise CameraUnusableError for a specification that is none, or forbidden here."""
    try:
        wanted = parse_camera_specification(specification)
    except CameraSpecificationInvalid as fault:
        raise CameraUnusableError(str(fault)) from fault
    if production and wanted.scheme == _SIMULATOR:
        raise CameraUnusableError(str(SimulatorForbidden("a simulated camera is refused here")))


@dataclass(frozen=True, slots=True)
class ShownCode:
    """A code as it was seen, by camera or hand scanner."""

    text: str
    seen_at_ns: int
    source: str

    @property
    def identity(self) -> str:
        """What stays the same while a rotating code changes its text: the body of a ticket code."""
        return code_identity(self.text)


def code_identity(text: str) -> str:
    """Give the body of a ticket code in hexadecimal, and any other text as it is."""
    try:
        return parse(text).body.hex()
    except CredentialError:
        return text


def showing_identity(text: str) -> str:
    """Give what stays the same until a rotating code's next window: all but the signature."""
    try:
        payload = parse(text)
    except CredentialError:
        return text
    return f"{payload.body.hex()} {payload.header.to_bytes().hex()} {payload.window}"


class NewCodes:
    """Says which readings deserve a verdict.

    A code is judged when it comes into view. While it stays there, a rotating code's next window is
    judged only if the one before was refused: the phone may just have corrected itself. Somebody
    admitted is not judged again for still standing there.
    """

    def __init__(self) -> None:
        self._bodies = CodePresence(lambda reading: code_identity(reading.text))
        self._showings = CodePresence(lambda reading: showing_identity(reading.text))
        self._admitted: set[str] = set()
        self._looks_again = False
        self._lock = threading.Lock()

    def observe(self, readings: Iterable[CodeReading], at_ns: int) -> tuple[CodeReading, ...]:
        """Give the readings to be judged; times must not run backwards."""
        seen = tuple(readings)
        with self._lock:
            looks_again, self._looks_again = self._looks_again, False
        if looks_again:
            self._showings.clear()
        arrived = {code_identity(reading.text) for reading in self._bodies.observe(seen, at_ns)}
        changed = self._showings.observe(seen, at_ns)
        nobody_there = not self._bodies.in_view(at_ns)
        with self._lock:
            self._admitted -= self._admitted if nobody_there else arrived
            return tuple(
                reading for reading in changed if code_identity(reading.text) not in self._admitted
            )

    def look_again(self) -> None:
        """Judge whoever is in view and was not let through: they came when nobody could judge
        them. Called from any thread.
        """
        with self._lock:
            self._looks_again = True

    def admitted(self, text: str) -> None:
        """Remember that this code's holder was let through; called from the gate's thread."""
        with self._lock:
            self._admitted.add(code_identity(text))


CameraPicture = Callable[[], NDArray[np.uint8]]
"""Gives pixels, gray or blue-green-red; making them costs, so only who shows them asks."""


@dataclass(frozen=True, slots=True)
class CameraReport:
    """How the camera is, in the words of the gate: starting, working or lost."""

    condition: str
    reason: str = ""


_CONDITIONS: Final = {
    CameraCondition.OPENING: "starting",
    CameraCondition.WORKING: "working",
    CameraCondition.LOST: "lost",
}


class CodeSourceObserver(Protocol):
    """Whoever wants to know; called on the camera's thread, so it must not take long."""

    def on_code(self, code: ShownCode) -> None: ...
    def on_picture(self, picture: CameraPicture) -> None: ...
    def on_camera(self, report: CameraReport) -> None: ...
    def on_camera_unusable(self, error: CameraUnusableError) -> None:
        """Hear that waiting will not help: the thread ends."""
        ...


class CodeSource:
    """Reads one camera on a thread of its own until stopped."""

    def __init__(
        self,
        specification: str,
        monotonic_ns: Callable[[], int],
        observer: CodeSourceObserver,
        *,
        production: bool,
    ) -> None:
        self.new_codes = NewCodes()
        self._monotonic_ns = monotonic_ns
        self._observer = observer
        self._supervisor = CameraSupervisor(
            lambda: open_camera(specification, monotonic_ns=monotonic_ns, production=production),
            monotonic_ns,
            Backoff(),
            self._report,
        )
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the thread and let the camera go."""
        self._supervisor.stop()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        try:
            self._watch()
        except (CameraSpecificationInvalid, SimulatorForbidden) as fault:
            self._observer.on_camera_unusable(CameraUnusableError(str(fault)))

    def _watch(self) -> None:
        _give_way()
        reader = open_code_reader()
        asked_ns = self._monotonic_ns()
        for frame in self._supervisor.frames():
            self._read(reader, frame, idle=self._monotonic_ns() - asked_ns >= _IDLE_WAIT_NS)
            asked_ns = self._monotonic_ns()

    def _read(self, reader: CodeReader, frame: Frame, *, idle: bool) -> None:
        late = self._monotonic_ns() - frame.captured_at_ns >= _LATE_NS
        hurried = late and frame.sequence % _FRAMES_A_TREAT_WHEN_LATE != 0
        readings = reader.read(frame, idle=idle and not late, hurried=hurried)
        shown = self.new_codes.observe(readings, frame.captured_at_ns)
        for reading in shown:
            self._observer.on_code(ShownCode(reading.text, frame.captured_at_ns, "camera"))
        # The verdict is what people wait for: no picture stands in line before it.
        if not shown and not hurried:
            self._observer.on_picture(lambda: picture_to_show(frame))

    def _report(self, state: CameraState) -> None:
        self._observer.on_camera(CameraReport(_CONDITIONS[state.condition], state.reason))


def _give_way() -> None:
    """Let the threads that judge and show go before this one, where cores are few.

    Frames come thirty times a second and one more or less does not matter; a verdict does.
    """
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
