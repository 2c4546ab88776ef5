"""Every verdict is complete: a refusal has its rule and its wire code, a verdict its face."""

import json

import pytest

from scanner_app.ui.texts import LANGUAGES
from scanner_app.ui.verdict_screens import VERDICT_SCREENS, ColourFamily, Shape, Sound
from shared.admission.rules import RULES
from shared.admission.verdict import SUPERVISOR_MAY_OVERRIDE, Outcome, Refusal
from tests.architecture.tree import ROOT

VERDICTS = (*Outcome, *Refusal)
POSITIVE = {ColourFamily.ADMIT, ColourFamily.CHECK}


def test_every_refusal_has_one_rule_in_its_place() -> None:
    assert [refusal for refusal, _ in RULES] == list(Refusal)


def test_a_wire_code_is_the_name_and_no_two_verdicts_share_one() -> None:
    codes = {verdict.name: verdict.value for verdict in VERDICTS}
    assert codes == {name: name for name in codes}
    assert len(codes) == len(VERDICTS)


def test_what_nobody_may_override_stays_refused() -> None:
    never = {
        Refusal.DEVICE_ERROR,
        Refusal.LEASE_EXPIRED,
        Refusal.TIME_UNTRUSTED,
        Refusal.NOT_A_TICKET,
        Refusal.BAD_SIGNATURE,
        Refusal.REVOKED,
        Refusal.STALE_CODE,
    }
    assert never & SUPERVISOR_MAY_OVERRIDE == set()


def test_every_verdict_has_a_screen_of_its_own() -> None:
    assert set(VERDICT_SCREENS) == {verdict.value for verdict in VERDICTS}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_a_screen_has_a_shape_and_a_sound(verdict: Outcome | Refusal) -> None:
    screen = VERDICT_SCREENS[verdict.value]
    assert isinstance(screen.shape, Shape)
    assert isinstance(screen.sound, Sound)


def test_yes_and_no_share_neither_colour_nor_shape_nor_sound() -> None:
    yes = [VERDICT_SCREENS[outcome.value] for outcome in Outcome]
    no = [VERDICT_SCREENS[refusal.value] for refusal in Refusal]
    assert {screen.family for screen in yes} <= POSITIVE
    assert {screen.family for screen in no} & POSITIVE == set()
    assert {screen.shape for screen in yes} & {screen.shape for screen in no} == set()
    assert {screen.sound for screen in yes} & {screen.sound for screen in no} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_verdict_is_said_in_every_language(language: str) -> None:
    file = ROOT / f"scanner_app/ui/texts/{language}.json"
    texts = json.loads(file.read_text(encoding="utf-8"))
    screens = VERDICT_SCREENS.values()
    keys = [
        key
        for screen in screens
        for key in (screen.word_key, screen.instruction_key, screen.next_key)
    ]
    assert [key for key in keys if not texts.get(key, "").strip()] == []


def test_the_kiosk_speaks_the_five_languages_of_its_gates() -> None:
    assert set(LANGUAGES) == {"en", "sw", "lg", "rw", "fr"}
