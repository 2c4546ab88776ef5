"""Passwords: which are good enough, and how they are kept (argon2id)."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from zxcvbn import zxcvbn

from sync_server.identity.errors import PasswordGuessableError
from sync_server.identity.rules import Weakness

# The estimator reads no more; whatever follows makes a password no weaker.
_ESTIMATED_CHARACTERS: Final = 72
# Three of four: safe from a thief of the hashes who tries a hundred million guesses.
_SCORE_MIN: Final = 3
_WEAKNESSES: Final[Mapping[str, Weakness]] = {
    "dictionary": Weakness.COMMON,
    "spatial": Weakness.KEYBOARD,
    "repeat": Weakness.REPEATED,
    "sequence": Weakness.SEQUENCE,
    "date": Weakness.DATE,
    "regex": Weakness.DATE,
}
_ABOUT_ITS_OWNER: Final = "user_inputs"
# Above the least that OWASP asks for. Whoever signs in is given a new hash when these change.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=47_104, parallelism=1)


@dataclass(frozen=True, slots=True)
class Checked:
    """Whether a password is the right one, and whether its hash is made the old way."""

    matches: bool
    is_outdated: bool = False


def require_good(password: str, *about_its_owner: str) -> None:
    """Refuse, as PasswordGuessableError, what is in leaked lists or made of such words. No rules
    on its letters.
    """
    told = zxcvbn(password[:_ESTIMATED_CHARACTERS], user_inputs=list(about_its_owner))
    if told["score"] < _SCORE_MIN:
        raise PasswordGuessableError(_weakness(told["sequence"]))


def _weakness(sequence: Sequence[Mapping[str, Any]]) -> Weakness | None:
    """Name what the longest part that can be guessed is made of."""
    guessable = [part for part in sequence if part["pattern"] in _WEAKNESSES]
    if not guessable:
        return None
    longest = max(guessable, key=lambda part: len(part["token"]))
    if longest.get("dictionary_name") == _ABOUT_ITS_OWNER:
        return Weakness.PERSONAL
    return _WEAKNESSES[longest["pattern"]]


async def hash_password(password: str) -> str:
    return await asyncio.to_thread(_HASHER.hash, password)


async def check_password(password: str, password_hash: str | None) -> Checked:
    """Compare; for somebody unknown the same work is done on a decoy, and never matches."""
    if password_hash is None:
        await asyncio.to_thread(_check, password, decoy_hash())
        return Checked(matches=False)
    return await asyncio.to_thread(_check, password, password_hash)


def _check(password: str, password_hash: str) -> Checked:
    try:
        _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return Checked(matches=False)
    return Checked(matches=True, is_outdated=_HASHER.check_needs_rehash(password_hash))


@cache
def decoy_hash() -> str:
    """A hash made with today's parameters, so that checking it takes as long."""
    return _HASHER.hash("nobody's password")
