"""The only file that knows pyzbar, which is untyped and needs the system library libzbar0; both
may be missing. It is slow, so it is asked only when there is time.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, cast

from hardware.decoding.text import is_text
from hardware.faults import DecoderUnavailable
from hardware.ports import CodeReading, Image


class _Point(Protocol):
    x: int
    y: int


class _Symbol(Protocol):
    """One code as pyzbar gives it."""

    data: bytes
    polygon: Sequence[_Point]


_Decode = Callable[[Image], Sequence[_Symbol]]


class ZbarDecoder:
    """A second opinion. Its corners have no fixed first one."""

    def __init__(self) -> None:
        """Raises DecoderUnavailable."""
        self.name = "zbar"
        self._decode = _load()

    def decode(self, gray: Image) -> tuple[CodeReading, ...]:
        # Zbar knows only dark on light, so a code in dark mode is read from the negative.
        symbols = self._decode(gray) or self._decode(255 - gray)
        readings = (self._read(symbol) for symbol in symbols)
        return tuple(reading for reading in readings if is_text(reading.text))

    def _read(self, symbol: _Symbol) -> CodeReading:
        text = symbol.data.decode("utf-8", "replace")
        return CodeReading(text, self.name, tuple((point.x, point.y) for point in symbol.polygon))


def _load() -> _Decode:
    try:
        from pyzbar import pyzbar  # noqa: PLC0415 - loads libzbar0, which may be missing
    except ImportError as error:
        message = f"the decoder zbar cannot be loaded ({error})"
        raise DecoderUnavailable(message) from error
    library = cast("Any", pyzbar)
    kinds = [library.ZBarSymbol.QRCODE]
    return lambda gray: cast("Sequence[_Symbol]", library.decode(gray, symbols=kinds))
