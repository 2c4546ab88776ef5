"""How people like this kiosk: its language and its theme, in a small file of their own.

It stands outside the encrypted store, so that a store that cannot be opened can still say so in
the right language. Nothing in it is worth protecting.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

FILE_NAME: Final = "preferences.json"


@dataclass(frozen=True, slots=True)
class Preferences:
    """None means that nobody has chosen yet."""

    language: str | None = None
    theme: str | None = None


def read_preferences(directory: Path) -> Preferences:
    """Read what was chosen; a file that is missing or damaged means that nothing was."""
    try:
        document = json.loads((directory / FILE_NAME).read_bytes())
    except (OSError, ValueError, RecursionError):
        return Preferences()
    if not isinstance(document, dict):
        return Preferences()
    return Preferences(_text(document.get("language")), _text(document.get("theme")))


def change_preference(directory: Path, name: str, value: str) -> None:
    """Remember one choice; a disk that takes nothing is no reason to stop a gate."""
    preferences = replace(read_preferences(directory), **{name: value})
    written = directory / f"{FILE_NAME}.new"
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        written.write_text(json.dumps(asdict(preferences)))
        written.replace(directory / FILE_NAME)
    except OSError:
        return


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
