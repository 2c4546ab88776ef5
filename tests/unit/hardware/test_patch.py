import numpy as np
import pytest

from hardware.camera.pictures import to_gray
from hardware.decoding.looks import LOOKS, Look, take_look
from hardware.decoding.patch import Patch, find_busy_patches
from hardware.ports import CodeReading
from hardware.simulators.phone_screen import Background, Scene
from tests.unit.hardware.codes import VERSION_5_CHARACTERS, phone_picture, ticket_code


def surrounds(patch: Patch, x: float, y: float, reach: float) -> bool:
    across = patch.left <= x - reach and x + reach <= patch.right
    return across and patch.top <= y - reach and y + reach <= patch.bottom


@pytest.mark.parametrize("background", Background)
@pytest.mark.parametrize("centre", [(0.2, 0.5), (0.5, 0.3), (0.8, 0.6)])
@pytest.mark.parametrize("dark_mode", [False, True])
def test_busiest_patch_holds_the_whole_code(
    background: Background, centre: tuple[float, float], *, dark_mode: bool
) -> None:
    scene = Scene(code_side_pixels=240, centre=centre, background=background, dark_mode=dark_mode)
    picture = phone_picture(ticket_code(VERSION_5_CHARACTERS, seed=1), scene)
    (patch, *_) = find_busy_patches(to_gray(picture), 2)
    code_reach = 240 / 2 * 37 / 45
    assert surrounds(patch, centre[0] * 1280, centre[1] * 720, code_reach)
    assert patch.right - patch.left < 480


def test_second_patch_is_another_one() -> None:
    code = ticket_code(VERSION_5_CHARACTERS, seed=1)
    picture = phone_picture(code, Scene(centre=(0.25, 0.5)))
    picture[:, 640:] = phone_picture(code, Scene(centre=(0.75, 0.5)))[:, 640:]
    patches = find_busy_patches(to_gray(picture), 2)
    assert sorted(patch.left // 640 for patch in patches) == [0, 1]


def test_nothing_busy_gives_no_patch() -> None:
    assert find_busy_patches(np.full((720, 1280), 77, np.uint8), 2) == ()


@pytest.mark.parametrize("look", LOOKS)
def test_look_enlarges_and_leads_back_to_the_picture(look: Look) -> None:
    gray = np.random.default_rng(1).integers(0, 255, (720, 1280), dtype=np.uint8)
    enlargement = take_look(gray, Patch(100, 200, 300, 360), look)
    assert enlargement.gray.shape == (160 * look.enlargement, 200 * look.enlargement)
    inside = CodeReading("A", "any", ((0, 0), (200 * look.enlargement, 160 * look.enlargement)))
    assert enlargement.locate(inside).corners == ((100, 200), (300, 360))


def test_big_patch_is_not_enlarged_beyond_the_affordable() -> None:
    gray = np.zeros((720, 1280), np.uint8)
    enlargement = take_look(gray, Patch(0, 0, 1280, 720), Look(enlargement=4))
    assert enlargement.gray.shape == (720, 1280)
