"""What happens in front of one kiosk's camera: a thread that draws whoever stands there."""

import threading
from collections.abc import Callable
from typing import Final

import numpy as np

from attendee import HandHeldView
from hardware.simulators.mjpeg_camera import MjpegCameraServer
from processes import Event, KioskProcess
from shared.clock import MILLISECONDS_PER_SECOND, NANOSECONDS_PER_MILLISECOND, Clock

FRAMES_PER_SECOND: Final = 20
_LEAVING_SECONDS: Final = 1.6
"""Longer than a code must be out of view to count as gone."""

ShownText = Callable[[int], str]
"""Gives the text a phone shows at a Unix time in milliseconds."""


class Stage:
    """A camera on loopback and the view in front of it."""

    def __init__(self, seed: int, clock: Clock) -> None:
        self._view = HandHeldView(np.random.default_rng(seed))
        self._clock = clock
        self._camera = MjpegCameraServer(rate_per_second=FRAMES_PER_SECOND)
        self._subject: ShownText | None = None
        self._dark_mode = False
        self._ending = threading.Event()
        self._nobody = self._view.nobody()
        self._camera.show(self._nobody)
        self._thread = threading.Thread(target=self._draw, name="stage", daemon=True)
        self._thread.start()

    @property
    def camera_url(self) -> str:
        return self._camera.url

    def close(self) -> None:
        self._ending.set()
        self._thread.join()
        self._camera.close()

    def unplug(self) -> None:
        """Pull the camera's cable: nothing comes any more."""
        self._camera.fall_silent()

    def plug_in(self) -> None:
        self._camera.resume()

    def show(self, subject: ShownText, *, dark_mode: bool = False) -> None:
        """Let somebody step forward."""
        self._dark_mode, self._subject = dark_mode, subject

    def clear(self) -> None:
        """Let them step away, for long enough that the camera knows it."""
        self._subject = None
        self._ending.wait(_LEAVING_SECONDS)

    def present(
        self, subject: ShownText, kiosk: KioskProcess, *, dark_mode: bool = False
    ) -> tuple[Event, int]:
        """Show a phone until its verdict; give the verdict and the milliseconds it took."""
        before = len(kiosk.verdicts)
        started_ms = self._clock.now_ms()
        self.show(subject, dark_mode=dark_mode)
        try:
            kiosk.wait_for("a verdict", lambda: len(kiosk.verdicts) > before, seconds=20)
        finally:
            self.clear()
        verdict = kiosk.verdicts[before]
        return verdict, verdict["heard_ms"] - started_ms

    def _draw(self) -> None:
        period_ns = MILLISECONDS_PER_SECOND * NANOSECONDS_PER_MILLISECOND // FRAMES_PER_SECOND
        while not self._ending.is_set():
            began_ns = self._clock.monotonic_ns()
            subject = self._subject
            if subject is None:
                self._camera.show(self._nobody)
            else:
                text = subject(self._clock.now_ms())
                self._camera.show(self._view.phone(text, dark_mode=self._dark_mode))
            left_ns = period_ns - (self._clock.monotonic_ns() - began_ns)
            self._ending.wait(max(0.0, left_ns / 1e9))
