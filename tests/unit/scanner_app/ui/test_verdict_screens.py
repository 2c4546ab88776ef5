from itertools import product

import pytest

from scanner_app.ui.palette import PALETTES, Theme
from scanner_app.ui.verdict_screens import (
    ADMIT_DWELL_MS,
    REFUSE_DWELL_MS,
    VERDICT_SCREENS,
    ColourFamily,
    Sound,
)
from shared.admission.verdict import Outcome, Refusal
from tests.factories.contrast import contrast

READABLE_CONTRAST = 7


def test_every_wire_code_has_its_screen_and_there_are_no_others() -> None:
    assert list(VERDICT_SCREENS) == [*Outcome, *Refusal]


@pytest.mark.parametrize(("theme", "family"), [*product(Theme, ColourFamily)])
def test_words_are_readable_in_the_sun_and_at_night(theme: Theme, family: ColourFamily) -> None:
    colours = PALETTES[theme][family]
    assert contrast(colours.text, colours.background) >= READABLE_CONTRAST
    assert contrast(colours.text, colours.surface) >= READABLE_CONTRAST
    assert contrast(colours.accent, colours.background) >= READABLE_CONTRAST


def test_no_shape_stands_for_yes_and_for_no() -> None:
    yes = {VERDICT_SCREENS[outcome].shape for outcome in Outcome}
    no = {VERDICT_SCREENS[refusal].shape for refusal in Refusal}
    assert yes & no == set()


def test_the_ways_to_say_yes_have_shapes_of_their_own() -> None:
    assert len({VERDICT_SCREENS[outcome].shape for outcome in Outcome}) == len(Outcome)


def test_no_sound_stands_for_yes_and_for_no() -> None:
    yes = {VERDICT_SCREENS[outcome].sound for outcome in Outcome}
    no = {VERDICT_SCREENS[refusal].sound for refusal in Refusal}
    assert yes & no == set()
    assert yes | no == set(Sound)


@pytest.mark.parametrize("theme", Theme)
def test_all_that_is_not_a_plain_yes_has_a_frame_that_a_print_shows(theme: Theme) -> None:
    framed = {
        family
        for family, colours in PALETTES[theme].items()
        if contrast(colours.frame, colours.background) >= READABLE_CONTRAST
    }
    assert framed == {
        ColourFamily.CHECK,
        ColourFamily.REFUSE,
        ColourFamily.AMEND,
        ColourFamily.FAULT,
    }


def test_a_plain_yes_is_short_and_a_no_can_be_read() -> None:
    assert VERDICT_SCREENS[Outcome.ADMIT].dwell_ms == ADMIT_DWELL_MS
    assert {VERDICT_SCREENS[refusal].dwell_ms for refusal in Refusal} == {REFUSE_DWELL_MS}
