"""The face of every verdict: shape, colour family, sound and how long it stays.

Pure, and without words, which stand in texts; a test finds a verdict without a row here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.admission.verdict import Outcome, Refusal


class Shape(StrEnum):
    """Silhouettes that nobody confuses from three metres, also without colour."""

    TICK = "tick"
    RETURN = "return"
    EXIT = "exit"
    ATTENTION = "attention"
    PROVISIONAL = "provisional"
    CROSS = "cross"
    HAND = "hand"
    CLOCK = "clock"
    DIRECTION = "direction"
    QUESTION = "question"
    PHONE = "phone"
    DEVICE = "device"


class ColourFamily(StrEnum):
    """What a colour says before anything is read."""

    NEUTRAL = "neutral"
    ADMIT = "admit"
    CHECK = "check"
    """Admitted, once a person has looked."""
    REFUSE = "refuse"
    AMEND = "amend"
    """Refused, and the visitor can put it right."""
    FAULT = "fault"
    """Refused for a reason that is the gate's own."""


class Sound(StrEnum):
    """Tones told apart with the eyes closed."""

    ADMIT = "admit"
    CHECK = "check"
    EXIT = "exit"
    REFUSE = "refuse"
    AMEND = "amend"
    FAULT = "fault"


ADMIT_DWELL_MS: Final = 1_200
CHECK_DWELL_MS: Final = 4_000
REFUSE_DWELL_MS: Final = 4_000


@dataclass(frozen=True, slots=True)
class VerdictScreen:
    """How one verdict looks and sounds; `code` is its wire code."""

    code: str
    shape: Shape
    family: ColourFamily
    sound: Sound
    dwell_ms: int = REFUSE_DWELL_MS

    @property
    def word_key(self) -> str:
        """The text of the headline."""
        return f"verdict.{self.code}.word"

    @property
    def instruction_key(self) -> str:
        """The text that says what it means."""
        return f"verdict.{self.code}.instruction"

    @property
    def next_key(self) -> str:
        """The text that says what to do next."""
        return f"verdict.{self.code}.next"


def _admit(outcome: Outcome, shape: Shape, sound: Sound = Sound.ADMIT) -> VerdictScreen:
    return VerdictScreen(outcome, shape, ColourFamily.ADMIT, sound, ADMIT_DWELL_MS)


def _refuse(refusal: Refusal, shape: Shape) -> VerdictScreen:
    return VerdictScreen(refusal, shape, ColourFamily.REFUSE, Sound.REFUSE)


def _amend(refusal: Refusal, shape: Shape) -> VerdictScreen:
    return VerdictScreen(refusal, shape, ColourFamily.AMEND, Sound.AMEND)


def _fault(refusal: Refusal) -> VerdictScreen:
    return VerdictScreen(refusal, Shape.DEVICE, ColourFamily.FAULT, Sound.FAULT)


_ALL: Final = (
    _admit(Outcome.ADMIT, Shape.TICK),
    _admit(Outcome.ADMIT_REENTRY, Shape.RETURN),
    _admit(Outcome.EXIT, Shape.EXIT, Sound.EXIT),
    VerdictScreen(
        Outcome.ADMIT_ATTENTION,
        Shape.ATTENTION,
        ColourFamily.CHECK,
        Sound.CHECK,
        CHECK_DWELL_MS,
    ),
    _admit(Outcome.ADMIT_PROVISIONAL, Shape.PROVISIONAL),
    _fault(Refusal.DEVICE_ERROR),
    _fault(Refusal.LEASE_EXPIRED),
    _fault(Refusal.TIME_UNTRUSTED),
    _refuse(Refusal.NOT_A_TICKET, Shape.QUESTION),
    _refuse(Refusal.BAD_SIGNATURE, Shape.CROSS),
    _refuse(Refusal.UNKNOWN_TICKET, Shape.QUESTION),
    _refuse(Refusal.WRONG_EVENT, Shape.CROSS),
    _refuse(Refusal.REVOKED, Shape.CROSS),
    _refuse(Refusal.TRANSFERRED, Shape.CROSS),
    _refuse(Refusal.CANCELLED, Shape.CROSS),
    _refuse(Refusal.REFUNDED, Shape.CROSS),
    _refuse(Refusal.PAYMENT_REVERSED, Shape.CROSS),
    _refuse(Refusal.UNPAID, Shape.CROSS),
    _refuse(Refusal.BLOCKED, Shape.CROSS),
    _amend(Refusal.STALE_CODE, Shape.PHONE),
    _amend(Refusal.PHONE_CLOCK, Shape.PHONE),
    _amend(Refusal.STATIC_NOT_ALLOWED, Shape.PHONE),
    _amend(Refusal.NFC_REQUIRED, Shape.PHONE),
    _amend(Refusal.QR_REQUIRED, Shape.PHONE),
    _refuse(Refusal.MEDIUM_INVALID, Shape.CROSS),
    _amend(Refusal.TOO_EARLY, Shape.CLOCK),
    _refuse(Refusal.TOO_LATE, Shape.CLOCK),
    _amend(Refusal.WRONG_GATE, Shape.DIRECTION),
    _amend(Refusal.WRONG_ZONE, Shape.DIRECTION),
    _amend(Refusal.WRONG_TIER, Shape.DIRECTION),
    _refuse(Refusal.RULE_REFUSED, Shape.HAND),
    _refuse(Refusal.ALREADY_INSIDE_HERE, Shape.HAND),
    _refuse(Refusal.ALREADY_INSIDE_OTHER_GATE, Shape.HAND),
    _amend(Refusal.NOT_INSIDE, Shape.QUESTION),
    _refuse(Refusal.MAX_ENTRIES, Shape.HAND),
    _refuse(Refusal.CAPACITY_REACHED, Shape.HAND),
)

VERDICT_SCREENS: Final = {screen.code: screen for screen in _ALL}
"""One screen for every wire code."""
