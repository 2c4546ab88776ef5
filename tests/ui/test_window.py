from dataclasses import replace
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from pytestqt.qtbot import QtBot

from scanner_app.gate.kiosk import KioskPhase, KioskStatus
from scanner_app.ui.palette import Theme
from scanner_app.ui.screen import View
from scanner_app.ui.texts import LANGUAGES
from scanner_app.ui.verdict_screens import Sound
from scanner_app.ui.verdict_words import ShownVerdict
from screenshots import (
    SIZES,
    STANDING,
    TROUBLED,
    sample_frame,
    sample_standings,
    sample_verdicts,
)
from shared.admission.verdict import Admit, Outcome, Reason, Refusal, Refuse
from tests.factories.admission import NOW_MS, a_scan_id
from tests.ui.driving import Kiosk, OpenKiosk

pytestmark = pytest.mark.usefixtures("qapp")

ADMITTED = ShownVerdict(verdict=Admit(Outcome.ADMIT), at_ms=NOW_MS)
REFUSED = ShownVerdict(verdict=Refuse((Reason(Refusal.BAD_SIGNATURE),)), at_ms=NOW_MS)
WORD_HEIGHT_MIN = 0.12
"""Of the screen's shorter side: to be read from three metres."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
def test_no_text_is_cut_off_and_every_word_can_be_read_from_afar(
    kiosk_at: OpenKiosk, size: tuple[int, int], language: str
) -> None:
    kiosk = kiosk_at(size)
    model = kiosk.window.view_model
    model.choose_language(language)
    model.show_status(TROUBLED)
    small, clipped = [], []
    for shown in sample_verdicts():
        model.show_verdict(shown)
        kiosk.settle()
        clipped += kiosk.clipped_texts()
        (word,) = kiosk.items("verdictWord")
        pixels = float(word.property("pixels"))
        small += [model.screen.headline] * (pixels < WORD_HEIGHT_MIN * min(size))
    assert (small, clipped) == ([], [])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("size", SIZES)
def test_every_standing_fits_every_screen(
    kiosk_at: OpenKiosk, size: tuple[int, int], language: str
) -> None:
    kiosk = kiosk_at(size, Theme.NIGHT)
    model = kiosk.window.view_model
    model.choose_language(language)
    clipped = []
    for name, status in sample_standings():
        model.show_status(status)
        kiosk.settle()
        clipped += [(name, text) for text in kiosk.clipped_texts()]
    assert clipped == []


def test_a_new_verdict_shows_at_once_and_with_its_sound(kiosk: Kiosk) -> None:
    kiosk.show_verdict(ADMITTED)
    kiosk.show_verdict(REFUSED)
    kiosk.settle()
    (word,) = kiosk.items("verdictWord")
    assert word.property("text") == "NOT GENUINE"
    assert kiosk.outside.sounds == [Sound.ADMIT, Sound.REFUSE]


def test_every_verdict_is_told_when_painted_also_the_same_again(qtbot: QtBot, kiosk: Kiosk) -> None:
    repeated = replace(ADMITTED, verdict=Admit(Outcome.ADMIT, repeat_of=a_scan_id()))
    kiosk.show_verdict(ADMITTED)
    qtbot.waitUntil(lambda: kiosk.painted.count == 1)
    kiosk.show_verdict(repeated)
    qtbot.waitUntil(lambda: kiosk.painted.count == 2)
    kiosk.show_verdict(repeated)
    qtbot.waitUntil(lambda: kiosk.painted.count == 3)
    assert kiosk.window.view_model.screen.headline == "GO IN"


def test_the_window_goes_back_to_scanning_by_itself(qtbot: QtBot, kiosk: Kiosk) -> None:
    kiosk.show_verdict(ADMITTED)
    qtbot.waitUntil(lambda: bool(kiosk.items("verdictWord")))
    qtbot.waitUntil(lambda: not kiosk.items("verdictWord"), timeout=20_000)
    assert kiosk.window.view_model.screen.view is View.SCANNING


def test_a_tap_ends_a_verdict(kiosk: Kiosk) -> None:
    kiosk.show_verdict(REFUSED)
    kiosk.settle()
    kiosk.tap("verdictWord")
    assert kiosk.outside.said == [("dismiss",)]
    assert kiosk.items("verdictWord") == []


@pytest.mark.parametrize("size", SIZES)
def test_a_language_is_two_taps_away(kiosk_at: OpenKiosk, size: tuple[int, int]) -> None:
    kiosk = kiosk_at(size)
    kiosk.tap("languageButton")
    assert kiosk.clipped_texts() == []
    kiosk.tap("language-lg")
    assert kiosk.outside.said == [("choose_language", "lg")]
    assert kiosk.window.view_model.screen.labels.language == "Olulimi"


def test_the_theme_is_one_tap_away(kiosk: Kiosk) -> None:
    kiosk.tap("themeButton")
    assert kiosk.outside.said == [("choose_theme", "night")]


@pytest.mark.parametrize("size", SIZES)
def test_targets_are_big_enough_for_wet_hands(kiosk_at: OpenKiosk, size: tuple[int, int]) -> None:
    kiosk = kiosk_at(size)
    kiosk.window.view_model.show_status(KioskStatus(KioskPhase.AWAITING_ENROLMENT))
    kiosk.settle()
    names = ("languageButton", "themeButton", "enrolButton")
    targets = [item for name in names for item in kiosk.items(name)]
    assert len(targets) == len(names)
    assert min(item.height() for item in targets) >= 0.13 * min(size)


def enrolling(kiosk: Kiosk) -> Kiosk:
    kiosk.window.view_model.show_status(KioskStatus(KioskPhase.AWAITING_ENROLMENT))
    kiosk.settle()
    return kiosk


def test_address_and_letters_can_be_typed(kiosk: Kiosk) -> None:
    enrolling(kiosk).tap("addressField")
    kiosk.type("gate.example")
    kiosk.press(Qt.Key.Key_Return)
    kiosk.type("ABCD-EFGH")
    kiosk.press(Qt.Key.Key_Return)
    assert kiosk.outside.said == [("enrol_typed", "gate.example", "ABCD-EFGH")]
    assert kiosk.outside.characters == []


@pytest.mark.parametrize("size", SIZES)
def test_a_kiosk_without_a_keyboard_brings_its_own(
    kiosk_at: OpenKiosk, size: tuple[int, int]
) -> None:
    kiosk = enrolling(kiosk_at(size))
    kiosk.tap("addressField")
    for key in "gate:8":
        kiosk.tap(f"key-{key.upper()}")
    kiosk.tap("lettersField")
    for key in "AB":
        kiosk.tap(f"key-{key}")
    kiosk.tap("key-erase")
    assert kiosk.clipped_texts() == []
    kiosk.tap("key-done")
    kiosk.tap("enrolButton")
    assert kiosk.outside.said == [("enrol_typed", "gate:8", "A")]


def test_a_code_typed_into_a_field_by_a_hand_scanner_counts_as_scanned(kiosk: Kiosk) -> None:
    enrolling(kiosk).tap("addressField")
    kiosk.type("TKE1:ABC")
    kiosk.press(Qt.Key.Key_Return)
    assert kiosk.outside.said == [("enrol_scanned", "TKE1:ABC")]


def test_a_hand_scanner_needs_no_focus(kiosk: Kiosk) -> None:
    kiosk.type("TK1:A ")
    kiosk.press(Qt.Key.Key_Return)
    assert "".join(character for character, _ in kiosk.outside.characters) == "TK1:A \r"
    assert {at_ns for _, at_ns in kiosk.outside.characters} == {7}


@pytest.mark.parametrize(
    "key", [Qt.Key.Key_Escape, Qt.Key.Key_F5, Qt.Key.Key_Shift, Qt.Key.Key_Left]
)
def test_keys_that_are_no_characters_pass_by(kiosk: Kiosk, key: Qt.Key) -> None:
    kiosk.press(key)
    assert kiosk.outside.characters == []


def test_a_worker_thread_may_show_everything(qtbot: QtBot, kiosk: Kiosk) -> None:
    def work() -> None:
        kiosk.window.show_status(STANDING)
        kiosk.window.show_frame(sample_frame())
        kiosk.show_verdict(ADMITTED)

    worker = Thread(target=work)
    worker.start()
    worker.join()
    qtbot.waitUntil(lambda: bool(kiosk.items("verdictWord")))
    assert kiosk.outside.sounds == [Sound.ADMIT]


def test_the_cameras_picture_is_on_the_screen(kiosk: Kiosk, tmp_path: Path) -> None:
    kiosk.window.show_frame(np.full((480, 640), 77, np.uint8))
    kiosk.settle()
    assert kiosk.window.grab(tmp_path / "window.png")
    picture = QImage(str(tmp_path / "window.png"))
    assert picture.pixelColor(picture.width() // 4, picture.height() // 3).red() == 77


def test_a_lost_camera_leaves_no_picture_behind(kiosk: Kiosk) -> None:
    kiosk.window.view_model.show_status(TROUBLED)
    kiosk.settle()
    assert kiosk.items("preview") == []


def test_shapes_are_told_apart_without_colour(kiosk_at: OpenKiosk, tmp_path: Path) -> None:
    kiosk = kiosk_at()
    model = kiosk.window.view_model
    model.show_status(STANDING)
    silhouettes = {}
    for shown in sample_verdicts():
        model.show_verdict(shown)
        kiosk.settle()
        silhouettes[shown.face.shape] = silhouette(kiosk, tmp_path)
    assert len(set(silhouettes.values())) == len(silhouettes)
    assert min(ink.count(1) for ink in silhouettes.values()) > 40


def silhouette(kiosk: Kiosk, folder: Path) -> bytes:
    """The shape alone, in 20 by 20 black or white points."""
    path = folder / "verdict.png"
    kiosk.window.grab(path)
    (mark,) = kiosk.items("verdictShape")
    box = mark.mapRectToScene(mark.boundingRect()).toRect()
    gray = QImage(str(path)).copy(box).convertToFormat(QImage.Format.Format_Grayscale8)
    points = gray.scaled(20, 20)
    ground = points.pixelColor(0, 0).value()
    return bytes(
        abs(points.pixelColor(x, y).value() - ground) > 60 for y in range(20) for x in range(20)
    )
