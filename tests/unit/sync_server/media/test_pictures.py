import io
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from sync_server.media.errors import (
    PictureAnimatedError,
    PictureBrokenError,
    PictureTooLargeError,
)
from sync_server.media.pictures import PIXELS_MAX, SIDE_MAX, CleanPicture, clean_picture
from sync_server.media.rules import VARIANT_WIDTHS, Kind
from tests.factories.files import (
    a_bomb,
    a_photo,
    a_photo_with_notes,
    a_picture,
    an_animation,
    written,
)

KINDS = {Kind.JPEG: "JPEG", Kind.PNG: "PNG", Kind.WEBP: "WEBP", Kind.GIF: "GIF"}
WITH_NOTES = [Kind.JPEG, Kind.PNG, Kind.WEBP]
SAMPLES = {
    Kind.JPEG: [a_photo_with_notes(), written(a_picture(), "MPO", save_all=True)],
    Kind.PNG: [a_photo_with_notes(kind="PNG"), written(a_picture().convert("P"), "PNG")],
    Kind.WEBP: [a_photo_with_notes(kind="WEBP")],
    Kind.GIF: [a_photo(kind="GIF")],
}


def cleaned(content: bytes, kind: Kind, *widths: int) -> CleanPicture:
    return clean_picture(io.BytesIO(content), kind, widths)


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def jpeg_segments(content: bytes) -> set[int]:
    """The markers before the first scan."""
    place, markers = 2, set()
    while content[place + 1] != 0xDA:
        markers.add(content[place + 1])
        place += 2 + struct.unpack(">H", content[place + 2 : place + 4])[0]
    return markers


def png_chunks(content: bytes) -> Iterator[bytes]:
    place = 8
    while place < len(content):
        yield content[place + 4 : place + 8]
        place += 12 + struct.unpack(">I", content[place : place + 4])[0]


def webp_chunks(content: bytes) -> Iterator[bytes]:
    place = 12
    while place < len(content):
        yield content[place : place + 4]
        size = struct.unpack("<I", content[place + 4 : place + 8])[0]
        place += 8 + size + size % 2


@pytest.mark.parametrize("kind", WITH_NOTES)
def test_place_person_and_device_are_gone(kind: Kind) -> None:
    content = a_photo_with_notes(kind=KINDS[kind])
    clean = cleaned(content, kind).original.content
    assert opened(content).getexif().get_ifd(0x8825)
    assert not opened(clean).getexif()
    assert b"Nakato" in content
    assert b"Nakato" not in clean
    assert b"Exif" not in clean


def test_nothing_but_the_picture_is_left_of_a_jpeg() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = written(a_picture(), "JPEG", icc_profile=profile, comment=b"hello", dpi=(300, 300))
    clean = cleaned(content, Kind.JPEG).original.content
    assert {0xE2, 0xFE} <= jpeg_segments(content)
    # JFIF's own header, tables, and the frame.
    assert jpeg_segments(clean) <= {0xE0, 0xDB, 0xC0, 0xC2, 0xC4}
    assert clean.endswith(b"\xff\xd9")


def test_nothing_but_the_picture_is_left_of_a_png() -> None:
    content = a_photo_with_notes(kind="PNG")
    assert b"eXIf" in set(png_chunks(content))
    assert set(png_chunks(cleaned(content, Kind.PNG).original.content)) == {
        b"IHDR",
        b"IDAT",
        b"IEND",
    }


@pytest.mark.parametrize("lossless", [False, True])
def test_nothing_but_the_picture_is_left_of_a_webp(lossless: bool) -> None:
    content = written(a_picture(), "WEBP", lossless=lossless, xmp=b"<x/>")
    clean = cleaned(content, Kind.WEBP).original.content
    assert b"XMP " in set(webp_chunks(content))
    assert set(webp_chunks(clean)) <= {b"VP8 ", b"VP8L"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_hangs_behind_a_picture_stays_behind(kind: Kind) -> None:
    content = a_photo(kind=KINDS[kind]) + b"PK\x03\x04<script>alert(1)</script>"
    assert b"<script>" not in cleaned(content, kind).original.content


@pytest.mark.parametrize(
    ("orientation", "corner"),
    list(enumerate([(0, 0), (1, 0), (1, 1), (0, 1), (0, 0), (1, 0), (1, 1), (0, 1)], start=1)),
)
def test_a_picture_stands_upright(orientation: int, corner: tuple[int, int]) -> None:
    clean = cleaned(a_photo_with_notes(orientation), Kind.JPEG).original
    image = opened(clean.content).convert("L")
    size = (64, 48) if orientation <= 4 else (48, 64)
    corners = {
        (x, y): image.getpixel((x * (image.width - 1), y * (image.height - 1)))
        for x in (0, 1)
        for y in (0, 1)
    }
    assert image.size == (clean.width, clean.height) == size
    assert min(corners, key=lambda place: float(corners[place] or 0)) == corner  # type: ignore[arg-type] # gray


def a_green_with(profile: bytes) -> tuple[int, int, int]:
    """What becomes of a green picture with a profile."""
    content = written(Image.new("RGB", (8, 8), (0, 200, 0)), "PNG", icc_profile=profile)
    red, green, blue = opened(cleaned(content, Kind.PNG).original.content).getpixel((4, 4))  # type: ignore[misc] # of an RGB picture
    return red, green, blue


def test_colours_are_shown_as_they_were_meant() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    exchanged = srgb.replace(b"rXYZ", b"____").replace(b"gXYZ", b"rXYZ").replace(b"____", b"gXYZ")
    red, green, blue = a_green_with(exchanged)
    assert red > 190
    assert max(green, blue) < 10
    assert a_green_with(srgb) == (0, 200, 0)


@pytest.mark.parametrize("profile", [b"no profile", bytes(200)])
def test_a_profile_that_cannot_be_read_does_not_count(profile: bytes) -> None:
    assert a_green_with(profile) == (0, 200, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_mode_of_a_png_is_understood(mode: str) -> None:
    source = a_picture().convert("L") if mode == "I;16" else a_picture()
    content = written(source.convert(mode), "PNG")
    clean = opened(cleaned(content, Kind.PNG).original.content)
    assert clean.mode in {"L", "RGB", "RGBA"}
    assert clean.size == (64, 48)


def test_sixteen_bits_become_eight() -> None:
    content = written(Image.new("I;16", (4, 4), 40_000), "PNG")
    clean = opened(cleaned(content, Kind.PNG).original.content)
    assert clean.getpixel((0, 0)) == 40_000 >> 8


def test_what_was_transparent_stays_so() -> None:
    content = written(Image.new("RGBA", (640, 480), (255, 0, 0, 0)), "PNG")
    clean = cleaned(content, Kind.PNG, 320)
    for picture in (clean.original, *clean.variants):
        pixel = opened(picture.content).convert("RGBA").getpixel((0, 0))
        assert isinstance(pixel, tuple)
        assert pixel[3] == 0


def test_print_colours_become_screen_colours() -> None:
    content = written(a_picture().convert("CMYK"), "JPEG")
    clean = opened(cleaned(content, Kind.JPEG).original.content)
    assert clean.mode == "RGB"
    assert clean.getpixel((63, 47)) == (255, 255, 255)


def test_a_still_gif_becomes_a_png() -> None:
    clean = cleaned(a_photo(kind="GIF"), Kind.GIF).original
    assert (clean.kind, opened(clean.content).format) == (Kind.PNG, "PNG")


@pytest.mark.parametrize("kind", [Kind.GIF, Kind.PNG, Kind.WEBP])
def test_a_moving_picture_is_refused(kind: Kind) -> None:
    with pytest.raises(PictureAnimatedError):
        cleaned(an_animation(KINDS[kind]), kind)


def test_a_telephones_picture_with_a_second_behind_it_is_a_still_one() -> None:
    content = an_animation("MPO")
    clean = cleaned(content, Kind.JPEG).original
    assert opened(content).format == "MPO"
    assert opened(clean.content).format == "JPEG"
    assert len(clean.content) < len(content)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_cut_short_is_refused(kind: Kind) -> None:
    content = a_photo(400, 300, kind=KINDS[kind])
    with pytest.raises(PictureBrokenError):
        cleaned(content[: len(content) * 2 // 3], kind)


@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_than_was_told_is_refused(kind: Kind) -> None:
    other = "PNG" if kind is Kind.JPEG else "JPEG"
    with pytest.raises(PictureBrokenError):
        cleaned(a_photo(kind=other), kind)


@pytest.mark.parametrize(
    ("width", "height"),
    [
        (PIXELS_MAX // 5000 + 1, 5000),
        (SIDE_MAX + 1, 1),
        (1, SIDE_MAX + 1),
        (16_384, 16_384),
        (1_000_000, 1_000_000),
    ],
)
def test_a_bomb_is_refused_before_it_is_decoded(width: int, height: int) -> None:
    """The file ends long before its pixels do: whoever decoded it would call it damaged."""
    with pytest.raises(PictureTooLargeError) as refused:
        cleaned(a_bomb(width, height), Kind.PNG)
    assert refused.value.extra == {"pixels_max": PIXELS_MAX, "side_max": SIDE_MAX}


def test_a_bomb_of_webp_is_refused_before_its_canvas_is_made() -> None:
    with pytest.raises(PictureTooLargeError):
        cleaned(a_bomb(16_384, 16_384, "WEBP"), Kind.WEBP)


def test_a_picture_of_the_greatest_size_is_taken() -> None:
    content = written(Image.new("1", (SIDE_MAX, PIXELS_MAX // SIDE_MAX)), "PNG")
    assert cleaned(content, Kind.PNG).original.width == SIDE_MAX


def test_narrower_copies_are_made_for_the_usual_widths() -> None:
    clean = cleaned(a_photo(1000, 500), Kind.JPEG, *VARIANT_WIDTHS)
    assert [(copy.width, copy.height) for copy in clean.variants] == [(320, 160), (640, 320)]
    assert {opened(copy.content).format for copy in clean.variants} == {"WEBP"}
    assert [opened(copy.content).size for copy in clean.variants] == [(320, 160), (640, 320)]


def test_no_copy_is_wider_than_its_picture() -> None:
    assert cleaned(a_photo(320, 200), Kind.JPEG, *VARIANT_WIDTHS).variants == ()


def test_a_very_wide_picture_has_copies_of_one_line() -> None:
    (copy,) = cleaned(a_photo(9000, 2), Kind.JPEG, 320).variants
    assert (copy.width, copy.height) == (320, 1)


def test_the_same_picture_is_written_the_same() -> None:
    first, second = (cleaned(a_photo(400), Kind.JPEG, 320) for _ in range(2))
    assert first.original.sha256 == second.original.sha256
    assert first.variants[0].sha256 == second.variants[0].sha256


def test_damaged_notes_do_not_damage_the_picture() -> None:
    content = (
        a_photo_with_notes(6)
        .replace(b"Exif\0\0MM", b"Exif\0\0XX")
        .replace(b"Exif\0\0II", b"Exif\0\0XX")
    )
    assert cleaned(content, Kind.JPEG).original.width == 64


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, Kind]:
    kind = draw(st.sampled_from(sorted(SAMPLES, key=lambda kind: kind.name)))
    content = bytearray(draw(st.sampled_from(SAMPLES[kind])))
    for place, value in draw(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 255)))):
        content[place % len(content)] = value
    return bytes(content[: draw(st.integers(1, len(content)))]), kind


@settings(max_examples=300)
@given(damaged())
def test_a_damaged_picture_is_clean_or_refused(picture: tuple[bytes, Kind]) -> None:
    try:
        clean = cleaned(*picture).original
    except (PictureBrokenError, PictureAnimatedError, PictureTooLargeError):
        return
    assert opened(clean.content).size == (clean.width, clean.height)
