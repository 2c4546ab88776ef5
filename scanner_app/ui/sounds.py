"""Tones made from numbers, played on a thread of their own. Without a sound device: silence."""

import logging
from collections.abc import Generator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Final, Protocol

import miniaudio
import numpy as np
import numpy.typing as npt

from scanner_app.ui.verdict_screens import Sound

logger = logging.getLogger(__name__)

SAMPLE_RATE: Final = 44_100
IDLE_SECONDS: Final = 20
"""How long the device stays open after a tone, so that the next one starts at once."""
_LOUDNESS: Final = 0.8
_FADE_SECONDS: Final = 0.008
_BUFFER_MS: Final = 30
_SOUND_CARDS: Final = Path("/dev/snd")

Samples = npt.NDArray[np.int16]

_NOTES: Final[dict[Sound, tuple[tuple[float, float], ...]]] = {
    Sound.ADMIT: ((880, 0.09), (1_319, 0.16)),
    Sound.CHECK: ((988, 0.11), (0, 0.07), (988, 0.11), (0, 0.07), (988, 0.11)),
    Sound.EXIT: ((1_319, 0.09), (880, 0.16)),
    Sound.REFUSE: ((196, 0.65),),
    Sound.AMEND: ((440, 0.16), (0, 0.06), (330, 0.26)),
    Sound.FAULT: ((220, 0.14), (0, 0.05), (220, 0.14), (0, 0.05), (165, 0.45)),
}
"""Hertz and seconds, one after the other; zero hertz is a rest."""


class SoundPlayer(Protocol):
    """Whatever makes a verdict heard."""

    def play(self, sound: Sound) -> None:
        """Start a tone now, in place of one still sounding; never waits, never raises."""
        ...


def tone(sound: Sound) -> Samples:
    """Make a sound's samples: 16 bits, one channel."""
    return np.concatenate([_note(hertz, seconds) for hertz, seconds in _NOTES[sound]])


def _note(hertz: float, seconds: float) -> Samples:
    times = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    # A little of the octave above carries through a small loudspeaker and a crowd.
    wave = 0.75 * np.sin(2 * np.pi * hertz * times) + 0.25 * np.sin(4 * np.pi * hertz * times)
    fade = np.clip(np.minimum(times, times[-1] - times) / _FADE_SECONDS, 0, 1)
    samples: Samples = (wave * fade * _LOUDNESS * np.iinfo(np.int16).max).astype(np.int16)
    return samples


class _Voice:
    """What sounds at this moment, shared with the device's own thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._rest = np.zeros(0, np.int16)

    def start(self, samples: Samples) -> None:
        with self._lock:
            self._rest = samples

    def take(self, frames: int) -> bytes:
        """Give the next samples, silence after the last."""
        with self._lock:
            piece, self._rest = self._rest[:frames], self._rest[frames:]
        return bytes(np.pad(piece, (0, frames - len(piece))).tobytes())

    def stream(self) -> Generator[bytes, int, None]:
        """Answer each request for frames, for ever."""
        frames = yield b""
        while True:
            frames = yield self.take(frames)


class TonePlayer:
    """Plays through miniaudio; opens the device when it is first needed."""

    def __init__(self) -> None:
        self._tones = {sound: tone(sound) for sound in Sound}
        self._wanted: SimpleQueue[Sound | None] = SimpleQueue()
        self._voice = _Voice()
        self._silent = False
        self._thread = Thread(target=self._work, name="sounds", daemon=True)
        self._thread.start()

    def play(self, sound: Sound) -> None:
        """Start a tone now; returns at once."""
        self._wanted.put(sound)

    def close(self) -> None:
        """Stop and let go of the device."""
        self._wanted.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (sound := self._wanted.get()) is not None:
            if not self._silent and not self._play_until_idle(sound):
                return

    def _play_until_idle(self, sound: Sound) -> bool:
        """Keep the device open while sounds keep coming; say whether to go on."""
        device = self._open()
        if device is None:
            return True
        try:
            return self._feed(sound)
        finally:
            device.close()

    def _feed(self, sound: Sound | None) -> bool:
        while sound is not None:
            self._voice.start(self._tones[sound])
            try:
                sound = self._wanted.get(timeout=IDLE_SECONDS)
            except Empty:
                return True
        return False

    def _open(self) -> "miniaudio.PlaybackDevice | None":
        try:
            device = miniaudio.PlaybackDevice(
                nchannels=1,
                sample_rate=SAMPLE_RATE,
                buffersize_msec=_BUFFER_MS,
                backends=_backends(),
            )
            stream = self._voice.stream()
            next(stream)
            device.start(stream)
        except miniaudio.MiniaudioError as error:
            self._silent = True
            logger.warning("no sound: %s", error)
            return None
        return device


def _backends() -> list[miniaudio.Backend]:
    """ALSA complains at length where the machine has no card, so it is asked only where one is."""
    pulse, alsa = miniaudio.Backend.PULSEAUDIO, miniaudio.Backend.ALSA
    return [pulse, alsa] if _SOUND_CARDS.is_dir() else [pulse]
