"""Short texts to providers and from them: plain letters only, cut to their length."""

import re
import unicodedata
from typing import Final

_KEPT: Final = frozenset(" -.:,#")
_SOMEBODY: Final = re.compile(r"\S*@\S*|\S*\d(?:[ -]?\d){4,}\S*")


def plain_note(text: str, characters_max: int) -> str:
    """Take accents, apostrophes and every other sign off: some providers refuse the whole call."""
    decomposed = unicodedata.normalize("NFKD", text)
    plain = "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in _KEPT) else " "
        for letter in decomposed
        if not unicodedata.combining(letter)
    )
    return " ".join(plain.split())[:characters_max]


def impersonal(text: str, characters_max: int) -> str:
    """Keep what a provider says of a refusal, without an address or a long number in it."""
    return plain_note(_SOMEBODY.sub(" ", text), characters_max)
