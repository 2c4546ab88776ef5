"""The only file that knows zxing-cpp: it reads QR codes, and draws them for simulators."""

import numpy as np
import zxingcpp
from numpy.typing import NDArray

from hardware.decoding.text import is_text
from hardware.ports import CodeReading, Corner, Image

_TEXT_CONTENTS = frozenset(
    {zxingcpp.ContentType.Text, zxingcpp.ContentType.Mixed, zxingcpp.ContentType.GS1}
)


class ZxingDecoder:
    """Reads QR codes, also inverted and rotated ones, against a threshold local to each pixel."""

    def __init__(self) -> None:
        self.name = "zxing"
        # Held here and not by the module, whose end comes after the library's own.
        self._formats = zxingcpp.BarcodeFormats(zxingcpp.BarcodeFormat.QRCode)

    def decode(self, gray: Image) -> tuple[CodeReading, ...]:
        # Plain text mode gives the characters as they are; others escape or group some.
        found = zxingcpp.read_barcodes(
            gray,
            formats=self._formats,
            try_invert=True,
            try_downscale=False,
            text_mode=zxingcpp.TextMode.Plain,
        )
        return tuple(_reading(code, self.name) for code in found if _holds_text(code))


def draw_modules(text: str) -> NDArray[np.bool_]:
    """The module matrix of a QR code with `text`, True is dark, without quiet zone."""
    code = zxingcpp.create_barcode(text, zxingcpp.BarcodeFormat.QRCode, ec_level="L")
    pixels = np.asarray(code.to_image(scale=1, add_quiet_zones=False), dtype=np.uint8)
    return np.equal(pixels, 0)


def _holds_text(code: zxingcpp.Barcode) -> bool:
    return code.content_type in _TEXT_CONTENTS and is_text(code.text)


def _reading(code: zxingcpp.Barcode, decoder: str) -> CodeReading:
    position = code.position
    points = (
        position.top_left,
        position.top_right,
        position.bottom_right,
        position.bottom_left,
    )
    return CodeReading(code.text, decoder, tuple(_corner(point) for point in points))


def _corner(point: zxingcpp.Point) -> Corner:
    return (point.x, point.y)
