"""What can go wrong with hardware, each fault with what a person can do about it; nothing here
knows how a fault came about.

HardwareFault
├── CameraFault                  the supervisor waits and tries again
│   ├── CameraUnavailable        it could not be opened
│   └── CameraLost               it worked and stopped
├── RecordingFinished            a file has no more pictures; trying again is pointless
├── CameraClosed                 somebody closed the camera while it was being read
├── CameraSpecificationInvalid   nobody can open what was asked for
├── SimulatorForbidden           a simulator was asked for in production
├── PictureUnreadable            a file is no picture that can be read
└── DecoderUnavailable           a decoder's library is not installed
"""

from typing import ClassVar


class HardwareFault(Exception):
    """Any fault of a device or its driver: `reason` says what happened, `remedy` what to do."""

    remedy: ClassVar[str] = "Restart the device."

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.reason}. {self.remedy}"


class CameraFault(HardwareFault):
    """A camera gives no pictures now and may give some later."""

    remedy = "Check the camera's cable and power."


class CameraUnavailable(CameraFault):
    """A camera could not be opened."""

    remedy = "Check that the camera is plugged in, switched on, and not used by another program."


class CameraLost(CameraFault):
    """A camera that worked stopped giving pictures."""

    remedy = "Check the camera's cable and power; it is found again by itself."


class RecordingFinished(HardwareFault):
    """A file camera without `loop` has shown its last picture."""

    remedy = "Add ?loop to the camera specification to play it again."


class CameraClosed(HardwareFault):
    """The camera was closed, here or by another thread."""

    remedy = "Open the camera again to read from it."


class CameraSpecificationInvalid(HardwareFault):
    """No driver understands the camera specification."""

    remedy = "Use device:0, /dev/video0, file:PATH, http://ADDRESS or simulator:phone."


class SimulatorForbidden(HardwareFault):
    """A simulator was asked for where only real hardware may work."""

    remedy = "Choose a real camera, or run without production mode."


class PictureUnreadable(HardwareFault):
    """A file is missing or is no picture that OpenCV reads."""

    remedy = "Use a PNG or JPEG picture that this account may read."


class DecoderUnavailable(HardwareFault):
    """A decoder's library is missing from this machine."""

    remedy = "Install the system package libzbar0; the main decoder works without it."
