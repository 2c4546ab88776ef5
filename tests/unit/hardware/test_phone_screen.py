from dataclasses import replace

import numpy as np
import pytest

from hardware.decoding.reader import CodeReader
from hardware.decoding.zxing import draw_modules
from hardware.ports import Image
from hardware.simulators.phone_screen import Background, Scene, render_background, render_phone
from tests.unit.hardware.codes import frame_of

MODULES = draw_modules("TK1:KARIBU  SANA")
STILL = Scene(noise_sigma=0, blur_sigma_pixels=0, background=Background.PLAIN, brightness=1.0)


def render(scene: Scene, seed: int = 1) -> Image:
    return render_phone(MODULES, scene, np.random.default_rng(seed))


@pytest.mark.parametrize("scene", [Scene(), Scene(width=640, height=480, code_side_pixels=200)])
def test_picture_has_the_scenes_size(scene: Scene) -> None:
    assert render(scene).shape == (scene.height, scene.width, 3)
    assert render_background(scene, np.random.default_rng(1)).shape == render(scene).shape


def test_same_seed_gives_the_same_picture() -> None:
    assert np.array_equal(render(Scene(), seed=4), render(Scene(), seed=4))
    assert not np.array_equal(render(Scene(), seed=4), render(Scene(), seed=5))


@pytest.mark.parametrize("background", Background)
@pytest.mark.parametrize("dark_mode", [False, True])
def test_code_on_the_phone_is_the_one_given(background: Background, *, dark_mode: bool) -> None:
    picture = render(Scene(background=background, dark_mode=dark_mode))
    (reading,) = CodeReader().read(frame_of(picture))
    assert reading.text == "TK1:KARIBU  SANA"


@pytest.mark.parametrize("side", [200, 300, 400])
def test_code_has_the_size_asked_for(side: int) -> None:
    (reading,) = CodeReader().read(frame_of(render(replace(STILL, code_side_pixels=side))))
    left, top = reading.corners[0]
    right, bottom = reading.corners[2]
    count = MODULES.shape[0]
    assert (right - left, bottom - top) == pytest.approx([side * count / (count + 8)] * 2, abs=8)


def test_dark_mode_is_light_on_dark() -> None:
    light, dark = render(STILL), render(replace(STILL, dark_mode=True))
    quiet_zone = (slice(205, 212), slice(500, 780))
    assert light[quiet_zone].mean() > 200
    assert dark[quiet_zone].mean() < 60


@pytest.mark.parametrize(
    "scene",
    [
        replace(STILL, roll_degrees=20.0),
        replace(STILL, pitch_degrees=20.0),
        replace(STILL, yaw_degrees=20.0),
        replace(STILL, centre=(0.4, 0.5)),
        replace(STILL, blur_sigma_pixels=2.0),
        replace(STILL, motion_pixels=9),
        replace(STILL, noise_sigma=10.0),
        replace(STILL, glare=0.5),
        replace(STILL, brightness=0.5),
        replace(STILL, contrast=0.5),
    ],
)
def test_every_trouble_shows(scene: Scene) -> None:
    difference = render(STILL).astype(int) - render(scene)
    assert np.count_nonzero(difference) > 1000


def test_glare_outside_the_picture_is_harmless() -> None:
    scene = replace(STILL, glare=0.9, glare_centre=(9.0, 9.0))
    assert np.array_equal(render(scene), render(STILL))
