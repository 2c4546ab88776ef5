"""The words of one language, with named placeholders filled in. Pure; knows no file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

THIN_SPACE: Final = "\N{NARROW NO-BREAK SPACE}"
SINGULAR: Final = ".one"
PLURAL: Final = ".other"


@dataclass(frozen=True, slots=True)
class Wording:
    """A language's code, its own name for itself, and its phrases."""

    language: str
    name: str
    phrases: Mapping[str, str]

    def say(self, key: str, **values: str) -> str:
        """Give the phrase with its placeholders filled; an unknown key is a KeyError."""
        return self.phrases[key].format(**values)

    def count(self, key: str, number: int, **values: str) -> str:
        """Give the phrase for one or for several; `{count}` is the number."""
        form = SINGULAR if number == 1 else PLURAL
        return self.say(key + form, count=grouped(number), **values)


def grouped(number: int) -> str:
    """Write a number with thin spaces between thousands, which no language reads as a point."""
    return f"{number:,}".replace(",", THIN_SPACE)
