import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import segno

from hardware.camera.pictures import encode_jpeg, to_gray
from hardware.decoding.looks import LOOKS
from hardware.decoding.reader import FRAMES_TO_TRY_ALL_LOOKS, CodeReader, open_code_reader
from hardware.decoding.zbar import ZbarDecoder
from hardware.decoding.zxing import ZxingDecoder
from hardware.ports import CodeReading, Frame, Image
from hardware.simulators.phone_screen import Background, Scene, render_background
from tests.unit.hardware.codes import (
    VERSION_5_CHARACTERS,
    VERSION_9_CHARACTERS,
    frame_of,
    phone_picture,
    ticket_code,
)

SCENES = {
    "straight": Scene(),
    "tilted": Scene(roll_degrees=24, pitch_degrees=18, yaw_degrees=-20),
    "upside down": Scene(roll_degrees=178),
    "blurred": Scene(blur_sigma_pixels=1.4),
    "moving": Scene(motion_pixels=4),
    "glare": Scene(glare=0.6, glare_centre=(0.6, 0.45)),
    "noisy": Scene(noise_sigma=12, brightness=0.6),
    "dark mode": Scene(dark_mode=True),
    "dark mode, tilted, noisy": Scene(dark_mode=True, roll_degrees=-15, noise_sigma=9),
    "pale": Scene(contrast=0.45, brightness=0.5),
    "crowd": Scene(background=Background.CROWD, centre=(0.35, 0.55)),
    "close": Scene(code_side_pixels=600, blur_sigma_pixels=2.5),
}


class ScriptedDecoder:
    """A decoder that sees the same text in every picture, and keeps the pictures."""

    name = "scripted"

    def __init__(self) -> None:
        self.pictures: list[Image] = []

    def decode(self, gray: Image) -> tuple[CodeReading, ...]:
        self.pictures.append(gray)
        return (CodeReading("SECOND OPINION", self.name, ((0, 0), (2, 0), (2, 2), (0, 2))),)


def read_until_found(reader: CodeReader, frame: Frame) -> list[str]:
    rounds = (reader.read(frame) for _ in range(FRAMES_TO_TRY_ALL_LOOKS + 1))
    return next(([reading.text for reading in readings] for readings in rounds if readings), [])


def unreadable_busy_frame() -> Frame:
    """Random black and white squares: as busy as a code, and none."""
    squares = np.random.default_rng(5).integers(0, 2, (40, 40), dtype=np.uint8) * 255
    picture = np.full((720, 1280), 128, np.uint8)
    picture[200:520, 500:820] = np.kron(squares, np.ones((8, 8), np.uint8))
    return frame_of(picture)


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
@pytest.mark.parametrize(
    ("characters", "version"), [(VERSION_5_CHARACTERS, 5), (VERSION_9_CHARACTERS, 9)]
)
def test_code_is_read_exactly(characters: int, version: int, scene: Scene) -> None:
    code = ticket_code(characters, seed=version)
    assert code.version == version
    assert read_until_found(CodeReader(), frame_of(phone_picture(code, scene))) == [code.text]


def test_gray_frame_is_read_like_a_coloured_one() -> None:
    code = ticket_code(VERSION_5_CHARACTERS, seed=3)
    (reading,) = CodeReader().read(frame_of(to_gray(phone_picture(code))))
    assert reading.text == code.text


def test_two_phones_in_one_frame_are_both_read() -> None:
    left, right = (ticket_code(VERSION_5_CHARACTERS, seed=seed) for seed in (1, 2))
    picture = phone_picture(left, Scene(centre=(0.25, 0.5)))
    picture[:, 640:] = phone_picture(right, Scene(centre=(0.75, 0.5)))[:, 640:]
    texts = {reading.text for reading in CodeReader().read(frame_of(picture))}
    assert texts == {left.text, right.text}


def test_corners_go_clockwise_round_the_code() -> None:
    code = ticket_code(VERSION_5_CHARACTERS, seed=4)
    (reading,) = CodeReader().read(frame_of(phone_picture(code)))
    expected = [(518, 238), (762, 238), (762, 482), (518, 482)]
    assert np.allclose(reading.corners, expected, atol=30)
    assert cv2.contourArea(np.array(reading.corners, np.int32), oriented=True) > 0


def test_code_too_small_for_the_whole_frame_is_read_in_a_bigger_look() -> None:
    code = ticket_code(VERSION_9_CHARACTERS, seed=8)
    scene = Scene(code_side_pixels=156, blur_sigma_pixels=1.0, noise_sigma=2, centre=(0.7, 0.4))
    frame = frame_of(phone_picture(code, scene))
    smoothed = np.asarray(cv2.GaussianBlur(to_gray(frame.image), (3, 3), 0), dtype=np.uint8)
    assert ZxingDecoder().decode(smoothed) == ()
    reader = CodeReader()
    readings = [found for _ in LOOKS for found in reader.read(frame)]
    assert {reading.text for reading in readings} == {code.text}
    assert np.allclose(np.mean(readings[0].corners, axis=0), (896, 288), atol=12)


@pytest.mark.parametrize("background", Background)
def test_frame_without_a_code_gives_nothing(background: Background) -> None:
    picture = render_background(Scene(background=background), np.random.default_rng(2))
    assert read_until_found(CodeReader(), frame_of(picture)) == []


@pytest.mark.parametrize("shape", [(1, 1), (8, 3), (40, 2000), (9, 9, 3)])
def test_frame_of_any_shape_is_taken(shape: tuple[int, ...]) -> None:
    assert CodeReader().read(frame_of(np.zeros(shape, np.uint8)), idle=True) == ()


def test_byte_code_that_is_no_text_is_skipped() -> None:
    code = segno.make(bytes(range(128, 160)), mode="byte", encoding=None, micro=False)
    modules = np.array([[bool(cell) for cell in row] for row in code.matrix])
    picture = np.where(np.kron(np.pad(modules, 4), np.ones((8, 8), bool)), 0, 255).astype(np.uint8)
    assert CodeReader().read(frame_of(picture)) == ()


def test_second_opinion_is_asked_only_in_idle_time() -> None:
    second = ScriptedDecoder()
    reader = CodeReader(second)
    assert reader.read(unreadable_busy_frame()) == ()
    assert second.pictures == []
    (reading,) = reader.read(unreadable_busy_frame(), idle=True)
    assert reading.decoder == "scripted"


def test_second_opinion_is_not_asked_about_a_frame_without_anything_busy() -> None:
    second = ScriptedDecoder()
    assert CodeReader(second).read(frame_of(np.zeros((720, 1280), np.uint8)), idle=True) == ()
    assert second.pictures == []


@pytest.mark.parametrize("dark_mode", [False, True])
def test_zbar_reads_the_same_text(*, dark_mode: bool) -> None:
    code = ticket_code(VERSION_5_CHARACTERS, seed=6)
    picture = phone_picture(code, Scene(dark_mode=dark_mode, code_side_pixels=400))
    (reading,) = ZbarDecoder().decode(to_gray(picture))
    assert (reading.text, reading.decoder) == (code.text, "zbar")


WITHOUT_ZBAR = """
import sys
from pathlib import Path
from hardware.camera.pictures import read_picture
from hardware.decoding.reader import open_code_reader
from hardware.decoding.zbar import ZbarDecoder
from hardware.faults import DecoderUnavailable
from hardware.ports import Frame
try:
    ZbarDecoder()
except DecoderUnavailable as fault:
    print(fault)
(reading,) = open_code_reader().read(Frame(read_picture(Path(sys.argv[1])), 0, 0), idle=True)
print(reading.text)
"""


def test_missing_zbar_leaves_the_main_decoder(tmp_path: Path) -> None:
    """The library is hidden by a package of its name that cannot be imported."""
    hiding = tmp_path / "pyzbar"
    hiding.mkdir()
    (hiding / "__init__.py").write_text("raise ImportError('no shared library')")
    code = ticket_code(VERSION_5_CHARACTERS, seed=7)
    picture = tmp_path / "phone.jpg"
    picture.write_bytes(encode_jpeg(phone_picture(code), quality=95))
    finished = subprocess.run(
        [sys.executable, "-c", WITHOUT_ZBAR, picture],
        env=os.environ | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(Path.cwd())))},
        capture_output=True,
        text=True,
        check=True,
    )
    complaint, text = finished.stdout.splitlines()
    assert "libzbar0" in complaint
    assert text == code.text


def test_open_code_reader_has_a_second_opinion_where_zbar_is_installed() -> None:
    code = ticket_code(VERSION_5_CHARACTERS, seed=7)
    (reading,) = open_code_reader().read(frame_of(phone_picture(code)), idle=True)
    assert reading == CodeReading(code.text, "zxing", reading.corners)


def test_a_hurried_reader_takes_no_second_look() -> None:
    second = ScriptedDecoder()
    hidden = render_background(Scene(background=Background.CROWD), np.random.default_rng(3))
    assert CodeReader(second).read(frame_of(hidden), idle=True, hurried=True) == ()
    assert second.pictures == []
