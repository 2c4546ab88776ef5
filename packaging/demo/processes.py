"""The server and the kiosks as the programs they are: started, watched, stopped, started again."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from shared.clock import Clock

Event = dict[str, Any]
_BIN: Final = Path(sys.executable).parent
_STOPPING_SECONDS: Final = 15
_READY_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.1


class NotInTimeError(Exception):
    """Something that should have happened did not."""


def free_port() -> int:
    """Find a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass(frozen=True)
class ServerPlace:
    """Where a server keeps its data and where it listens."""

    data_directory: Path
    port: int
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> Mapping[str, str]:
        return os.environ | {
            "ZERAKET_DATA_DIRECTORY": str(self.data_directory),
            "ZERAKET_PUBLIC_URL": self.address,
            "ZERAKET_PORT": str(self.port),
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
        waiting = threading.Event()
        for _ in range(int(_READY_SECONDS / _LOOK_SECONDS)):
            if self._is_ready():
                return
            if self._process.poll() is not None:
                message = f"the server ended at once; see {self._place.log}"
                raise NotInTimeError(message)
            waiting.wait(_LOOK_SECONDS)
        message = f"the server was not ready in {_READY_SECONDS} s; see {self._place.log}"
        raise NotInTimeError(message)

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        process, self._process = self._process, None
        if process is not None:
            _end(process)

    def make_demo_data(self) -> Event:
        """Make an organizer and an event; give their ids and the organizer's token."""
        made = subprocess.run(
            [_BIN / "zeraket-server", "demo-data"],
            env=self._place.environment,
            capture_output=True,
            check=True,
        )
        document: Event = json.loads(made.stdout)
        return document

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

    @property
    def command(self) -> list[str]:
        shown = (
            ["--headless"]
            if self.screenshots is None
            else ["--window", "1280x800", "--screenshots", str(self.screenshots)]
        )
        state = str(self.directory / "state")
        return ["run", "--camera", self.camera, "--state", state, "--json", *shown]


class KioskProcess:
    """`zeraket-gate run`, and every event it has told."""

    def __init__(self, place: KioskPlace, clock: Clock) -> None:
        self.name = place.name
        self.events: list[Event] = []
        self._place = place
        self._clock = clock
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._place.directory.mkdir(parents=True, exist_ok=True)
        with (self._place.directory / "kiosk.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(_BIN / "zeraket-gate"), *self._place.command],
                env=_kiosk_environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        reader = threading.Thread(target=self._listen, args=(self._process,), daemon=True)
        reader.start()

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _end(process)

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

    def _listen(self, process: subprocess.Popen[str]) -> None:
        if process.stdout is None:
            return
        for line in process.stdout:
            event = json.loads(line)
            event["heard_ms"] = self._clock.now_ms()
            with self._news:
                self.events.append(event)
                self._news.notify_all()


def has_display() -> bool:
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _kiosk_environment() -> Mapping[str, str]:
    """Without a display Qt draws in memory; the window is the same one."""
    headless = {"QT_QPA_PLATFORM": "offscreen", "QT_QUICK_BACKEND": "software"}
    return os.environ | {
        "ZERAKET_GATE_ENVIRONMENT": "development",
        **({} if has_display() else headless),
    }


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    try:
        process.wait(_STOPPING_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
