"""Decides which decoded texts are texts at all. It never changes one: the spaces at its ends belong
to a code.
"""

_ALLOWED_CONTROLS = frozenset("\t\r\n")
# Spaces of ordinary text that Python does not call printable.
_WIDE_SPACES = frozenset("\N{NO-BREAK SPACE}\N{IDEOGRAPHIC SPACE}\N{NARROW NO-BREAK SPACE}")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_text(candidate: str) -> bool:
    """Not empty, free of control characters, and of marks of bytes that could not be read."""
    return bool(candidate) and all(_is_readable(character) for character in candidate)


def _is_readable(character: str) -> bool:
    if character == _REPLACEMENT:
        return False
    return character.isprintable() or character in _ALLOWED_CONTROLS or character in _WIDE_SPACES
