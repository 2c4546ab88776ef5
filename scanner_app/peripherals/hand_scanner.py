"""A hand scanner that types: characters in, whole codes out."""

from collections.abc import Callable

from hardware.handheld.keyboard_wedge import KeyboardWedge
from scanner_app.peripherals.code_source import ShownCode


class HandScanner:
    """Hears every key that is typed outside a field; owned by the window's thread."""

    def __init__(self, on_code: Callable[[ShownCode], None]) -> None:
        self._wedge = KeyboardWedge()
        self._on_code = on_code

    def hear(self, character: str, at_ns: int) -> None:
        """Take one key's character at a monotonic time."""
        text = self._wedge.feed(character, at_ns)
        if text is not None:
            self._on_code(ShownCode(text, at_ns, "hand scanner"))
