"""In which language a page is shown, and where a person may be sent after signing in; pure."""

import re
from typing import Final

from sync_server.identity.rules import Language

LANGUAGES: Final = tuple(Language)
HOME_AFTER_SIGN_IN: Final = "/account"
_KNOWN: Final = {language.value: language for language in LANGUAGES}
_PATH: Final = re.compile(r"(/[a-z0-9]+(-[a-z0-9]+)*)+")
_PATH_CHARACTERS_MAX: Final = 200


def chosen_language(asked: str | None) -> Language | None:
    """Read what an address or a cookie asks for; None for what we do not speak."""
    return _KNOWN.get(asked or "")


def preferred_language(accept_language: str) -> Language:
    """Give the language a browser's Accept-Language header (RFC 9110, section 12.5.4) likes best
    among ours, English where it likes none.
    """
    ranges = [_language_range(part) for part in accept_language.split(",")]
    liked = [(quality, language) for quality, language in ranges if language and quality > 0]
    best = max(liked, key=lambda each: each[0], default=(0, None))
    return best[1] or Language.ENGLISH


def _language_range(text: str) -> tuple[int, Language | None]:
    """Read `sw-KE;q=0.8` as 800 thousandths of Swahili; what is malformed counts for nothing."""
    tag, _, parameter = text.strip().lower().partition(";")
    language = _KNOWN.get(tag.strip().partition("-")[0])
    if not parameter:
        return 1_000, language
    quality = re.fullmatch(r"\s*q=([01])(?:\.(\d{0,3}))?\s*", parameter)
    if quality is None:
        return 0, None
    whole, thousandths = quality.groups(default="")
    return int(whole) * 1_000 + int(thousandths.ljust(3, "0")), language


def local_path(wanted: str | None) -> str:
    """Give a path on this server to go to; whatever could lead elsewhere leads home."""
    if wanted is None or len(wanted) > _PATH_CHARACTERS_MAX or not _PATH.fullmatch(wanted):
        return HOME_AFTER_SIGN_IN
    return wanted
