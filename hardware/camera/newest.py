"""Hands the newest item from a receiving thread to a reading one; older ones are dropped, so that
delay cannot grow. It knows how a wait can end, not what is received.
"""

import threading
from typing import Generic, TypeVar

from hardware.faults import CameraClosed, CameraLost

# A pulled cable must be noticed within two seconds, closing included.
SILENCE_LIMIT_SECONDS = 1.8

Item = TypeVar("Item")


class Newest(Generic[Item]):
    """One place for one item. `label` names the camera in faults."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._change = threading.Condition()
        self._item: Item | None = None
        self._loss = ""
        self._closed = False

    def publish(self, item: Item) -> None:
        with self._change:
            self._item = item
            self._change.notify_all()

    def end(self, loss: str) -> None:
        """Nothing comes any more; what is here may still be taken."""
        with self._change:
            self._loss = loss
            self._change.notify_all()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify_all()

    def take(self) -> Item:
        """Wait for an item that was not taken before. Raises CameraLost, CameraClosed."""
        with self._change:
            self._change.wait_for(self._has_changed, SILENCE_LIMIT_SECONDS)
            if self._closed:
                message = f"{self._label} is closed"
                raise CameraClosed(message)
            if self._item is None:
                message = f"{self._label}: {self._loss or 'no picture arrives'}"
                raise CameraLost(message)
            item, self._item = self._item, None
            return item

    def _has_changed(self) -> bool:
        return self._closed or bool(self._loss) or self._item is not None
