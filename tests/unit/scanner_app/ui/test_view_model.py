import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from pytestqt.qtbot import QtBot

from scanner_app.gate.kiosk import KioskPhase, KioskStatus
from scanner_app.ui.palette import Theme
from scanner_app.ui.presentation import Manner
from scanner_app.ui.screen import View
from scanner_app.ui.texts import load_wordings
from scanner_app.ui.verdict_screens import ADMIT_DWELL_MS
from scanner_app.ui.verdict_words import ShownVerdict
from scanner_app.ui.view_model import KioskViewModel
from shared.admission.verdict import Admit, Outcome, Reason, Refusal, Refuse
from tests.factories.admission import NOW_MS, a_scan_id

pytestmark = pytest.mark.usefixtures("qapp")

SCANNING = KioskStatus(KioskPhase.SCANNING)
ADMITTED = ShownVerdict(verdict=Admit(Outcome.ADMIT), at_ms=NOW_MS)
REFUSED = ShownVerdict(verdict=Refuse((Reason(Refusal.BAD_SIGNATURE),)), at_ms=NOW_MS)
REPEATED = ShownVerdict(verdict=Admit(Outcome.ADMIT, repeat_of=a_scan_id()), at_ms=NOW_MS)


@dataclass
class Heard:
    """Commands that only remember what was asked."""

    said: list[tuple[str, ...]] = field(default_factory=list)

    def enrol_scanned(self, text: str) -> None:
        self.said.append(("enrol_scanned", text))

    def enrol_typed(self, address: str, letters: str) -> None:
        self.said.append(("enrol_typed", address, letters))

    def choose_language(self, code: str) -> None:
        self.said.append(("choose_language", code))

    def choose_theme(self, name: str) -> None:
        self.said.append(("choose_theme", name))

    def dismiss(self) -> None:
        self.said.append(("dismiss",))


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def model(heard: Heard) -> Iterator[KioskViewModel]:
    model = KioskViewModel(heard, load_wordings(), Manner("en"))
    model.show_status(SCANNING)
    yield model
    model.deleteLater()


def test_it_starts_by_saying_so(heard: Heard) -> None:
    model = KioskViewModel(heard, load_wordings(), Manner("en"))
    assert (model.screen.view, model.screen.headline) == (View.NOTICE, "Starting")


def test_a_verdict_replaces_the_one_before_at_once(model: KioskViewModel) -> None:
    model.show_verdict(ADMITTED)
    model.show_verdict(REFUSED)
    assert model.screen.headline == "NOT GENUINE"


def test_a_verdict_goes_by_itself(qtbot: QtBot, model: KioskViewModel) -> None:
    model.show_verdict(ADMITTED)
    with qtbot.waitSignal(model.shown_changed, timeout=ADMIT_DWELL_MS * 10):
        pass
    assert model.screen.view is View.SCANNING


def test_a_new_verdict_has_its_whole_time(qtbot: QtBot, model: KioskViewModel) -> None:
    model.show_verdict(ADMITTED)
    qtbot.wait(ADMIT_DWELL_MS // 2)
    model.show_verdict(REFUSED)
    qtbot.wait(ADMIT_DWELL_MS)
    assert model.screen.view is View.VERDICT


def test_a_verdict_can_be_tapped_away(model: KioskViewModel, heard: Heard) -> None:
    model.show_verdict(REFUSED)
    model.dismiss()
    assert model.screen.view is View.SCANNING
    assert heard.said == [("dismiss",)]


def test_scans_are_listed_newest_first_and_repeats_are_not(model: KioskViewModel) -> None:
    for shown in (ADMITTED, REPEATED, REFUSED):
        model.show_verdict(shown)
    assert [scan.word for scan in model.screen.recent] == ["NOT GENUINE", "GO IN"]


def test_the_status_changes_under_a_verdict(model: KioskViewModel) -> None:
    model.show_verdict(REFUSED)
    model.show_status(KioskStatus(KioskPhase.SCANNING, online=True))
    assert model.screen.view is View.VERDICT
    assert model.screen.status[0].text == "Online"


def test_a_revoked_gate_takes_its_verdict_off_the_screen(model: KioskViewModel) -> None:
    model.show_verdict(ADMITTED)
    model.show_status(KioskStatus(KioskPhase.REVOKED))
    assert model.screen.headline == "Gate stopped"


def test_nothing_is_redrawn_for_the_same_status(qtbot: QtBot, model: KioskViewModel) -> None:
    before = model.screen
    with qtbot.assertNotEmitted(model.shown_changed):
        model.show_status(SCANNING)
    assert model.screen is before


def test_a_language_is_shown_and_told(model: KioskViewModel, heard: Heard) -> None:
    model.choose_language("sw")
    assert model.screen.labels.language == "Lugha"
    assert heard.said == [("choose_language", "sw")]


def test_the_theme_goes_to_night_and_back(model: KioskViewModel, heard: Heard) -> None:
    day = model.screen.colours
    model.switch_theme()
    assert model.screen.colours != day
    model.switch_theme()
    assert model.screen.colours == day
    assert heard.said == [("choose_theme", Theme.NIGHT), ("choose_theme", Theme.DAY)]


def test_what_was_typed_is_handed_on_without_spaces(model: KioskViewModel, heard: Heard) -> None:
    model.enrol_typed(" gate.example ", " ABCD ")
    model.enrol_scanned("TKE1:ABC\n")
    assert heard.said == [
        ("enrol_typed", "gate.example", "ABCD"),
        ("enrol_scanned", "TKE1:ABC"),
    ]


def test_qml_gets_the_screen_as_one_text(model: KioskViewModel) -> None:
    model.show_verdict(ADMITTED)
    shown = json.loads(str(model.property("shown")))
    assert (shown["view"], shown["shape"], shown["headline"]) == ("VerdictView", "tick", "GO IN")
