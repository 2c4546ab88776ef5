"""QR codes as a ticket has them, drawn by segno, and frames that show them on a phone."""

from dataclasses import dataclass

import numpy as np
import segno
from numpy.typing import NDArray

from hardware.ports import Frame, Image
from hardware.simulators.phone_screen import Scene, render_phone

BASE45_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
VERSION_5_CHARACTERS = 130
VERSION_9_CHARACTERS = 303


@dataclass(frozen=True, slots=True)
class TicketCode:
    text: str
    version: int
    modules: NDArray[np.bool_]


def ticket_code(characters: int, seed: int) -> TicketCode:
    """A code of random Base45 with a double space inside and a space at its end."""
    generator = np.random.default_rng(seed)
    count = characters - len("TK1:") - 4
    signs = "".join(BASE45_ALPHABET[index] for index in generator.integers(0, 45, count))
    return draw("TK1:" + signs[: count // 2] + "  " + signs[count // 2 :] + "% ")


def draw(text: str) -> TicketCode:
    code = segno.make(text, error="l", mode="alphanumeric", boost_error=False, micro=False)
    modules = np.array([[bool(cell) for cell in row] for row in code.matrix])
    return TicketCode(text, int(code.version), modules)


def phone_picture(code: TicketCode, scene: Scene | None = None, seed: int = 1) -> Image:
    return render_phone(code.modules, scene or Scene(), np.random.default_rng(seed))


def frame_of(picture: Image) -> Frame:
    return Frame(picture, captured_at_ns=0, sequence=0)
