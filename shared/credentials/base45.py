"""Base45 (RFC 9285), strict: one text for every byte string, so that a code cannot be varied."""

from typing import Final

from shared.errors import CredentialError

ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
_BASE: Final = 45
_PAIR_BYTES: Final = 2
_PAIR_CHARACTERS: Final = 3
_VALUES: Final = {character: value for value, character in enumerate(ALPHABET)}


class InvalidBase45Error(CredentialError):
    """Text that no byte string encodes to."""

    code = "invalid_base45"


def encode(data: bytes) -> str:
    """Write bytes as Base45, two bytes in three characters and a last odd byte in two."""
    characters: list[str] = []
    for start in range(0, len(data), _PAIR_BYTES):
        chunk = data[start : start + _PAIR_BYTES]
        value = int.from_bytes(chunk, "big")
        for _ in range(len(chunk) + 1):
            value, digit = divmod(value, _BASE)
            characters.append(ALPHABET[digit])
    return "".join(characters)


def decode(text: str) -> bytes:
    """Read Base45, or raise InvalidBase45Error for any text `encode` would not have written."""
    if len(text) % _PAIR_CHARACTERS == 1:
        message = "Base45 text has an impossible length"
        raise InvalidBase45Error(message)
    decoded = bytearray()
    for start in range(0, len(text), _PAIR_CHARACTERS):
        group = text[start : start + _PAIR_CHARACTERS]
        decoded += _decode_group(group)
    return bytes(decoded)


def _decode_group(group: str) -> bytes:
    value = 0
    for character in reversed(group):
        digit = _VALUES.get(character)
        if digit is None:
            message = "Base45 text has a character outside its alphabet"
            raise InvalidBase45Error(message)
        value = value * _BASE + digit
    width = len(group) - 1
    if value >> (8 * width):
        message = "Base45 text has a group that no bytes encode to"
        raise InvalidBase45Error(message)
    return value.to_bytes(width, "big")
