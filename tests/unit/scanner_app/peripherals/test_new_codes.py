from hardware.ports import CodeReading
from scanner_app.peripherals.code_source import NewCodes, ShownCode, code_identity
from tests.factories.credentials import COUNTER, TICKET_ID, EventKeys, P256Holder, a_core
from tests.factories.visitors import visitor_codes

SECOND_NS = 1_000_000_000
EVENT = EventKeys()
POSTER = "https://example.org/poster"


def window(number: int) -> str:
    return EVENT.reference_code(a_core(), P256Holder(), COUNTER + number)


def signed_again(number: int) -> str:
    """Show the same window with another signature of the same length."""
    return EVENT.reference_code(a_core(), P256Holder("somebody else"), COUNTER + number)


class Lane:
    """A phone held before a camera that sees it ten times a second."""

    def __init__(self) -> None:
        self.codes = NewCodes()
        self.at_ns = 0

    def sees(self, *texts: str, seconds: float = 1.0) -> list[str]:
        """Show the same picture for a while, and list what was to be judged."""
        judged: list[str] = []
        for _ in range(round(seconds * 10)):
            self.at_ns += SECOND_NS // 10
            readings = [CodeReading(text, "zxing", ()) for text in texts]
            judged += [reading.text for reading in self.codes.observe(readings, self.at_ns)]
        return judged


def test_a_code_in_view_is_judged_once() -> None:
    assert Lane().sees(window(0), seconds=15) == [window(0)]


def test_somebody_admitted_is_not_judged_again_in_the_next_windows() -> None:
    lane = Lane()
    assert lane.sees(window(0)) == [window(0)]
    lane.codes.admitted(window(0))
    assert lane.sees(window(1)) == []
    assert lane.sees(window(2), seconds=15) == []


def test_whoever_nobody_could_judge_is_judged_when_somebody_can() -> None:
    lane = Lane()
    assert lane.sees(window(0)) == [window(0)]
    lane.codes.look_again()
    assert lane.sees(window(0)) == [window(0)]
    lane.codes.admitted(window(0))
    lane.codes.look_again()
    assert lane.sees(window(0)) == []


def test_a_refused_phone_that_corrects_itself_is_judged_again() -> None:
    lane = Lane()
    assert lane.sees(window(-9)) == [window(-9)]
    assert lane.sees(window(0)) == [window(0)]


def test_a_refused_phone_that_signs_the_same_window_again_is_not() -> None:
    """Signatures of P-256 differ each time; a screen drawn anew is no new showing."""
    lane = Lane()
    first, second = window(-9), signed_again(-9)
    assert first != second
    assert lane.sees(first) == [first]
    assert lane.sees(second) == []


def test_a_phone_that_leaves_and_comes_back_is_judged_again() -> None:
    lane = Lane()
    lane.sees(window(0))
    lane.codes.admitted(window(0))
    assert lane.sees(seconds=1.0) == []
    assert lane.sees(window(0)) == [], "a short flicker is no leaving"
    lane.sees(seconds=2.0)
    assert lane.sees(window(0)) == [window(0)]


def test_a_verdict_that_comes_when_the_phone_has_left_does_not_silence_its_return() -> None:
    lane = Lane()
    lane.sees(window(0))
    lane.sees(seconds=2.0)
    lane.codes.admitted(window(0))
    assert lane.sees(window(1)) == [window(1)]


def test_those_admitted_long_ago_are_forgotten() -> None:
    lane = Lane()
    for code in visitor_codes(50):
        assert lane.sees(code, seconds=0.3) == [code]
        lane.codes.admitted(code)
        lane.sees(seconds=1.5)
    assert lane.codes._admitted == set()


def test_a_poster_in_view_is_one_appearance_and_hides_nobody() -> None:
    lane = Lane()
    assert lane.sees(POSTER, seconds=60) == [POSTER]
    assert lane.sees(POSTER, window(0), seconds=5) == [window(0)]
    lane.codes.admitted(window(0))
    assert lane.sees(POSTER, window(1), seconds=5) == []
    assert lane.sees(POSTER, seconds=60) == []


def test_two_phones_in_view_are_judged_each() -> None:
    first, second = visitor_codes(2)
    assert Lane().sees(first, second) == [first, second]


def test_a_rotating_codes_identity_stays_and_a_foreign_texts_is_itself() -> None:
    assert code_identity(window(0)) == code_identity(window(7))
    other = EVENT.reference_code(a_core(ticket_id=TICKET_ID ^ 1), P256Holder())
    assert code_identity(other) != code_identity(window(0))
    assert ShownCode(POSTER, 0, "camera").identity == POSTER
