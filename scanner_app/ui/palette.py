"""The colours of day and night, one set a family. Pure; a test holds the contrast of each pair."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from scanner_app.ui.verdict_screens import ColourFamily


class Theme(StrEnum):
    """Day is made for the sun, night for eyes used to the dark."""

    DAY = "day"
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class Colours:
    """`#rrggbb` each; `text` and `accent` stand on `background`."""

    background: str
    text: str
    accent: str
    """The shape's colour."""
    frame: str
    """A thick border around what is not a plain yes; the background where there is none."""
    surface: str
    """Cards, fields and buttons, under `text`."""


PALETTES: Final = {
    Theme.DAY: {
        ColourFamily.NEUTRAL: Colours("#f4f6f5", "#0d1512", "#0a5c36", "#f4f6f5", "#ffffff"),
        ColourFamily.ADMIT: Colours("#35d673", "#00170a", "#00170a", "#35d673", "#8ceab0"),
        ColourFamily.CHECK: Colours("#35d673", "#00170a", "#00170a", "#00170a", "#ffd400"),
        ColourFamily.REFUSE: Colours("#9c0015", "#ffffff", "#ffffff", "#ffffff", "#6e000f"),
        ColourFamily.AMEND: Colours("#ffc21a", "#1a1200", "#1a1200", "#1a1200", "#ffe08a"),
        ColourFamily.FAULT: Colours("#1d1a33", "#ffffff", "#ffffff", "#ffffff", "#37325c"),
    },
    Theme.NIGHT: {
        ColourFamily.NEUTRAL: Colours("#0b100e", "#e6efe9", "#6fe3a1", "#0b100e", "#1a2420"),
        ColourFamily.ADMIT: Colours("#00401d", "#d6ffe4", "#6ff5a4", "#00401d", "#005c2b"),
        ColourFamily.CHECK: Colours("#00401d", "#d6ffe4", "#ffd84d", "#ffd84d", "#4d4200"),
        ColourFamily.REFUSE: Colours("#4a0009", "#ffe3e3", "#ff9c9c", "#ff9c9c", "#6a0612"),
        ColourFamily.AMEND: Colours("#382a00", "#ffefc2", "#ffc840", "#ffc840", "#524000"),
        ColourFamily.FAULT: Colours("#14122b", "#eceaff", "#b9b2ff", "#b9b2ff", "#2a2650"),
    },
}
"""Black on light says yes, white on dark says no: by day they differ in grey as well."""
