"""The server and the kiosks as the programs they are: started, watched, stopped, started again."""

import contextlib
import json
import os
import secrets
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from shared.clock import Clock

Event = dict[str, Any]
_BIN: Final = Path(sys.executable).parent
_STOPPING_SECONDS: Final = 15
_READY_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.1
_PORTS: Final = range(20_000, 32_000)


class NotInTimeError(Exception):
    """Something that should have happened did not."""


def free_port() -> int:
    """Find a port on loopback that nobody listens on, for a program that is yet to start.

    It lies below those that the system gives to whoever asks for any, so that nobody is given it
    meanwhile.
    """
    while True:
        port = secrets.choice(_PORTS)
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(happened: Callable[[], object], seconds: float) -> bool:
    """Look again and again; say whether it happened in time."""
    waiting = threading.Event()
    for _ in range(int(seconds / _LOOK_SECONDS)):
        if happened():
            return True
        waiting.wait(_LOOK_SECONDS)
    return False


@dataclass(frozen=True)
class ServerPlace:
    """Where a server keeps its data and where it listens."""

    data_directory: Path
    port: int
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ | {
            "ZERAKET_DATA_DIRECTORY": str(self.data_directory),
            "ZERAKET_PUBLIC_URL": self.address,
            "ZERAKET_PORT": str(self.port),
            **self.settings,
        }


class ServerProcess:
    """`zeraket-server serve` with its embedded PostgreSQL."""

    def __init__(self, place: ServerPlace) -> None:
        self._place = place
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start and wait until it is ready."""
        with self._place.log.open("ab") as log:
            self._process = subprocess.Popen(
                [_BIN / "zeraket-server", "serve"],
                env=self._place.environment,
                stdout=log,
                stderr=log,
            )
        started = self._process
        wait_until(lambda: self._is_ready() or started.poll() is not None, _READY_SECONDS)
        if started.poll() is not None or not self._is_ready():
            message = f"the server was not ready in {_READY_SECONDS} s; see {self._place.log}"
            raise NotInTimeError(message)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        process, self._process = self._process, None
        if process is not None:
            end(process)

    def pull_the_plug(self) -> None:
        """End it as a power cut does; its PostgreSQL, a process of its own, is asked to stop."""
        process, self._process = self._process, None
        if process is not None:
            _kill(process)

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def make_demo_data(self) -> Event:
        """Make an organizer and an event without tickets; give their ids and the owner's token."""
        made = self.run("demo-data", "--tickets", "0")
        if made.returncode != 0:
            message = f"the event could not be made; see {self._place.log}"
            raise NotInTimeError(message)
        document: Event = json.loads(made.stdout)
        return document

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run another command of `zeraket-server` on the same data, whether it serves or not."""
        return self._run([str(_BIN / "zeraket-server"), *arguments])

    def run_script(self, script: Path) -> subprocess.CompletedProcess[str]:
        """Run a script on the same data."""
        return self._run([sys.executable, str(script)])

    def _run(self, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
        with self._place.log.open("ab") as log:
            return subprocess.run(
                command,
                env=self._place.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                check=False,
            )

    def _is_ready(self) -> bool:
        try:
            return httpx.get(self._place.address + "/ready", timeout=2).is_success
        except httpx.TransportError:
            return False


@dataclass(frozen=True)
class KioskPlace:
    """Where a kiosk keeps its files and what it looks at; without screenshots it has no window."""

    name: str
    directory: Path
    camera: str
    screenshots: Path | None = None
    display: str | None = None
    """An X display that the kiosk fills, whatever the environment says."""

    @property
    def state(self) -> Path:
        return self.directory / "state"

    @property
    def command(self) -> list[str]:
        return ["run", "--camera", self.camera, "--state", str(self.state), "--json", *self._shown]

    @property
    def environment(self) -> Mapping[str, str]:
        """Without a display Qt draws in memory; the window is the same one."""
        drawn: Mapping[str, str] = {}
        if self.display is not None:
            drawn = {"DISPLAY": self.display, "QT_QPA_PLATFORM": "xcb"}
        elif not has_display():
            drawn = {"QT_QPA_PLATFORM": "offscreen", "QT_QUICK_BACKEND": "software"}
        return os.environ | {"ZERAKET_GATE_ENVIRONMENT": "development", **drawn}

    @property
    def _shown(self) -> list[str]:
        if self.display is not None:
            return []
        if self.screenshots is None:
            return ["--headless"]
        return ["--window", "1280x800", "--screenshots", str(self.screenshots)]


class KioskProcess:
    """`zeraket-gate run`, and every event it has told."""

    def __init__(self, place: KioskPlace, clock: Clock) -> None:
        self.name = place.name
        self.events: list[Event] = []
        self._place = place
        self._clock = clock
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._reader = threading.Thread()

    def start(self, enrolment_code: str | None = None) -> None:
        """Start, and forget what an earlier life has told."""
        self.events = []
        enrolling = [] if enrolment_code is None else ["--enrol", enrolment_code]
        self._place.directory.mkdir(parents=True, exist_ok=True)
        with (self._place.directory / "kiosk.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_BIN / "zeraket-gate"), *self._place.command, *enrolling],
                env=self._place.environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._reader = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        self._reader.start()

    def stop(self) -> None:
        self._leave(end)

    def pull_the_plug(self) -> None:
        """End it as a power cut does."""
        self._leave(_kill)

    def wait_until_closed(self) -> None:
        """Wait for a person to close the window."""
        if self._process is not None:
            self._process.wait()

    @property
    def status(self) -> Event:
        return next((event for event in reversed(self.events) if event["event"] == "status"), {})

    @property
    def verdicts(self) -> list[Event]:
        return [event for event in self.events if event["event"] == "verdict"]

    @property
    def journaled_seqs(self) -> list[int]:
        return [event["seq"] for event in self.verdicts if event["journaled"]]

    def picture_of(self, verdict: str) -> str | None:
        """Name the last screenshot of a verdict; None for a kiosk without a window."""
        folder = self._place.screenshots
        if folder is None:
            return None
        return max((file.name for file in folder.glob(f"*-{verdict.lower()}.png")), default=None)

    def wait_for(self, what: str, happened: Callable[[], object], seconds: float) -> None:
        """Wait for something in the events, or raise NotInTimeError that names it."""
        with self._news:
            if not self._news.wait_for(happened, seconds):
                message = f"{self.name}: {what} did not happen in {seconds:g} s"
                raise NotInTimeError(message)

    def wait_for_status(self, seconds: float, **wanted: object) -> None:
        """Wait until the status has these values."""
        self.wait_for(
            f"status {wanted}",
            lambda: all(self.status.get(name) == value for name, value in wanted.items()),
            seconds,
        )

    def _leave(self, end: Callable[[subprocess.Popen[Any]], None]) -> None:
        process, self._process = self._process, None
        if process is not None:
            end(process)
            self._reader.join()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        with process.stdout:
            for line in process.stdout:
                self._hear(line)

    def _hear(self, line: str) -> None:
        event = json.loads(line)
        event["heard_ms"] = self._clock.now_ms()
        with self._news:
            self.events.append(event)
            self._news.notify_all()


def has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def end(process: subprocess.Popen[Any]) -> None:
    """Ask a process to end, and make it if it does not."""
    process.terminate()
    try:
        process.wait(_STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        _kill(process)


def _kill(process: subprocess.Popen[Any]) -> None:
    process.kill()
    process.wait()
