from pytestqt.qtbot import QtBot

from scanner_app.ui.verdict_words import ShownVerdict
from shared.admission.verdict import Admit, Outcome
from tests.ui.driving import Kiosk

ADMITTED = ShownVerdict(verdict=Admit(Outcome.ADMIT), at_ms=1_770_000_000_000)


def test_it_is_told_once_when_a_verdict_is_on_the_screen(qtbot: QtBot, kiosk: Kiosk) -> None:
    painted: list[str] = []
    kiosk.window.show_verdict(ADMITTED, lambda: painted.append("first"))
    qtbot.waitUntil(lambda: bool(painted))
    kiosk.window.show_verdict(ADMITTED, lambda: painted.append("second"))
    qtbot.waitUntil(lambda: len(painted) > 1)
    assert painted == ["first", "second"]
