"""The reference a buyer writes on a transfer: a creditor reference by ISO 11649, short enough to
type, with check digits so that what was mistyped names nobody. Pure.
"""

import re
from hashlib import sha256
from typing import Final

# Letters alone, so that the check digits find every wrong letter, and every two that changed
# places; no I, L, O or U, which are read for something else.
_ALPHABET: Final = "ABCDEFGHJKMNPQRSTVWXYZ"
_BODY_LETTERS: Final = 12
_MODULUS: Final = 97
# Two may overlap: what was typed before a reference can begin like one.
_CANDIDATE: Final = re.compile(rf"(?=(RF\d{{2}}[{_ALPHABET}]{{{_BODY_LETTERS}}}))")


def payment_reference(reference: str) -> str:
    """Derive the buyer's reference from our own: the same one gives the same, always."""
    rest = int.from_bytes(sha256(reference.encode()).digest(), "big")
    body = ""
    while len(body) < _BODY_LETTERS:
        rest, place = divmod(rest, len(_ALPHABET))
        body += _ALPHABET[place]
    return f"RF{_check_digits(body)}{body}"


def printed(reference: str) -> str:
    """Write it in fours, as people read it out."""
    return " ".join(reference[start : start + 4] for start in range(0, len(reference), 4))


def references_in(text: str) -> tuple[str, ...]:
    """Find the references that somebody typed, in whatever spacing and case, among other words."""
    joined = re.sub(r"[^0-9A-Za-z]", "", text).upper()
    found = (match[1] for match in _CANDIDATE.finditer(joined))
    return tuple(dict.fromkeys(one for one in found if one[2:4] == _check_digits(one[4:])))


def _check_digits(body: str) -> str:
    number = int("".join(str(int(letter, 36)) for letter in f"{body}RF00"))
    return f"{98 - number % _MODULUS:02}"
