"""Phones with real ticket codes before a camera: ordinary ones, and hard ones. Seeded."""

from dataclasses import dataclass

import numpy as np
import segno
from numpy.typing import NDArray

from hardware.ports import Image
from hardware.simulators.phone_screen import Background, Scene, render_background, render_phone
from shared.credentials.layout import SyncAge
from tests.factories.credentials import COUNTER, EventKeys, P256Holder
from tests.factories.visitors import visitor_core


@dataclass(frozen=True, slots=True)
class Picture:
    """A frame, and the text of the code in it."""

    image: Image
    text: str


def ticket_text(number: int, counter: int = COUNTER) -> str:
    """Write a visitor's code: every fourth is self-contained (E), the others refer (R)."""
    event, holder, core = EventKeys(), P256Holder(), visitor_core(number)
    if number % 4 == 3:
        return event.self_contained_code(core, holder, counter, SyncAge.UNDER_ONE_HOUR)
    return event.reference_code(core, holder, counter)


def modules_of(text: str) -> NDArray[np.bool_]:
    """Draw a code as wallets do."""
    code = segno.make(text, error="l", mode="alphanumeric", boost_error=False, micro=False)
    return np.array([[bool(module) for module in row] for row in code.matrix], dtype=np.bool_)


def ordinary_phone(text: str, generator: np.random.Generator) -> Image:
    """A phone held up by somebody who wants to get in: some tilt, blur, glare and dark mode."""
    draw = generator.uniform
    scene = Scene(
        code_side_pixels=int(draw(300, 440)),
        centre=(draw(0.4, 0.6), draw(0.42, 0.58)),
        roll_degrees=draw(-15, 15),
        pitch_degrees=draw(-15, 15),
        yaw_degrees=draw(-15, 15),
        blur_sigma_pixels=draw(0.5, 1.1),
        motion_pixels=int(draw(0, 3)),
        noise_sigma=draw(2, 6),
        glare=draw(0.2, 0.6) * (draw() < 0.25),
        dark_mode=bool(draw() < 0.25),
        background=Background.TEXTURE,
    )
    return render_phone(modules_of(text), scene, generator)


def hard_phone(text: str, generator: np.random.Generator) -> Image:
    """A phone far away, moving, turned or in the lamp's mirror: at the border of what is read."""
    draw = generator.uniform
    modules = modules_of(text)
    scene = Scene(
        code_side_pixels=int(modules.shape[0] * draw(3.4, 5.6)),
        centre=(draw(0.3, 0.7), draw(0.35, 0.65)),
        roll_degrees=draw(-30, 30),
        pitch_degrees=draw(-25, 25),
        yaw_degrees=draw(-25, 25),
        blur_sigma_pixels=draw(0.6, 1.4),
        motion_pixels=int(draw(0, 5)),
        noise_sigma=draw(3, 9),
        glare=draw(0.0, 0.7),
        brightness=draw(0.5, 1.0),
        contrast=draw(0.5, 1.0),
        dark_mode=bool(draw() < 0.3),
        background=Background.CROWD,
    )
    return render_phone(modules, scene, generator)


def nobody(generator: np.random.Generator) -> Image:
    """The view with nobody before the camera; every second one is full of shapes."""
    busy = bool(generator.uniform() < 0.5)
    background = Background.CROWD if busy else Background.TEXTURE
    return render_background(Scene(background=background), generator)
