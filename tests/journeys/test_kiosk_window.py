"""The kiosk on a real screen, touched and typed at as people and hand scanners do.

Needs an X server in memory (Xvfb) and xdotool; without them tests/ui shows the same in part.
"""

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Event

import pytest

from processes import KioskPlace, KioskProcess
from scanner_app.preferences import Preferences, read_preferences
from shared.wire.enrolment_code import EnrolmentCode
from tests.journeys.conftest import NO_CAMERA, READY_SECONDS, Kiosks, Venue

pytestmark = [pytest.mark.journey, pytest.mark.timeout(180)]

_ADDRESS_FIELD = (900, 450)
_LANGUAGE_BUTTON, _THEME_BUTTON = (920, 60), (1160, 60)
_KISWAHILI = (930, 252)
_LOOKS = 100
_LOOK_SECONDS = 0.1
_HAND_SCANNER_MS = 6
_PERSON_MS = 500


@dataclass(frozen=True)
class Hands:
    """A person, or a hand scanner, at the screen of 1280 by 800."""

    display: str
    xdotool: str

    def tap(self, place: tuple[int, int]) -> None:
        """Tap after the time a hand needs to get there, in which the screen shows what there is."""
        self._do("mousemove", str(place[0]), str(place[1]), "sleep", "0.5", "click", "1")

    def type(self, text: str, *, key_ms: int = _HAND_SCANNER_MS) -> None:
        self._do("type", "--delay", str(key_ms), text)

    def press(self, key: str) -> None:
        self._do("key", key)

    def _do(self, *words: str) -> None:
        subprocess.run([self.xdotool, *words], env={"DISPLAY": self.display}, check=True)


@pytest.fixture(scope="module")
def hands() -> Iterator[Hands]:
    xvfb, xdotool = shutil.which("Xvfb"), shutil.which("xdotool")
    if xvfb is None or xdotool is None:
        pytest.skip("needs Xvfb and xdotool")
    with subprocess.Popen(
        [xvfb, "-displayfd", "1", "-screen", "0", "1280x800x24"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as server:
        assert server.stdout is not None
        display = f":{server.stdout.readline().strip()}"
        yield Hands(display, xdotool)
        server.terminate()


@dataclass(frozen=True)
class Screen:
    """A kiosk that fills the screen, and the hands before it."""

    place: KioskPlace
    kiosk: KioskProcess
    hands: Hands

    def await_preferences(self, wanted: Preferences) -> Preferences:
        """Give them when they are as wanted, or as they are after some seconds."""
        waiting = Event()
        for _ in range(_LOOKS):
            if read_preferences(self.place.state) == wanted:
                break
            waiting.wait(_LOOK_SECONDS)
        return read_preferences(self.place.state)


@pytest.fixture
def screen(kiosks: Kiosks, hands: Hands) -> Screen:
    place = kiosks.place(NO_CAMERA, hands.display)
    return Screen(place, kiosks.make(place), hands)


def test_what_was_typed_for_a_setup_that_failed_need_not_be_typed_again(
    venue: Venue, screen: Screen
) -> None:
    code = EnrolmentCode.from_text(venue.enrolment_code(venue.deployment()))
    kiosk, hands = screen.kiosk, screen.hands
    kiosk.start()
    kiosk.wait_for_status(READY_SECONDS, phase="awaiting_enrolment")
    hands.tap(_ADDRESS_FIELD)
    hands.type("http://127.0.0.1:9")
    hands.press("Return")
    hands.type(code.letters)
    hands.press("Return")
    kiosk.wait_for_status(READY_SECONDS, enrolment_problem="server_unreachable")
    hands.tap(_ADDRESS_FIELD)
    hands.press("ctrl+a")
    hands.type(code.server_address)
    hands.press("Return")
    hands.press("Return")
    kiosk.wait_for_status(READY_SECONDS, phase="scanning", enrolment_problem=None)


def test_a_hand_scanner_needs_no_focus_and_a_person_is_no_scanner(
    venue: Venue, screen: Screen
) -> None:
    (visitor,) = venue.wallets(1)
    kiosk, hands = screen.kiosk, screen.hands
    kiosk.start(venue.enrolment_code(venue.deployment()))
    kiosk.wait_for_status(READY_SECONDS, phase="scanning", online=True)
    hands.type("hello you", key_ms=_PERSON_MS)
    hands.press("Return")
    hands.type(visitor.code_at(venue.clock.now_ms()))
    hands.press("Return")
    kiosk.wait_for("a verdict", lambda: kiosk.verdicts, READY_SECONDS)
    assert [verdict["verdict"] for verdict in kiosk.verdicts] == ["ADMIT"]


def test_language_and_theme_are_two_taps_and_stay(screen: Screen) -> None:
    kiosk, hands = screen.kiosk, screen.hands
    kiosk.start()
    kiosk.wait_for_status(READY_SECONDS, phase="awaiting_enrolment")
    hands.tap(_LANGUAGE_BUTTON)
    hands.tap(_KISWAHILI)
    hands.tap(_THEME_BUTTON)
    wanted = Preferences(language="sw", theme="night")
    assert screen.await_preferences(wanted) == wanted
