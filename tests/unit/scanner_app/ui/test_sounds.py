import logging
from itertools import combinations

import numpy as np
import pytest

from scanner_app.ui.sounds import SAMPLE_RATE, TonePlayer, tone
from scanner_app.ui.verdict_screens import Sound


def highest_tone(sound: Sound) -> int:
    """The loudest frequency of a sound, in hertz."""
    samples = tone(sound).astype(float)
    spectrum = np.abs(np.fft.rfft(samples))
    return int(np.argmax(spectrum) * SAMPLE_RATE / len(samples))


@pytest.mark.parametrize("sound", Sound)
def test_a_sound_is_loud_short_and_begins_and_ends_in_silence(sound: Sound) -> None:
    samples = tone(sound)
    assert 0.5 < np.abs(samples).max() / np.iinfo(np.int16).max < 1
    assert len(samples) < SAMPLE_RATE
    assert (samples[0], samples[-1]) == (0, 0)


@pytest.mark.parametrize(("one", "other"), [*combinations(Sound, 2)])
def test_no_two_sounds_are_alike(one: Sound, other: Sound) -> None:
    assert tone(one).tobytes() != tone(other).tobytes()


def test_a_yes_is_high_and_a_no_is_low() -> None:
    assert highest_tone(Sound.ADMIT) > 800
    assert highest_tone(Sound.REFUSE) < 250


def test_playing_never_waits_and_a_missing_device_is_told_at_most_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    player = TonePlayer()
    for sound in Sound:
        player.play(sound)
    player.close()
    assert len([record for record in caplog.records if "no sound" in record.message]) <= 1
