"""Draws what a gate camera sees when a visitor holds up a phone with a QR code. It is a picture to
test and demonstrate with, no model of any one camera; equal scenes and seeds give equal pictures.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np
from numpy.typing import NDArray

from hardware.ports import Image

_FOCAL_LENGTH_PIXELS = 1400.0
_QUIET_ZONE_MODULES = 4
_SCREEN_WIDTH_CODES = 1.15
_SCREEN_HEIGHT_CODES = 2.1
_BEZEL_CODES = 0.04
_OVERSAMPLING = 1.6


class Background(StrEnum):
    """What is behind the phone."""

    PLAIN = "plain"
    TEXTURE = "texture"
    CROWD = "crowd"


@dataclass(frozen=True, slots=True)
class Scene:
    """One moment in front of the camera.

    The code's side includes its quiet zone and is measured before tilting; centres are shares of
    the frame's, and for glare of the code's, width and height.
    """

    width: int = 1280
    height: int = 720
    code_side_pixels: int = 320
    centre: tuple[float, float] = (0.5, 0.5)
    roll_degrees: float = 0.0
    pitch_degrees: float = 0.0
    yaw_degrees: float = 0.0
    blur_sigma_pixels: float = 0.8
    motion_pixels: int = 0
    noise_sigma: float = 5.0
    glare: float = 0.0
    glare_centre: tuple[float, float] = (0.55, 0.5)
    brightness: float = 0.95
    contrast: float = 1.0
    dark_mode: bool = False
    background: Background = Background.TEXTURE


def render_phone(modules: NDArray[np.bool_], scene: Scene, generator: np.random.Generator) -> Image:
    """A BGR picture of a phone showing `modules` (True is dark; square, without quiet zone)."""
    screen = _draw_phone(modules, scene)
    picture = _draw_background(scene, generator)
    _lay_phone(picture, screen, scene)
    _add_glare(picture, scene)
    return _expose(picture, scene, generator)


def render_background(scene: Scene, generator: np.random.Generator) -> Image:
    """The same view with nobody in front of the camera."""
    return _expose(_draw_background(scene, generator), scene, generator)


def _draw_phone(modules: NDArray[np.bool_], scene: Scene) -> Image:
    count = modules.shape[0] + 2 * _QUIET_ZONE_MODULES
    module_pixels = max(2, round(_OVERSAMPLING * scene.code_side_pixels / count))
    light, dark = (24, 235) if scene.dark_mode else (245, 16)
    bordered = np.pad(modules, _QUIET_ZONE_MODULES)
    code = np.where(bordered, dark, light).astype(np.uint8)
    code = np.kron(code, np.ones((module_pixels, module_pixels), np.uint8))
    side = code.shape[0]
    bezel = round(side * _BEZEL_CODES)
    width, height = round(side * _SCREEN_WIDTH_CODES), round(side * _SCREEN_HEIGHT_CODES)
    phone = np.full((height + 2 * bezel, width + 2 * bezel, 3), 12, np.uint8)
    screen = phone[bezel:-bezel, bezel:-bezel]
    screen[:] = light
    _draw_interface(screen, dark, side)
    top, left = (height - side) // 2, (width - side) // 2
    screen[top : top + side, left : left + side] = code[:, :, None]
    return phone


def _draw_interface(screen: Image, ink: int, code_side: int) -> None:
    """A title bar and lines of small text: the busy neighbours that a real ticket page has."""
    height, width = screen.shape[:2]
    screen[: height // 12] = (150, 60, 20)
    scale = code_side / 420
    colour = (ink, ink, ink)
    thickness = max(1, round(2 * scale))
    for row, text in ((0.18, "Saturday 21:00"), (0.84, "Gate B   Standing"), (0.92, "One visitor")):
        origin = (round(width * 0.08), round(height * row))
        cv2.putText(
            screen, text, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, colour, thickness, cv2.LINE_AA
        )


def _draw_background(scene: Scene, generator: np.random.Generator) -> Image:
    size = (scene.width, scene.height)
    if scene.background is Background.PLAIN:
        return np.full((scene.height, scene.width, 3), 90, np.uint8)
    coarse = generator.integers(30, 150, (9, 16, 3), dtype=np.uint8)
    picture = _as_image(cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC))
    if scene.background is Background.CROWD:
        _draw_shapes(picture, generator)
    fine = generator.integers(0, 24, (scene.height // 4, scene.width // 4), dtype=np.uint8)
    grain = cv2.cvtColor(cv2.resize(fine, size, interpolation=cv2.INTER_LINEAR), cv2.COLOR_GRAY2BGR)
    return _as_image(cv2.add(picture, grain))


def _draw_shapes(picture: Image, generator: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    for _ in range(40):
        corner = (int(generator.integers(0, width)), int(generator.integers(0, height)))
        extent = (int(generator.integers(10, 160)), int(generator.integers(10, 160)))
        colour = tuple(int(value) for value in generator.integers(10, 230, 3))
        cv2.rectangle(picture, (*corner, *extent), colour, -1)
        cv2.ellipse(picture, (corner, extent, 30.0), colour[::-1], 3)


def _lay_phone(picture: Image, phone: Image, scene: Scene) -> None:
    homography = _homography(phone, scene)
    size = (scene.width, scene.height)
    warped = cv2.warpPerspective(phone, homography, size, flags=cv2.INTER_LINEAR)
    solid = np.full(phone.shape[:2], 255, np.uint8)
    mask = cv2.warpPerspective(solid, homography, size, flags=cv2.INTER_LINEAR)
    cv2.copyTo(warped, mask, picture)


def _homography(phone: Image, scene: Scene) -> NDArray[np.float64]:
    """Phone pixels to frame pixels, for a pinhole camera that sees an untilted phone full size."""
    height, width = phone.shape[:2]
    scale = scene.code_side_pixels * (_SCREEN_WIDTH_CODES + 2 * _BEZEL_CODES) / width
    rotation = _rotation(scene)
    centred = np.array([[scale, 0, -scale * width / 2], [0, scale, -scale * height / 2], [0, 0, 1]])
    plane = np.column_stack((rotation[:, 0], rotation[:, 1], [0.0, 0.0, _FOCAL_LENGTH_PIXELS]))
    x, y = scene.centre
    camera = np.array(
        [
            [_FOCAL_LENGTH_PIXELS, 0, x * scene.width],
            [0, _FOCAL_LENGTH_PIXELS, y * scene.height],
            [0, 0, 1],
        ],
    )
    return np.asarray(camera @ plane @ centred, dtype=np.float64)


def _rotation(scene: Scene) -> NDArray[np.float64]:
    pitch, yaw, roll = np.radians((scene.pitch_degrees, scene.yaw_degrees, scene.roll_degrees))
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_z = np.array(
        [[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    return np.asarray(about_x @ about_y @ about_z, dtype=np.float64)


def _add_glare(picture: Image, scene: Scene) -> None:
    """A lamp mirrored in the glass: a soft bright spot over about a quarter of the code's side."""
    if scene.glare <= 0:
        return
    radius = max(8, scene.code_side_pixels // 3)
    offset_x, offset_y = (part - 0.5 for part in scene.glare_centre)
    centre_x = round(scene.centre[0] * scene.width + offset_x * scene.code_side_pixels)
    centre_y = round(scene.centre[1] * scene.height + offset_y * scene.code_side_pixels)
    left, top = max(0, centre_x - radius), max(0, centre_y - radius)
    window = picture[top : max(top, centre_y + radius), left : max(left, centre_x + radius)]
    rows = np.arange(window.shape[0])[:, None] + top - centre_y
    columns = np.arange(window.shape[1])[None, :] + left - centre_x
    spot = np.exp(-(rows**2 + columns**2) / (2 * (radius / 2.5) ** 2))
    brighter = window + 255.0 * scene.glare * spot[:, :, None]
    window[:] = np.clip(brighter, 0, 255).astype(np.uint8)


def _expose(picture: Image, scene: Scene, generator: np.random.Generator) -> Image:
    """Lens blur, hand movement, brightness and sensor noise, in the order light meets them."""
    if scene.blur_sigma_pixels > 0:
        picture = _as_image(cv2.GaussianBlur(picture, (0, 0), scene.blur_sigma_pixels))
    if scene.motion_pixels > 1:
        kernel = np.full((1, scene.motion_pixels), 1 / scene.motion_pixels, np.float32)
        picture = _as_image(cv2.filter2D(picture, -1, kernel))
    gain = scene.brightness * scene.contrast
    lift = 128.0 * scene.brightness * (1 - scene.contrast)
    picture = _as_image(cv2.convertScaleAbs(picture, alpha=gain, beta=lift))
    return _add_noise(picture, scene.noise_sigma, generator)


def _add_noise(picture: Image, sigma: float, generator: np.random.Generator) -> Image:
    """Gray noise, drawn for a quarter of the picture and repeated.

    A decoder that looks at gray cannot tell, and drawing all of it would take half the time that a
    picture takes.
    """
    if sigma <= 0:
        return picture
    height, width = picture.shape[:2]
    quarter = ((height + 1) // 2, (width + 1) // 2)
    drawn = generator.standard_normal(quarter, dtype=np.float32) * np.float32(sigma)
    brighter = _spread(np.clip(drawn, 0, 255), width, height)
    darker = _spread(np.clip(-drawn, 0, 255), width, height)
    return _as_image(cv2.subtract(cv2.add(picture, brighter), darker))


def _spread(quarter: NDArray[np.float32], width: int, height: int) -> Image:
    whole = np.tile(np.rint(quarter).astype(np.uint8), (2, 2))[:height, :width]
    return _as_image(cv2.cvtColor(np.ascontiguousarray(whole), cv2.COLOR_GRAY2BGR))


def _as_image(array: NDArray[np.generic]) -> Image:
    return np.asarray(array, dtype=np.uint8)
