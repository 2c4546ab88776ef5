"""Puts together the text of a hand scanner that types like a keyboard, and leaves a person's typing
alone.

Limits: scanner and computer must both be set to a US keyboard layout, or the signs of a code arrive
as others; the scanner must end each code with Enter or Tab and send no prefix. Only characters that
a US layout types are taken.
"""

_TERMINATORS = frozenset({"\r", "\n", "\t"})
_NANOSECONDS_PER_MILLISECOND = 1_000_000
_FIRST_PRINTABLE = " "
_LAST_PRINTABLE = "~"


class KeyboardWedge:
    """Feed it every key; it answers with a text when a code is complete.

    A scanner's keys follow each other within `gap_milliseconds`; a longer pause starts afresh.
    Texts shorter than `shortest_text` are a person's, texts longer than `longest_text` are
    nobody's. The same text again within `double_milliseconds` of its last arrival is the scanner's
    echo.
    """

    def __init__(
        self,
        *,
        gap_milliseconds: int = 100,
        double_milliseconds: int = 2500,
        shortest_text: int = 6,
        longest_text: int = 1024,
    ) -> None:
        self._gap_ns = gap_milliseconds * _NANOSECONDS_PER_MILLISECOND
        self._double_ns = double_milliseconds * _NANOSECONDS_PER_MILLISECOND
        self._shortest_text = shortest_text
        self._longest_text = longest_text
        self._typed: list[str] = []
        self._overlong = False
        self._last_key_ns: int | None = None
        self._last_text = ""
        self._last_text_ns = 0

    def feed(self, character: str, at_ns: int) -> str | None:
        """One key's character, empty for Shift and the like, at a monotonic time."""
        if not character:
            return None
        self._reset_after_pause(at_ns)
        self._last_key_ns = at_ns
        if character in _TERMINATORS:
            return self._finish(at_ns)
        self._append(character)
        return None

    def _reset_after_pause(self, at_ns: int) -> None:
        if self._last_key_ns is not None and at_ns - self._last_key_ns > self._gap_ns:
            self._reset()

    def _append(self, character: str) -> None:
        printable = len(character) == 1 and _FIRST_PRINTABLE <= character <= _LAST_PRINTABLE
        if not printable or len(self._typed) >= self._longest_text:
            # A text that is not whole must not pass for a shorter one, so all of it goes.
            self._overlong = True
            self._typed.clear()
        if not self._overlong:
            self._typed.append(character)

    def _finish(self, at_ns: int) -> str | None:
        text = "".join(self._typed)
        self._reset()
        if len(text) < self._shortest_text or self._is_double(text, at_ns):
            return None
        return text

    def _is_double(self, text: str, at_ns: int) -> bool:
        double = text == self._last_text and at_ns - self._last_text_ns <= self._double_ns
        self._last_text, self._last_text_ns = text, at_ns
        return double

    def _reset(self) -> None:
        self._typed.clear()
        self._overlong = False
